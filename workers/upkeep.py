"""Upkeep, every few seconds: alarms, swaps that were forgotten, planned cuts, old rows, doubts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import structlog

from app.db import is_connection_lost, transaction
from app.domain.lanes import ACKS
from app.doorbell import ring_after_commit
from app.queries import alarm_measures
from app.services import (
    ack_receipt,
    acks,
    alarm_rules,
    alarms,
    budget,
    bundle_activation,
    bundle_drift,
    inbound,
    letters,
    outages,
    partitions,
    process_setup,
    purge,
    reconciliation,
    runs,
    unreadable_bundles,
    watch,
    zone_watch,
)
from app.settings import Settings
from workers.aftercare import care_for_undelivered
from workers.customer_care import care
from workers.fault_upkeep import look_after_faults
from workers.mass_intake import count_mass_orders
from workers.meter_deliveries import look_at_mismatches
from workers.order_requests import answer_requests
from workers.planned_cuts import turn_planned_cuts
from workers.public_status import publish_status
from workers.replays import send_again
from workers.rerouting import form_unformed, move, reroute
from workers.resolver import resolve
from workers.rollout import refresh_rollout
from workers.service_level import publish_service_level
from workers.visit_reminders import remind_of_visits

log = structlog.get_logger()

FAILED_ALARM = "UPKEEP_FAILED"

_Chore = tuple[str, Callable[[], object]]


def upkeep(settings: Settings, lease: int, trigger: str, loop: asyncio.AbstractEventLoop) -> None:
    """Look after everything once; the provider is asked last, since it may keep us waiting.

    A chore that fails by a fault of ours raises an alarm and keeps none of the others from being
    done: whoever has to be told of a planned cut must not wait for a full disk.
    """
    now = datetime.now(UTC)
    for name, chore in _chores(settings, lease, trigger, loop, now):
        _do(name, chore, now)


def _chores(
    settings: Settings,
    lease: int,
    trigger: str,
    loop: asyncio.AbstractEventLoop,
    now: datetime,
) -> tuple[_Chore, ...]:
    return (
        ("alarms", partial(_watch, settings, now)),
        ("alarm rules", partial(_look_at_rules, settings, now)),
        ("processes", partial(_know_processes, settings, now)),
        ("acks", _reopen_answered),
        ("swaps", partial(_mark_stale, trigger, lease, now)),
        ("faults", partial(look_after_faults, settings, lease, trigger, now)),
        ("planned cuts", partial(turn_planned_cuts, lease, trigger, now)),
        ("order requests", partial(answer_requests, settings, lease, trigger)),
        ("serial mismatches", partial(look_at_mismatches, now)),
        ("routing", partial(reroute, settings, lease, trigger)),
        ("route moves", partial(move, settings, lease, trigger)),
        ("unformed orders", partial(form_unformed, settings, lease, trigger)),
        ("replays", partial(send_again, lease, trigger)),
        ("mass orders", partial(count_mass_orders, now)),
        ("bundles", partial(_look_after_bundles, now)),
        ("visits", partial(remind_of_visits, lease, trigger, now)),
        ("public status", partial(publish_status, settings, now)),
        ("service level", partial(publish_service_level, settings, now)),
        ("customer care", partial(care, settings, lease, trigger, now)),
        ("rollout", lambda: refresh_rollout(settings, datetime.now(UTC))),
        ("undelivered", partial(care_for_undelivered, settings, lease, trigger)),
        ("purge", partial(_purge, settings, now)),
        ("partitions", partial(_make_partitions, now)),
        ("doubts", partial(resolve, settings, lease, trigger, loop)),
    )


def _do(name: str, chore: Callable[[], object], now: datetime) -> None:
    try:
        chore()
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("chore_failed", chore=name)
        with transaction() as session:
            alarms.open_alarm(session, FAILED_ALARM, name, type(error).__name__, now)
        return
    with transaction() as session:
        alarms.close_alarm(session, FAILED_ALARM, name, now)


def _watch(settings: Settings, now: datetime) -> None:
    with transaction() as session:
        watch.raise_alarms(session, now, settings.ack_patience_s)
        zone_watch.raise_alarms(session, now)
        budget.watch(session, settings, now)
        letters.withdraw_passed(session, now)
        letters.withdraw_outdated(session)
        reconciliation.watch(session, settings, now)


def _look_after_bundles(now: datetime) -> None:
    with transaction() as session:
        bundle_activation.retire_overtaken(session, now)
        bundle_drift.watch(session, now)
    with transaction() as session:
        unreadable_bundles.watch(session, now)


def _look_at_rules(settings: Settings, now: datetime) -> None:
    """Each rule in a transaction of its own: one that fails keeps none of the others from looking."""
    with transaction() as session:
        codes = alarm_rules.due(session, now)
    failed: Exception | None = None
    for code in codes:
        try:
            with transaction() as session:
                alarm_rules.look(session, settings, code, alarm_measures.measure, now)
        except Exception as error:
            if is_connection_lost(error):
                raise
            log.exception("alarm_rule_failed", rule=code)
            failed = error
    if failed is not None:
        raise failed


def _know_processes(settings: Settings, now: datetime) -> None:
    with transaction() as session:
        process_setup.add_lanes(session, settings.environment, now)


def _purge(settings: Settings, now: datetime) -> None:
    with transaction() as session:
        purge.purge(session, settings, now)


def _make_partitions(now: datetime) -> None:
    """Each month in a transaction of its own, and an alarm for those that could not be made."""
    with transaction() as session:
        months = partitions.missing(session, now)
    try:
        for table, month in months:
            with transaction() as session:
                partitions.make(session, table, month)
    finally:
        with transaction() as session:
            partitions.watch(session, now)


def _reopen_answered() -> None:
    with transaction() as session:
        if inbound.reopen_answered(session, ack_receipt.KIND, acks.WAITS_FOR_ORDER):
            ring_after_commit(ACKS)


def _mark_stale(trigger: str, lease: int, now: datetime) -> None:
    with transaction() as session:
        if stale := outages.mark_stale(session, now):
            run_id = runs.start_run(session, "watch swaps", trigger, now, lease=lease)
            runs.finish_run(session, run_id, "PARTLY", now, counts={"STALE": stale})
