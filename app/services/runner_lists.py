"""Lists for reconciliation that only a lane runner reaches: which these are, and keeping them.

Whoever drains the lane of a system fetches its lists too (docs/interfaces/snapshots.md): those that it
lays down as they come, those that it gives by HTTP when the process reconcile would have asked for one.
What a runner hands over is kept byte for byte; the process reads it as it reads what it fetches itself,
and its bytes are removed once it is compared.
"""

from __future__ import annotations

import secrets
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.lanes import CIS
from app.domain.reconciliation import SnapshotFault, stock_of
from app.domain.zones import CENTRAL
from app.models.inbound_message import InboundMessage
from app.models.partner import SFTP
from app.models.zone import LaneRunner
from app.services import alarms, inbound, processes, reconciliation, runs
from app.services.lane_runners import RunnerRefused
from app.services.process_starts import ProcessUnknown
from app.services.processes import ProcessRefused
from app.settings import Settings
from integrations.outcomes import plain
from integrations.runner_api.types import FileTold, Heartbeat, ListAsked, ListFolder
from integrations.sftp.file_names import safe_name

KIND = "LIST"
RUN = "fetch lists"
# Ten million records; nobody has as many meters.
MOST_BYTES = 2 * 1024**3
_SOURCE = "list:"
_BY = "system:runner"
_BLOCK_BYTES = 1024 * 1024

