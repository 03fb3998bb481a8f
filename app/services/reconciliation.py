"""Reconciliation: lists of other systems against what we gave them; the writer of differences.

A list is taken whole or not at all: it is read into a table of this transaction, and only when its
count and digest are what its head says is it compared, in sets, by the database. The same list again
makes no second row, and a difference that is gone closes by itself. What changed shortly before the
list was taken is not judged; what is on its way or in doubt is late, never missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import BinaryIO

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import copy_text
from app.domain.lanes import CIS
from app.domain.lock_spaces import LockSpace
from app.domain.reconciliation import SnapshotFault, list_name, systems
from app.domain.states import SnapshotState
from app.domain.zones import CENTRAL
from app.models.partner import REST, SFTP, Partner
from app.models.process import Process
from app.models.reconciliation import Snapshot
from app.services import alarms
from app.services.snapshot_views import view_of
from app.settings import Settings
from integrations.snapshots.codec import SnapshotInvalid, parse_head, parse_records
from integrations.snapshots.types import Head, Record

OLD_ALARM = "DIFFERENCES_OLD"
BROKEN_ALARM = "SNAPSHOT_BROKEN"
LATE_ALARM = "SNAPSHOT_LATE"
PROCESS = "reconcile"
CHANGES = "reconcile-changes"
OWNER = "operations"
CLOCK = "system:reconciliation"

# Clocks differ a little; a list from further ahead is a mistake.
_AHEAD_MOST = timedelta(minutes=5)
_ROWS_PER_COPY = 5_000
_NULL = "\\N"
# Comparing millions takes longer than any other statement may.
_PATIENCE = "SET LOCAL statement_timeout = '10min'"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a list: counts by kind of difference, and RESOLVED for those that ended."""

    snapshot_id: int
    state: SnapshotState
    counts: dict[str, int]


def systems_of(session: Session, settings: Settings) -> list[str]:
    """The systems whose lists are compared. Raises: SystemUnknown."""
    partners = session.execute(
        select(Partner.code).where(Partner.active, Partner.transport == REST).order_by(Partner.code)
    ).scalars()
    return systems(settings.reconciled, list(partners))


def last_taken_at(session: Session, system: str) -> datetime | None:
    """When the newest list that was compared had been taken; the next delta begins there."""
    statement = text(
        "SELECT max(taken_at) FROM snapshot WHERE system = :system AND state = 'DIFFED'"
    )
    found: datetime | None = session.execute(statement, {"system": system}).scalar_one()
    return found


def take(
    session: Session,
    system: str,
    stream: BinaryIO,
    settings: Settings,
    now: datetime,
    *,
    run_id: int | None = None,
    name: str | None = None,
) -> Taken:
    """Read a list and compare it, all in this transaction.

    Raises: SnapshotInvalid (roll back, so that nothing of it stays, and note_broken),
    SystemUnknown.
    """
    session.execute(text(_PATIENCE))
    # One list of a system at a time: two would close each other's differences.
    session.execute(
        text("SELECT pg_advisory_xact_lock(:space, hashtext(:system))"),
        {"space": LockSpace.SNAPSHOTS.value, "system": system},
    )
    head = parse_head(stream)
    last = last_taken_at(session, system)
    _check_head(head, system, last, now)
    stale = last is not None and head.taken_at < last
    snapshot = Snapshot(
        system=system,
        kind=head.kind,
        ref=name or head.snapshot,
        taken_at=head.taken_at,
        since_at=head.since,
        record_count=head.count,
        digest=head.sha256,
        state=SnapshotState.STALE if stale else SnapshotState.DIFFED,
        reason=SnapshotFault.STALE if stale else None,
        counts={},
        run_id=run_id,
        asked_at=now,
        ended_at=now,
    )
    session.add(snapshot)
    session.flush()
    if not stale:
        _stage(session, parse_records(stream, head), list_name(system))
        snapshot.counts = _compare(session, system, snapshot, settings, now)
        alarms.close_alarm(session, BROKEN_ALARM, system, now)
    return Taken(snapshot.id, SnapshotState(snapshot.state), snapshot.counts)


