"""The meter register: which meter hangs where since when, and what it read; written by reports.

What an order reports is written as a whole each time it changes, so reading it again, correcting
it, or hearing of two orders in the wrong sequence ends in the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.domain import placements
from app.domain.placements import Stay, Swap
from app.domain.states import METER_MOVES, MeterState, check_move
from app.services import meter_talk
from app.services.placement_rows import read_stays, stay_of, write_stays


@dataclass(frozen=True, slots=True)
class NewMeter:
    """What the report says about the meter that was hung, where it says anything.

    talked_at: the installer reached it over its network then.
    """

    number: str
    serial: str | None = None
    model: str | None = None
    firmware: str | None = None
    multiplier: Decimal | None = None
    talked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One register of one meter at one time."""

    meter_number: str
    register: str
    value: Decimal
    unit: str
    read_at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an order's completion says about meters; ack_id names the report."""

    swap: Swap
    ack_id: str
    new_meter: NewMeter | None
    readings: tuple[Reading, ...]


def record(
    session: Session,
    order_id: str,
    gsrn: str,
    report: Report | None,
    replaced_ack_id: str | None,
    now: datetime,
) -> tuple[Stay, ...]:
    """Make the register say what the order reports; None takes back what it had said before.

    replaced_ack_id names the report that had counted until now. Returns the stays at the point.
    """
    named = (report.swap.old_number, report.swap.new_number) if report else ()
    numbers = {number for number in named if number is not None}
    rows = read_stays(session, gsrn, sorted(numbers))
    before = {row.id: stay_of(row) for row in rows}
    if report is None:
        after = placements.without(before.values(), order_id)
    else:
        after = placements.with_swap(before.values(), report.swap)
    here = tuple(stay for stay in after if stay.gsrn == gsrn)
    touched = write_stays(session, before, after)
    if touched - numbers:
        # A meter that the order no longer speaks of may hang somewhere else.
        after = [stay_of(row) for row in read_stays(session, None, sorted(touched))]
    if touched:
        _write_meters(session, touched, after, report, now)
    hung = report.new_meter if report else None
    if hung is not None and hung.talked_at is not None and hung.number not in touched:
        # It hangs as it did; that it talks is the news.
        meter_talk.note_test(session, hung.number, gsrn, hung.talked_at, now)
    if replaced_ack_id is not None:
        session.execute(_DROP_READINGS, {"ack_id": replaced_ack_id})
    if report is not None and report.readings:
        _add_readings(session, gsrn, report)
    return here


_METERS = text(
    "SELECT number, version, state, gsrn FROM meter WHERE number = ANY(:numbers)"
    " ORDER BY number FOR UPDATE"
)
_UPSERT_METERS = text(
    """
    INSERT INTO meter (number, version, serial, model, firmware, multiplier, state, gsrn,
        installed_at, removed_at, last_comm_at, updated_at)
    SELECT number, 0, serial, model, firmware, coalesce(n.multiplier, known.multiplier, 1),
        CASE WHEN state = 'INSTALLED' AND heard.at IS NOT NULL THEN 'COMMUNICATING' ELSE state END,
        gsrn, installed_at, removed_at, heard.at, :now
    FROM jsonb_to_recordset(CAST(:meters AS jsonb)) AS n (number text, serial text, model text,
        firmware text, multiplier numeric, state text, gsrn text, installed_at timestamptz,
        removed_at timestamptz, talked_at timestamptz)
    LEFT JOIN LATERAL (SELECT m.multiplier FROM meter m WHERE m.number = n.number) known ON true
    -- The head-end may have passed on its words before anybody told us where it hangs.
    LEFT JOIN LATERAL (SELECT greatest(n.talked_at, max(e.at)) AS at FROM meter_event e
        WHERE e.gsrn = n.gsrn AND e.meter_number = n.number
          AND (n.installed_at IS NULL OR e.at >= n.installed_at)) heard ON true
    ON CONFLICT (number) DO UPDATE SET
        -- Of what its maker has told us, the maker knows better.
        serial = CASE WHEN meter.stock_at IS NULL THEN coalesce(excluded.serial, meter.serial)
            ELSE coalesce(meter.serial, excluded.serial) END,
        model = CASE WHEN meter.stock_at IS NULL THEN coalesce(excluded.model, meter.model)
            ELSE coalesce(meter.model, excluded.model) END,
        firmware = coalesce(excluded.firmware, meter.firmware),
        multiplier = excluded.multiplier, state = excluded.state, gsrn = excluded.gsrn,
        installed_at = excluded.installed_at, removed_at = excluded.removed_at,
        last_comm_at = greatest(meter.last_comm_at, excluded.last_comm_at), updated_at = excluded.updated_at
    """
)
_DELETE_METER = text("DELETE FROM meter WHERE number = :number")


