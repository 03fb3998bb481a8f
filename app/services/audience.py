"""The audience of an announcement: every contact that it concerns, one after the other.

Read in one snapshot on a connection of its own and streamed in the order of the addresses, so that
a storm of a hundred thousand points takes no more memory than a cut of ten, and all points of one
phone come together, also those that it has under two customers (REQ-04).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from typing import Any

import psycopg
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import db
from app.domain.languages import ASSUMED_LANGUAGE, Language
from app.domain.notice_policy import ContactFacts, ContactState, Recipient
from app.domain.notice_types import Channel, NoticeType
from app.domain.states import NoticeState
from app.domain.telling import PointFacts, TellingRow
from app.models.announcement import Announcement
from app.services.audience_sql import ledger_of, listeners_of

_FETCH_COUNT = 2000
_MAY_STAND_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
# A storm's people are weighed and sorted in memory; on disk that takes half as long again before
# the first of them is known. One planner works at a time.
_SORTS_IN_MEMORY = "SET LOCAL work_mem = '128MB'"


class Listener(Struct, frozen=True):
    """One contact, or somebody without one, with the points and the earlier notices."""

    recipient: Recipient
    points: tuple[PointFacts, ...]
    addresses: tuple[str | None, ...]
    ledger: tuple[TellingRow, ...]


def family(session: Session, outage_id: int) -> list[int]:
    """The outage, all that were merged into it, all that it was merged into or was split off from.

    Somebody told of a fault before it became part of another has been told of that other one, and
    somebody told of a fault has been told of the part that is now one of its own.
    """
    rows = session.execute(
        text(
            """
            WITH RECURSIVE root AS (
                SELECT id, parent_id FROM outage WHERE id = :id
                UNION SELECT o.id, o.parent_id FROM root r
                    LEFT JOIN outage_event e ON e.outage_id = r.id AND e.type = 'SPLIT_OFF'
                    JOIN outage o
                        ON o.id = r.parent_id OR o.id = CAST(e.facts ->> 'from_id' AS bigint)),
            kin AS (
                SELECT id FROM root
                UNION SELECT o.id FROM outage o JOIN kin k ON o.parent_id = k.id)
            SELECT id FROM kin ORDER BY id
            """
        ),
        {"id": outage_id},
    )
    return list(rows.scalars())


def believed(session: Session, outage_ids: list[int]) -> list[int]:
    """False alarms during which these outages had begun at some of the same points.

    Whoever heard of one was not told that it was none while the power was off there anyway, so they
    know of the cut and are owed its end.
    """
    rows = session.execute(
        text(
            """
            WITH ours AS (SELECT min(started_at) AS began_at FROM outage WHERE id = ANY(:ids))
            SELECT o.id FROM outage o, ours
            WHERE o.kind = 'FAULT' AND o.state = 'FALSE_ALARM' AND o.id <> ALL(:ids)
              AND o.started_at >= ours.began_at - interval '14 days'
              AND o.updated_at >= ours.began_at
              AND EXISTS (SELECT 1 FROM announcement a WHERE a.outage_id = o.id AND a.told_count > 0)
              AND EXISTS (SELECT 1 FROM outage_point q JOIN outage_point p ON p.gsrn = q.gsrn
                  WHERE q.outage_id = o.id AND p.outage_id = ANY(:ids))
            """
        ),
        {"ids": outage_ids},
    )
    return list(rows.scalars())


@contextmanager
def open_audience(
    announcement: Announcement,
    on: date,
    outage_id: int | None,
    outage_ids: list[int],
    told_of: list[int] | None = None,
) -> Iterator[Iterator[Listener]]:
    """Stream the listeners of an announcement as things stand now.

    outage_id: the outage that it is about, or that what it corrects was about; outage_ids: its
    family; told_of: the outages whose notices count as news of this one, if not just these.
    """
    values = {
        "topic": announcement.topic,
        "on": on,
        "outage_id": outage_id,
        "outages": outage_ids,
        "told_of": outage_ids if told_of is None else told_of,
        "after_id": announcement.facts.get("after_id"),
        "behind_id": announcement.facts.get("behind_id"),
        "etr_at": announcement.facts.get("etr_at"),
        "event_at": announcement.event_at,
        "dropped": announcement.facts.get("gsrns"),
        "corrects_id": announcement.corrects_id,
        "subject": announcement.subject,
        "order_no": announcement.subject.removeprefix("connection:"),
        **_named_in(announcement.subject),
    }
    kind = NoticeType(announcement.type)
    with db.engine.connect() as connection:
        reading = connection.execution_options(isolation_level="REPEATABLE READ")
        driver = reading.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise TypeError("the audience is streamed through psycopg")
        with reading.begin(), driver.cursor("audience") as people, driver.cursor("told") as told:
            # Between two slices something more urgent may be planned.
            reading.exec_driver_sql(_MAY_STAND_IDLE)
            reading.exec_driver_sql(_SORTS_IN_MEMORY)
            people.itersize = told.itersize = _FETCH_COUNT
            people.execute(listeners_of(kind, announcement.subject), values)
            told.execute(ledger_of(bool(outage_ids)), values)
            yield _listeners(people, _Ledger(told))


def _named_in(subject: str) -> dict[str, str | None]:
    """The parts of a subject: storm:3/091 is about one municipality, its ledger about the storm."""
    whole, _, municipality = subject.partition("/")
    if whole.startswith("area:"):
        return {"municipality": whole.removeprefix("area:"), "subjects": whole}
    pattern = f"{whole}/%" if municipality else whole
    return {"municipality": municipality or None, "subjects": pattern}


_Key = tuple[str | None, str | None]


class _Ledger:
    """The earlier notices, read along with the people since both come in the same order."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._groups = groupby(rows, key=lambda row: (row[0], row[1]))
        self._ahead: tuple[_Key, list[tuple[Any, ...]]] | None = None

    def of(self, key: _Key) -> tuple[TellingRow, ...]:
        if key[0] is None:
            return ()
        while True:
            if self._ahead is None:
                group = next(self._groups, None)
                if group is None:
                    return ()
                self._ahead = (group[0], list(group[1]))
            ahead, rows = self._ahead
            if ahead > key:
                return ()
            self._ahead = None
            if ahead == key:
                return tuple(
                    TellingRow(
                        row[2],
                        NoticeType(row[3]),
                        NoticeState(row[4]),
                        row[5],
                        row[6],
                        row[7],
                        tuple(row[8]),
                        row[9],
                    )
                    for row in rows
                )