def note_broken(
    session: Session,
    system: str,
    fault: str,
    detail: str,
    now: datetime,
    *,
    run_id: int | None = None,
    name: str | None = None,
) -> None:
    """A list that could not be used: recorded and told, and nothing else is changed."""
    session.add(
        Snapshot(
            system=system,
            ref=name,
            record_count=0,
            state=SnapshotState.BROKEN,
            reason=fault,
            detail=detail[:500],
            counts={},
            run_id=run_id,
            asked_at=now,
            ended_at=now,
        )
    )
    alarms.open_alarm(session, BROKEN_ALARM, system, f"{fault}: {detail}"[:500], now)


def note_known(
    session: Session,
    system: str,
    now: datetime,
    *,
    was_good: bool,
    run_id: int | None = None,
    name: str,
) -> None:
    """The very list that a system gave before: recorded, so that nobody asks it again at once.

    was_good: it has been compared, so the system gives a usable list, whatever kept us from it since.
    """
    if was_good:
        alarms.close_alarm(session, BROKEN_ALARM, system, now)
    session.add(
        Snapshot(
            system=system,
            ref=name,
            record_count=0,
            state=SnapshotState.STALE,
            reason=SnapshotFault.STALE,
            counts={},
            run_id=run_id,
            asked_at=now,
            ended_at=now,
        )
    )


_OLD = text(
    "SELECT system, count(*), min(opened_at) FROM difference"
    " WHERE state IN ('OPEN', 'REPAIRING') AND opened_at < :before GROUP BY system"
)


def watch(session: Session, settings: Settings, now: datetime) -> None:
    """An alarm for each system with differences that nobody ended in time, or without a fresh list."""
    _watch_lists(session, settings, now)
    before = now - timedelta(hours=settings.reconcile_alarm_h)
    found = {}
    for row in session.execute(_OLD, {"before": before}):
        found[row[0]] = f"{row[1]} differences, the oldest since {row[2]:%Y-%m-%d %H:%M} UTC."
    for system, detail in found.items():
        alarms.open_alarm(session, OLD_ALARM, system, detail, now)
    for system in alarms.open_subjects(session, OLD_ALARM) - found.keys():
        alarms.close_alarm(session, OLD_ALARM, system, now)


# A partner's stock of meters lies on the same server as the list of its orders.
_NEWEST = text(
    """
    SELECT named.system, max(s.taken_at) AS taken_at, greatest(p.created_at, (
        SELECT created_at FROM process WHERE run_name = :process)) AS since_at
    FROM unnest(CAST(:systems AS text[])) AS named (system)
    LEFT JOIN partner p ON named.system IN ('partner.' || p.code, 'stock.' || p.code)
    LEFT JOIN lane ON lane.name = coalesce('partner.' || p.code, named.system)
    LEFT JOIN snapshot s ON s.system = named.system AND s.state = 'DIFFED'
    WHERE (named.system = :cis OR p.transport = :by_file OR lane.zone <> :central)
      AND (p.code IS NULL OR p.active)
    GROUP BY named.system, p.created_at
    """
)


def _watch_lists(session: Session, settings: Settings, now: datetime) -> None:
    """Whoever is asked by HTTP from here fails when it does not answer; a folder that stays empty says
    nothing, and neither does a runner that has no way to a list.
    """
    before = now - timedelta(hours=settings.reconcile_list_late_h)
    values = {
        "systems": systems_of(session, settings),
        "process": PROCESS,
        "cis": CIS,
        "by_file": SFTP,
        "central": CENTRAL,
    }
    late = {}
    for row in session.execute(_NEWEST, values):
        if row.taken_at is not None and row.taken_at < before:
            late[row.system] = f"Its newest list is of {row.taken_at:%Y-%m-%d %H:%M} UTC."
        elif row.taken_at is None and row.since_at is not None and row.since_at < before:
            late[row.system] = f"It has given no list since {row.since_at:%Y-%m-%d %H:%M} UTC."
    for system, detail in late.items():
        alarms.open_alarm(session, LATE_ALARM, system, detail, now)
    for system in alarms.open_subjects(session, LATE_ALARM) - late.keys():
        alarms.close_alarm(session, LATE_ALARM, system, now)


def _check_head(head: Head, system: str, last: datetime | None, now: datetime) -> None:
    wanted = list_name(system)
    if head.list != wanted:
        raise SnapshotInvalid(SnapshotFault.OTHER_LIST, f"a list of {head.list}, not of {wanted}")
    if head.taken_at > now + _AHEAD_MOST:
        raise SnapshotInvalid(
            SnapshotFault.IN_FUTURE, f"taken at {head.taken_at:%Y-%m-%d %H:%M:%S %z}"
        )
    if head.since is not None and (last is None or head.since > last):
        raise SnapshotInvalid(
            SnapshotFault.DELTA_GAP, f"since {head.since:%Y-%m-%d %H:%M:%S %z}, which leaves a gap"
        )