# The zone of each system that is compared, and whether it lays its lists down as files.
_PLACES = text(
    """
    SELECT named.system, coalesce(lane.name, '') AS lane, coalesce(lane.zone, :central) AS zone,
        coalesce(named.system = :cis OR p.transport = :sftp, false) AS by_file
    FROM unnest(CAST(:systems AS text[])) AS named (system)
    LEFT JOIN partner p ON named.system IN ('partner.' || p.code, 'stock.' || p.code)
    LEFT JOIN lane ON lane.name = coalesce('partner.' || p.code, named.system)
    WHERE p.code IS NULL OR p.active
    ORDER BY named.system
    """
)
# The last start that would have asked this system, and when a list of it came last.
_LAST_START = text(
    """
    SELECT process_code, begun_at, greatest(
            (SELECT max(asked_at) FROM snapshot WHERE system = :system),
            (SELECT max(received_at) FROM inbound_message WHERE source = :source)) AS came_at
    FROM process_start
    WHERE process_code IN (:whole, :changes) AND begun_at IS NOT NULL AND NOT params ? 'stored'
      AND (params->>'system' IS NULL OR params->>'system' = :system)
    ORDER BY begun_at DESC LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class _Place:
    system: str
    lane: str
    zone: str
    by_file: bool


def zone_of(session: Session, system: str) -> str:
    """The zone in which a system's lists are fetched, that of its lane; our own where it has none."""
    named = _places(session, [system])
    return named[0].zone if named else CENTRAL


def look_after(
    session: Session, zone: str, told: Heartbeat, settings: Settings, now: datetime
) -> list[ListFolder]:
    """The folders of a zone in which systems lay down lists; what its runners tell of lists is an alarm.

    It ends, as any such alarm, when a list of the system has been compared.
    """
    found = []
    for place in _places(session, reconciliation.systems_of(session, settings)):
        if place.zone != zone:
            continue
        why = told.list_troubles.get(place.system)
        if why is not None:
            words = f"{SnapshotFault.UNREACHABLE}: {plain(why)}"[:500]
            alarms.open_alarm(session, reconciliation.BROKEN_ALARM, place.system, words, now)
        if not place.by_file:
            continue
        inbox = settings.snapshots_dir + ("-stock" if stock_of(place.system) else "")
        found.append(
            ListFolder(lane=place.lane, system=place.system, inbox=inbox, most_bytes=MOST_BYTES)
        )
    return found


def wanted(session: Session, zone: str, settings: Settings) -> list[ListAsked]:
    """The lists by HTTP that a zone's runners are to ask for now: a comparison began, none has come since."""
    found = []
    for place in _places(session, reconciliation.systems_of(session, settings)):
        if place.zone != zone or place.by_file:
            continue
        values = {
            "system": place.system,
            "source": _SOURCE + place.system,
            "whole": reconciliation.PROCESS,
            "changes": reconciliation.CHANGES,
        }
        last = session.execute(_LAST_START, values).one_or_none()
        if last is None or (last.came_at is not None and last.came_at >= last.begun_at):
            continue
        since = None
        if last.process_code == reconciliation.CHANGES:
            since = reconciliation.last_taken_at(session, place.system)
        found.append(
            ListAsked(lane=place.lane, system=place.system, most_bytes=MOST_BYTES, since=since)
        )
    return found


def take(
    session: Session, row: LaneRunner, told: FileTold, settings: Settings, now: datetime
) -> str:
    """Keep a list that a runner fetched; says what became of it. Raises: RunnerRefused."""
    system = plain(told.system or "")
    places = _places(session, reconciliation.systems_of(session, settings))
    if not any(
        (one.system, one.lane, one.zone) == (system, told.lane, row.zone_code) for one in places
    ):
        raise RunnerRefused("FOLDER_ELSEWHERE")
    name = safe_name(plain(told.name))
    run_id = runs.start_run(session, RUN, f"runner {row.zone_code}", now, subject=system)
    result, detail = "REFUSED", f"{told.size} bytes are more than are taken"
    keys: tuple[str, ...] = (name, system)
    with tempfile.TemporaryFile() as file:
        if told.body is not None and _unpack(told.body, file):
            stored = inbound.store(
                session,
                source=_SOURCE + system,
                kind=KIND,
                name=name,
                chunks=_blocks(file),
                now=now,
            )
            result = "STORED" if stored.new else "DUPLICATE"
            detail = f"{stored.size_bytes} bytes, message {stored.id}"
            keys = (name, stored.body_hash, system)
            if stored.new:
                _wake(session, now)
            else:
                # It gave the very list that it gave before, which is an answer as well.
                was_good = session.get_one(InboundMessage, stored.id).state == "INTERPRETED"
                reconciliation.note_known(
                    session, system, now, was_good=was_good, run_id=run_id, name=name
                )
    if result == "REFUSED":
        fault = SnapshotFault.TOO_LARGE
        reconciliation.note_broken(session, system, fault, name, now, run_id=run_id, name=name)
    outcome = "REJECTED" if result == "REFUSED" else result
    step = runs.StepRow("store file", outcome, keys, now, detail=detail)
    runs.add_steps(session, run_id, [step])
    state = "PARTLY" if result == "REFUSED" else "OK"
    runs.finish_run(session, run_id, state, now, counts={outcome: 1})
    return result


def systems_waiting(session: Session) -> list[str]:
    """The systems of which a list waits to be compared."""
    statement = select(InboundMessage.source).where(
        InboundMessage.kind == KIND, InboundMessage.state == "STORED"
    )
    found = session.execute(statement.distinct().order_by(InboundMessage.source)).scalars()
    return [source.removeprefix(_SOURCE) for source in found]


def next_waiting(session: Session, system: str, after: int) -> InboundMessage | None:
    """The oldest list of a system, behind another one, that has not been compared."""
    statement = (
        select(InboundMessage)
        .where(
            InboundMessage.source == _SOURCE + system,
            InboundMessage.kind == KIND,
            InboundMessage.state == "STORED",
            InboundMessage.id > after,
        )
        .order_by(InboundMessage.id)
        .limit(1)
    )
    return session.execute(statement).scalar_one_or_none()


def close(session: Session, message_id: int, *, good: bool, now: datetime) -> None:
    """A list has been compared, or could not be used: what it said is in its differences, not here."""
    inbound.close(session, message_id, "INTERPRETED" if good else "REJECTED", now, document=KIND)
    session.execute(
        text("DELETE FROM inbound_chunk WHERE inbound_message_id = :id"), {"id": message_id}
    )
    session.execute(
        text("UPDATE inbound_message SET body_removed_at = :now WHERE id = :id"),
        {"id": message_id, "now": now},
    )


def _places(session: Session, systems: list[str]) -> list[_Place]:
    values = {"systems": systems, "cis": CIS, "sftp": SFTP, "central": CENTRAL}
    rows = session.execute(_PLACES, values)
    return [_Place(row.system, row.lane, row.zone, row.by_file) for row in rows]


def _unpack(body: bytes, file: IO[bytes]) -> bool:
    """Whether the packed list could be written out, within the bound that every list has."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    left, size = body, 0
    try:
        while not unpacker.eof:
            block = unpacker.decompress(left, _BLOCK_BYTES)
            left = unpacker.unconsumed_tail
            size += len(block)
            if size > MOST_BYTES or not (block or left or unpacker.eof):
                # Too much, or it ends in the middle.
                return False
            file.write(block)
    except zlib.error:
        return False
    return True


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        yield block


def _wake(session: Session, now: datetime) -> None:
    """Have it compared now; where somebody has stopped the process it waits, as everything of it."""
    try:
        processes.start(
            session,
            reconciliation.PROCESS,
            secrets.token_hex(8),
            now,
            by=_BY,
            params={"stored": True},
        )
    except (ProcessUnknown, ProcessRefused):
        return