def _write_meters(
    session: Session,
    touched: set[str],
    all_stays: Iterable[Stay],
    report: Report | None,
    now: datetime,
) -> None:
    """Where each meter hangs follows from its stays."""
    numbers = sorted(touched)
    stays: dict[str, list[Stay]] = {number: [] for number in numbers}
    for stay in all_stays:
        if stay.number in stays:
            stays[stay.number].append(stay)
    known = {row.number: row for row in session.execute(_METERS, {"numbers": numbers})}
    rows = []
    for number in numbers:
        row = known.get(number)
        last = placements.latest(stays[number])
        if last is None:
            _forget(session, row, now)
            continue
        hangs = placements.current(stays[number])
        state = _hung_state(row, hangs) if hangs else MeterState.REMOVED
        details = report.new_meter if report and report.new_meter else None
        # An older report must not change what a newer one said about the same meter.
        is_told = details is not None and details.number == number and _is_by(last, report)
        told = details if details and is_told else NewMeter(number)
        rows.append(
            {
                "number": number,
                "serial": told.serial,
                "model": told.model,
                "firmware": told.firmware,
                "multiplier": told.multiplier,
                "state": _reachable(row, state),
                "gsrn": hangs.gsrn if hangs else None,
                "installed_at": (hangs or last).installed_at,
                "removed_at": None if hangs else last.removed_at,
                "talked_at": told.talked_at if hangs else None,
            }
        )
    if rows:
        session.execute(_UPSERT_METERS, {"meters": _json(rows), "now": now})


def _is_by(stay: Stay, report: Report | None) -> bool:
    return report is not None and stay.installed_by == report.swap.order_id


def _hung_state(row: Row[Any] | None, hangs: Stay) -> MeterState:
    talks = row is not None and row.state == MeterState.COMMUNICATING and row.gsrn == hangs.gsrn
    return MeterState.COMMUNICATING if talks else MeterState.INSTALLED


def _reachable(row: Row[Any] | None, target: MeterState) -> str:
    """A broken or scrapped meter stays what it is; the checks have told somebody."""
    if row is None or row.state == target or METER_MOVES.allow(row.state, target):
        return target
    if row.state == MeterState.COMMUNICATING and target == MeterState.INSTALLED:
        # Taken down at one point and hung at another: there nobody has heard of it yet.
        check_move(METER_MOVES, row.state, MeterState.REMOVED)
        check_move(METER_MOVES, MeterState.REMOVED, target)
        return target
    over = METER_MOVES.allow(row.state, MeterState.INSTALLED)
    hung_first = over and METER_MOVES.allow(MeterState.INSTALLED, target)
    return target if hung_first else str(row.state)


def _forget(session: Session, row: Row[Any] | None, now: datetime) -> None:
    """No report speaks of the meter any more: a row that only a report had made goes with it."""
    if row is None:
        return
    if row.version == 0:
        session.execute(_DELETE_METER, {"number": row.number})
        return
    session.execute(
        text(
            "UPDATE meter SET state = :state, gsrn = NULL, installed_at = NULL, removed_at = NULL,"
            " updated_at = :now WHERE number = :number"
        ),
        {
            "state": _reachable(row, MeterState.ALLOCATED),
            "number": row.number,
            "now": now,
        },
    )


# Only the readings of the report that counts stand here; those of others stay in their reports.
_DROP_READINGS = text("DELETE FROM meter_reading WHERE ack_id = :ack_id")
_ADD_READINGS = text(
    """
    INSERT INTO meter_reading (meter_number, gsrn, register, value, unit, read_at, source, order_id,
        ack_id)
    SELECT meter_number, :gsrn, register, value, unit, read_at, source, :order_id, :ack_id
    FROM jsonb_to_recordset(CAST(:readings AS jsonb)) AS n (meter_number text, register text,
        value numeric, unit text, read_at timestamptz, source text)
    ON CONFLICT (ack_id, meter_number, register, read_at) DO NOTHING
    """
)


def _add_readings(session: Session, gsrn: str, report: Report) -> None:
    session.execute(
        _ADD_READINGS,
        {
            "readings": _json([asdict(reading) for reading in report.readings]),
            "gsrn": gsrn,
            "order_id": report.swap.order_id,
            "ack_id": report.ack_id,
        },
    )


def _json(rows: list[dict[str, Any]]) -> str:
    return _encoder.encode(rows).decode()


# As text, so that no number passes through binary fractions on its way.
_encoder = msgspec.json.Encoder(decimal_format="string")