def _stage(session: Session, records: Iterable[Record], wanted: str) -> None:
    """Into a table that goes with the transaction; in memory is one slice at a time."""
    session.execute(
        text(
            "CREATE TEMP TABLE told (seq bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL,"
            " version bigint, facts text, changed_at timestamptz) ON COMMIT DROP"
        )
    )
    lines = _lines(records, wanted)
    while slice_ := "".join(islice(lines, _ROWS_PER_COPY)):
        copy_text(session, "told", ("key", "version", "facts", "changed_at"), slice_)
    session.execute(text("ANALYZE told"))


def _lines(records: Iterable[Record], wanted: str) -> Iterator[str]:
    for one in records:
        facts = one.facts(wanted)
        cells = (
            _safe(one.id),
            _NULL if one.version is None else str(one.version),
            _NULL if facts is None else _safe(facts),
            _NULL if one.changed_at is None else one.changed_at.isoformat(),
        )
        yield "\t".join(cells) + "\n"


def _safe(cell: str) -> str:
    """Names have no line breaks and no tabs, so only a backslash could mean something to COPY."""
    return cell.replace("\\", "\\\\") if "\\" in cell else cell


# Two marks that are no difference: fine, and too fresh or too doubtful to say.
_JUDGE = """
    CREATE TEMP TABLE judged ON COMMIT DROP AS
    WITH ours AS ({view}),
    theirs AS (
        SELECT DISTINCT ON (key) key, version, facts, changed_at,
            count(*) OVER (PARTITION BY key) AS times
        FROM told ORDER BY key, version DESC NULLS LAST, seq DESC)
    SELECT coalesce(o.key, t.key) AS key, o.gsrn, o.item_id, o.version AS our_version,
        t.version AS their_version, o.facts AS ours, t.facts AS theirs,
        split_part(v.verdict, ' ', 1) AS kind, split_part(v.verdict, ' ', 2) AS reason
    FROM ours o FULL JOIN theirs t ON t.key = o.key
    CROSS JOIN LATERAL (SELECT CASE
        WHEN o.key IS NULL THEN 'EXTRA UNKNOWN_TO_US'
        WHEN o.state = 'CANCELLED' THEN 'UNSURE'
        WHEN t.times > 1 THEN 'DIFFERENT TWICE'
        WHEN t.key IS NULL THEN CASE
            WHEN o.absent_ok THEN 'FINE'
            -- What is not in a list of changes has not changed, unless we changed it.
            WHEN CAST(:since AS timestamptz) IS NOT NULL
                AND coalesce(o.settled_at < :since, true) THEN 'FINE'
            WHEN o.state = 'SENT' AND o.settled_at < :before THEN 'MISSING NOT_THERE'
            WHEN o.state = 'SENT' THEN 'UNSURE'
            WHEN o.created_at < :before THEN 'LATE ' || o.state
            ELSE 'UNSURE' END
        WHEN t.version < o.version THEN CASE
            WHEN o.state = 'SENT' AND o.settled_at < :before THEN 'DIFFERENT OLDER_VERSION'
            WHEN o.state = 'SENT' THEN 'UNSURE'
            WHEN o.created_at < :before THEN 'LATE ' || o.state
            ELSE 'UNSURE' END
        WHEN t.version > o.most THEN 'DIFFERENT NEWER_VERSION'
        WHEN t.version > o.version THEN 'UNSURE'
        WHEN o.facts IS NULL OR t.facts IS NULL OR o.facts = t.facts THEN 'FINE'
        WHEN o.state <> 'SENT' AND o.created_at < :before THEN 'LATE ' || o.state
        WHEN o.state <> 'SENT' OR o.settled_at >= :before OR o.changed_at >= :before
            OR t.changed_at >= :before THEN 'UNSURE'
        WHEN :wanted <> 'orders' THEN 'DIFFERENT OTHER_CONTENT'
        WHEN o.facts = 'OPEN' AND t.facts IN ('DONE', 'FAILED') THEN 'DIFFERENT ACK_MISSING'
        ELSE 'DIFFERENT OTHER_STATE' END AS verdict) v
    WHERE v.verdict <> 'FINE'
"""
# One that was accepted stays so while it is as it was; one under repair while the repair is on its way.
_WRITE = text(
    """
    WITH before AS (
        SELECT id, state FROM difference WHERE system = :system AND state <> 'RESOLVED'),
    put AS (
        INSERT INTO difference AS d (system, key, gsrn, kind, reason, ours, theirs, our_version,
            their_version, outbox_item_id, state, state_at, owner, repair_count,
            first_snapshot_id, last_snapshot_id, opened_at, last_seen_at)
        SELECT :system, key, gsrn, kind, reason, ours, theirs, our_version, their_version, item_id,
            'OPEN', :now, :owner, 0, :snapshot, :snapshot, :now, :now
        FROM judged WHERE kind <> 'UNSURE' ORDER BY key
        ON CONFLICT (system, key) WHERE state <> 'RESOLVED' DO UPDATE SET
            kind = excluded.kind, reason = excluded.reason, gsrn = excluded.gsrn,
            ours = excluded.ours, theirs = excluded.theirs, our_version = excluded.our_version,
            their_version = excluded.their_version, outbox_item_id = excluded.outbox_item_id,
            last_snapshot_id = excluded.last_snapshot_id, last_seen_at = excluded.last_seen_at,
            (state, state_at) = (SELECT s, CASE WHEN s = d.state THEN d.state_at ELSE :now END
                FROM (SELECT CASE
                    WHEN d.state = 'ACCEPTED' AND (d.kind, d.reason, d.ours, d.theirs,
                        d.our_version, d.their_version) IS NOT DISTINCT FROM (excluded.kind,
                        excluded.reason, excluded.ours, excluded.theirs, excluded.our_version,
                        excluded.their_version) THEN 'ACCEPTED'
                    WHEN d.state = 'REPAIRING' AND excluded.kind = 'LATE'
                        AND excluded.reason <> 'DEAD' THEN 'REPAIRING'
                    ELSE 'OPEN' END) AS next (s))
        RETURNING d.id, d.state)
    INSERT INTO difference_change (difference_id, at, from_state, to_state, by)
    SELECT put.id, :now, before.state, put.state, :by
    FROM put LEFT JOIN before ON before.id = put.id
    WHERE before.state IS DISTINCT FROM put.state
    """
)
_CLOSE = text(
    """
    WITH gone AS (
        UPDATE difference d SET state = 'RESOLVED', state_at = :now, closed_at = :now
        FROM difference old
        WHERE old.id = d.id AND d.system = :system AND d.state <> 'RESOLVED'
          AND NOT EXISTS (SELECT 1 FROM judged j WHERE j.key = d.key)
          AND (CAST(:since AS timestamptz) IS NULL
               OR EXISTS (SELECT 1 FROM told t WHERE t.key = d.key))
        RETURNING d.id, old.state AS from_state)
    INSERT INTO difference_change (difference_id, at, from_state, to_state, by)
    SELECT id, :now, from_state, 'RESOLVED', :by FROM gone RETURNING 1
    """
)


