"""Orders meet the rules again, slice by slice; what a death leaves the next round finds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from app.db import transaction
from app.services import intake, rerouting, route_moves, runs, unformed_orders
from app.settings import Settings

_PROCESS = "routing"
# So many slices per round, lest everything else that upkeep does waits behind them.
_SLICES_MOST = 40


def reroute(settings: Settings, lease: int, trigger: str) -> None:
    """Look again at every order that newer rules, or a rule that has begun since, may help."""
    now = datetime.now(UTC)
    key = settings.partner_key.get_secret_value()
    with transaction() as session:
        lists = intake.load_lists(session, key, now)
        if not rerouting.is_due(session, lists, now):
            return
        subject = f"rules {lists.rules.set_number}"
        run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease, subject=subject)
    counts: Counter[str] = Counter()
    for _ in range(_SLICES_MOST):
        with transaction() as session:
            moment = datetime.now(UTC)
            part = rerouting.reroute_slice(session, lists, run_id, moment)
        counts.update(part)
        if not part:
            break
    with transaction() as session:
        runs.finish_run(session, run_id, "OK", datetime.now(UTC), counts=dict(counts))


def move(settings: Settings, lease: int, trigger: str) -> None:
    """Give orders that nobody has heard of to other partners, where people have decided so."""
    now = datetime.now(UTC)
    key = settings.partner_key.get_secret_value()
    with transaction() as session:
        if not route_moves.is_due(session):
            return
        lists = intake.load_lists(session, key, now)
        subject = f"rules {lists.rules.set_number}"
        run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease, subject=subject)
    counts: Counter[str] = Counter()
    for _ in range(_SLICES_MOST):
        with transaction() as session:
            part = route_moves.move_slice(session, lists, run_id, datetime.now(UTC))
        counts.update(part)
        if not part:
            break
    with transaction() as session:
        runs.finish_run(session, run_id, "OK", datetime.now(UTC), counts=dict(+counts))


def form_unformed(settings: Settings, lease: int, trigger: str) -> None:
    """Bring what waits into the form of its partner, once that can be done again."""
    now = datetime.now(UTC)
    key = settings.partner_key.get_secret_value()
    with transaction() as session:
        if not unformed_orders.any_waits(session):
            return
        lists = intake.load_lists(session, key, now)
        if not unformed_orders.is_due(session, lists, now):
            return
        run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease, subject="forms")
    counts: Counter[str] = Counter()
    after = 0
    for _ in range(_SLICES_MOST):
        with transaction() as session:
            part, last = unformed_orders.form_slice(session, lists, after, datetime.now(UTC))
        counts.update(part)
        if last is None:
            break
        after = last
    state = "PARTLY" if counts["HELD"] else "OK"
    with transaction() as session:
        runs.finish_run(session, run_id, state, datetime.now(UTC), counts=dict(+counts))
