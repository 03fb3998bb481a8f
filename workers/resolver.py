"""The resolver of unknown outcomes: asks the provider where it can, then lets the policy decide.

Text messages are looked up at Twilio, twice. SendGrid cannot be asked, so e-mails wait as long
for an event instead. Every look and every decision is a step.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.clients import channel_for
from app.db import transaction
from app.services import runs, unknowns
from app.services.notice_items import notice_key
from app.services.unknowns import Doubt, Found
from app.settings import Settings
from integrations.channel import Finder, MessageMatch
from integrations.outcomes import CallError, ContractBroken
from workers.run_end import end_run

_BATCH = 100
# Clocks differ; the same text to the same number within a minute is the same message to us.
_CLOCK_ROOM = timedelta(seconds=60)
_AFTER_ERROR = timedelta(seconds=30)
_LEFT_TO_A_PERSON = "LEFT_TO_A_PERSON"
_NOT_ASKED = "NOT_ASKED"


def resolve(
    settings: Settings, lease: int, trigger: str, loop: asyncio.AbstractEventLoop
) -> Counter[str]:
    """Work on every doubt that is due; returns how many ended how."""
    counts: Counter[str] = Counter()
    now = datetime.now(UTC)
    with transaction() as session:
        if reported := unknowns.settle_reported(session, now):
            counts["REPORTED"] = reported
        doubts = unknowns.due(session, _BATCH, now)
        if not doubts:
            return counts
        run_id = runs.start_run(session, "resolve unknown", trigger, now, lease=lease)
    error: str | None = None
    try:
        while doubts:
            looked = _look_all(doubts, settings, loop)
            now = datetime.now(UTC)
            with transaction() as session:
                steps = [
                    _settle(session, doubt, look, settings, now)
                    for doubt, look in zip(doubts, looked, strict=True)
                ]
                runs.add_steps(session, run_id, steps)
                due = unknowns.due(session, _BATCH, now) if len(doubts) == _BATCH else []
            doubts = due
            counts.update(step.state for step in steps)
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        bad = counts[_LEFT_TO_A_PERSON] + counts[_NOT_ASKED]
        state = "FAILED" if error else "PARTLY" if bad else "OK"
        end_run(run_id, state, counts, error)
    return counts


def _look_all(
    doubts: Sequence[Doubt], settings: Settings, loop: asyncio.AbstractEventLoop
) -> list[MessageMatch | CallError | None]:
    """One look for each, all at once; None where nobody can be asked."""
    with transaction() as session:
        others = {doubt.attempt_id: unknowns.refs_of_others(session, doubt) for doubt in doubts}
    finders = {
        one: _finder(*one, settings, loop)
        for one in {(doubt.adapter, doubt.account) for doubt in doubts}
    }

    async def _look(doubt: Doubt) -> MessageMatch | CallError | None:
        finder = finders[doubt.adapter, doubt.account]
        if not isinstance(finder, Finder):
            return finder
        since, until = _window(doubt, settings)
        payload = doubt.payload
        try:
            return await finder.find_message(
                payload["to"],
                payload["from"],
                payload["body"],
                since,
                until,
                others[doubt.attempt_id],
            )
        except CallError as error:
            return error

    async def _all() -> list[MessageMatch | CallError | None]:
        return list(await asyncio.gather(*(_look(doubt) for doubt in doubts)))

    return loop.run_until_complete(_all())


def _finder(
    adapter: str | None, account: str | None, settings: Settings, loop: asyncio.AbstractEventLoop
) -> Finder | CallError | None:
    """Whoever can be asked about the calls of one account; a provider without answers is None."""
    if adapter is None or account is None:
        return None
    try:
        channel = channel_for(adapter, account, settings, loop)
    except CallError as error:
        return error
    return channel if isinstance(channel, Finder) else None


def _window(doubt: Doubt, settings: Settings) -> tuple[datetime, datetime]:
    """When the message must have been made, if it was."""
    longest = timedelta(seconds=settings.http_connect_s + settings.http_total_s)
    ended = doubt.finished_at or doubt.started_at + longest
    return doubt.started_at - _CLOCK_ROOM, ended + _CLOCK_ROOM


def _settle(
    session: Session,
    doubt: Doubt,
    look: MessageMatch | CallError | None,
    settings: Settings,
    now: datetime,
) -> runs.StepRow:
    """Carry one look into the rows."""
    if isinstance(look, CallError):
        return _not_asked(session, doubt, look, now)
    if look is None or look.kind == "none":
        return _not_found(session, doubt, settings, now)
    if look.kind == "several":
        unknowns.ask_later(session, doubt, None, asked=True)
        return _step(doubt, _LEFT_TO_A_PERSON, now, "several messages could be it")
    if look.sid in unknowns.refs_of_others(session, doubt):
        # Another doubt about the same words has found it first.
        gap = timedelta(seconds=settings.unknown_lookup_gap_s)
        unknowns.ask_later(session, doubt, now + gap, asked=False)
        return _step(doubt, "NOT_FOUND_YET", now)
    found = Found(look.sid, look.status, look.error_code)
    settled = unknowns.note_found(session, doubt, found, now)
    return _step(doubt, "FOUND" if settled else "SETTLED_MEANWHILE", now, ref=look.sid)


def _not_asked(session: Session, doubt: Doubt, error: CallError, now: datetime) -> runs.StepRow:
    if isinstance(error, ContractBroken):
        unknowns.ask_later(session, doubt, None, asked=True)
        return _step(doubt, _LEFT_TO_A_PERSON, now, error.why)
    unknowns.ask_later(session, doubt, now + _AFTER_ERROR, asked=False)
    return _step(doubt, _NOT_ASKED, now, error.why)


def _not_found(session: Session, doubt: Doubt, settings: Settings, now: datetime) -> runs.StepRow:
    if doubt.lookups + 1 < unknowns.LOOKUPS:
        gap = timedelta(seconds=settings.unknown_lookup_gap_s)
        unknowns.ask_later(session, doubt, now + gap, asked=True)
        return _step(doubt, "NOT_FOUND_YET", now)
    decided = unknowns.decide(session, doubt, now)
    if decided is None:
        return _step(doubt, "SETTLED_MEANWHILE", now)
    action, why = decided
    return _step(doubt, action, now, why)


def _step(
    doubt: Doubt, state: str, now: datetime, detail: str | None = None, ref: str | None = None
) -> runs.StepRow:
    keys = [notice_key(doubt.notice_id), doubt.gsrn]
    return runs.StepRow(
        name="resolve unknown",
        state=state,
        keys=tuple([*keys, ref] if ref else keys),
        started_at=now,
        detail=detail,
    )