def _compare(
    session: Session, system: str, snapshot: Snapshot, settings: Settings, now: datetime
) -> dict[str, int]:
    assert snapshot.taken_at is not None  # noqa: S101 - it comes from the head.
    view, values = view_of(system)
    values |= {
        "before": snapshot.taken_at - timedelta(seconds=settings.reconcile_grace_s),
        "since": snapshot.since_at,
        "wanted": list_name(system),
    }
    session.execute(text(_JUDGE.format(view=view)), values)
    session.execute(text("CREATE INDEX ON judged (key)"))
    session.execute(text("CREATE INDEX ON told (key)"))
    session.execute(text("ANALYZE judged"))
    common = {"system": system, "now": now, "by": CLOCK}
    session.execute(_WRITE, {**common, "snapshot": snapshot.id, "owner": _owner(session)})
    gone = session.execute(_CLOSE, {**common, "since": snapshot.since_at}).all()
    rows = session.execute(
        text("SELECT kind, count(*) FROM judged WHERE kind <> 'UNSURE' GROUP BY kind")
    )
    counts = Counter({str(row[0]): int(row[1]) for row in rows})
    counts["RESOLVED"] = len(gone)
    return dict(+counts)


def _owner(session: Session) -> str:
    """Who answers for new differences: the owner of the process, until somebody takes them."""
    return (
        session.execute(select(Process.owner).where(Process.run_name == PROCESS)).scalar() or OWNER
    )
