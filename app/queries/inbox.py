"""Customer service's inbox: cases, and the talk that each belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from app.models.customer import Contact, Customer
from app.models.notice import Notice
from app.models.reply import InboundSms, ReplyCase

VIEWS = ("open", "mine", "taken", "closed")
_TALK_LIMIT = 40


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case in the list; words are those of the number's last message."""

    id: int
    number: str
    reasons: list[str]
    state: str
    assigned_to: str | None
    opened_at: datetime
    last_at: datetime
    gsrn: str | None
    outcome: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a talk: theirs with its verdict, or ours with its kind and state."""

    at: datetime
    theirs: bool
    words: str
    code: str | None
    state: str
    notice_id: int | None = None


_LIST = text(
    """
    SELECT c.id, c.number, c.reasons, c.state, c.assigned_to, c.opened_at, c.last_at, c.gsrn,
        c.outcome, coalesce(m.body, '') AS words
    FROM reply_case c
    LEFT JOIN LATERAL (SELECT body FROM inbound_sms WHERE from_number = c.number
        ORDER BY id DESC LIMIT 1) m ON true
    WHERE CASE :view WHEN 'open' THEN c.state = 'OPEN' WHEN 'taken' THEN c.state = 'TAKEN'
        WHEN 'mine' THEN c.state = 'TAKEN' AND c.assigned_to = :username
        ELSE c.state = 'CLOSED' END
    ORDER BY CASE WHEN c.state = 'CLOSED' THEN -c.id ELSE c.id END
    LIMIT :limit OFFSET :offset
    """
)


def find_cases(
    session: Session, view: str, username: str, limit: int, offset: int = 0
) -> list[CaseRow]:
    """Cases of one view, the longest waiting first; closed ones newest first."""
    values = {"view": view, "username": username, "limit": limit, "offset": offset}
    return [CaseRow(*row) for row in session.execute(_LIST, values)]


def count_cases(session: Session, username: str) -> dict[str, int]:
    """How many cases each view of unfinished ones has."""
    row = session.execute(
        select(
            func.count().filter(ReplyCase.state == "OPEN"),
            func.count().filter(ReplyCase.state == "TAKEN", ReplyCase.assigned_to == username),
            func.count().filter(ReplyCase.state == "TAKEN"),
        ).where(ReplyCase.state != "CLOSED")
    ).one()
    return dict(zip(("open", "mine", "taken"), row, strict=True))


def count_waiting(session: Session) -> int:
    """How many cases are nobody's yet."""
    return session.scalars(select(func.count()).where(ReplyCase.state == "OPEN")).one()


def find_case(session: Session, case_id: int) -> ReplyCase | None:
    """One case, or None."""
    return session.get(ReplyCase, case_id, populate_existing=True)


def talk_of(session: Session, case: ReplyCase) -> list[Line]:
    """The latest messages between the case's number and us, oldest first."""
    theirs = session.scalars(
        select(InboundSms)
        .where(InboundSms.from_number == case.number)
        .order_by(InboundSms.id.desc())
        .limit(_TALK_LIMIT)
    ).all()
    contacts = select(Contact.id).where(Contact.value == case.number).scalar_subquery()
    answers = [sms.notice_id for sms in theirs if sms.notice_id is not None]
    ours: list[Any] = list(
        session.scalars(
            select(Notice)
            .where(
                or_(
                    Notice.id.in_([*answers, *case.notice_ids]),
                    Notice.contact_id.in_(contacts) & Notice.body.is_not(None),
                )
            )
            .order_by(Notice.id.desc())
            .limit(_TALK_LIMIT)
        )
    )
    lines = [Line(sms.received_at, True, sms.body, sms.verdict, sms.state) for sms in theirs] + [
        Line(n.sent_at or n.created_at, False, n.body or "", n.type, n.state, n.id) for n in ours
    ]
    return sorted(lines, key=lambda line: (line.at, not line.theirs))[-_TALK_LIMIT:]


def names_of(session: Session, customer_ids: tuple[str, ...]) -> dict[str, str]:
    """Customers' names by their number."""
    rows = session.execute(
        select(Customer.cis_id, Customer.name).where(Customer.cis_id.in_(customer_ids))
    )
    return {row.cis_id: row.name for row in rows}