def _listeners(rows: Iterator[tuple[Any, ...]], ledger: _Ledger) -> Iterator[Listener]:
    for key, group in groupby(rows, key=lambda row: (row[0], row[1])):
        if key[1] is None:
            # Nobody to tell: each customer, or each empty point, has its own record.
            for _, alone in groupby(group, key=lambda row: row[3] or row[12]):
                yield _listener(list(alone), ())
        else:
            yield _listener(list(group), ledger.of(key))


def _listener(rows: list[tuple[Any, ...]], ledger: tuple[TellingRow, ...]) -> Listener:
    first = rows[0]
    if len(rows) == 1:
        # Nearly everybody has one point, and a storm has a hundred thousand of them.
        person = _recipient(
            first, wants=bool(first[9]), night_ok=bool(first[10]), safety_ban=bool(first[11])
        )
        point = _point(first)
        return Listener(person, (point,), (first[16],), ledger)
    wanted = [row for row in rows if row[9]] or rows
    points = {row[12]: row for row in wanted}
    return Listener(
        recipient=_recipient(
            first,
            wants=bool(wanted[0][9]),
            night_ok=any(row[10] for row in wanted),
            safety_ban=any(row[11] for row in rows),
        ),
        points=tuple(_point(row) for row in points.values()),
        addresses=tuple(r[16] for r in points.values()),
        ledger=ledger,
    )


def _point(row: tuple[Any, ...]) -> PointFacts:
    """Whether its meter is silent is asked for ends only, in a column of its own."""
    return PointFacts(row[12], row[13], row[14], row[15], len(row) > 17 and row[17])


def _recipient(row: tuple[Any, ...], *, wants: bool, night_ok: bool, safety_ban: bool) -> Recipient:
    contact = None
    if row[2] is not None:
        contact = ContactFacts(row[2], _CHANNELS[row[0]], row[1], _CONTACT_STATES[row[5]], row[6])
    return Recipient(
        customer_id=row[3] or "",
        contact=contact,
        wants=wants,
        night_ok=night_ok,
        quiet_from=row[7],
        quiet_to=row[8],
        language=_LANGUAGES.get(row[4], ASSUMED_LANGUAGE),
        safety_ban=safety_ban,
    )


# Members by their text: looking them up is ten times faster than calling the enumeration.
_CHANNELS: Mapping[str, Channel] = {str(one): one for one in Channel}
_CONTACT_STATES: Mapping[str, ContactState] = {str(one): one for one in ContactState}
_LANGUAGES: Mapping[str, Language] = {str(one): one for one in Language}
