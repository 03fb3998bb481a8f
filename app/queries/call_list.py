"""Whom to call: priority customers without power, with how to reach them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.domain.etr import shown_etr

DONE_MOST = 30


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call; address is None where it must not be shown.

    banned: a safety ban, so that numbers are for whoever has taken the call, which is recorded (REQ-31).
    """

    id: int
    outage_id: int
    gsrn: str
    customer_name: str
    language: str
    phones: list[str]
    banned: bool
    address: str | None
    state: str
    owner: str | None
    outcome: str | None
    off_at: datetime
    on_at: datetime | None
    etr_at: datetime | None
    added_at: datetime
    done_at: datetime | None


_CALLS = """
    SELECT e.id, e.outage_id, e.gsrn, c.name, c.language, c.personal_safety_ban AS banned, e.state,
        e.owner, e.outcome, e.off_at, e.added_at, e.done_at, p.on_at,
        -- What no customer is told before a storm's damage is assessed is not for the call either.
        CASE WHEN s.id IS NULL OR s.assessed_at IS NOT NULL OR s.ended_at IS NOT NULL
             THEN o.etr_at END AS etr_at,
        nullif(concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment), '')
            AS address,
        -- A number that nobody has confirmed, or that two customers claim, may be somebody else's.
        (SELECT array_agg(k.value ORDER BY k.third_party_name IS NOT NULL, k.id) FROM contact k
         WHERE k.customer_id = c.cis_id AND k.kind = 'SMS' AND k.doubt IS NULL
           AND (k.only_gsrns IS NULL OR e.gsrn = ANY(k.only_gsrns))
           AND (k.state = 'VERIFIED' OR k.state = 'UNVERIFIED' AND k.source = 'CIS')) AS phones
    FROM call_list_entry e JOIN customer c ON c.cis_id = e.customer_id
    JOIN outage o ON o.id = e.outage_id LEFT JOIN storm s ON s.id = o.storm_id
    LEFT JOIN outage_point p ON p.outage_id = e.outage_id AND p.gsrn = e.gsrn
    LEFT JOIN metering_point m ON m.gsrn = e.gsrn
"""
_OPEN = text(f"{_CALLS} WHERE e.state <> 'DONE' ORDER BY e.off_at, e.id")
_DONE = text(
    f"{_CALLS} WHERE e.state = 'DONE' ORDER BY e.done_at DESC, e.id DESC LIMIT {DONE_MOST}"
)


def open_calls(session: Session, now: datetime) -> list[CallRow]:
    """Calls that are to be made, whoever has been without power for longest first."""
    return [_row(row, now) for row in session.execute(_OPEN)]


def done_calls(session: Session, now: datetime) -> list[CallRow]:
    """The calls that were settled last."""
    return [_row(row, now) for row in session.execute(_DONE)]


def count_open(session: Session) -> int:
    """How many calls wait for somebody."""
    statement = text("SELECT count(*) FROM call_list_entry WHERE state <> 'DONE'")
    return int(session.execute(statement).scalar_one())


def _row(row: Row[Any], now: datetime) -> CallRow:
    values = row._mapping
    return CallRow(
        id=values["id"],
        outage_id=values["outage_id"],
        gsrn=values["gsrn"],
        customer_name=values["name"],
        language=values["language"],
        phones=list(values["phones"] or []),
        banned=values["banned"],
        address=None if values["banned"] else values["address"],
        state=values["state"],
        owner=values["owner"],
        outcome=values["outcome"],
        off_at=values["off_at"],
        on_at=values["on_at"],
        etr_at=shown_etr(values["etr_at"], now),
        added_at=values["added_at"],
        done_at=values["done_at"],
    )
