"""Cases: what customers wrote and a person has to look at. At most one is open for each number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.agent_text import check_text, clean_text
from app.domain.clock import helsinki_day
from app.domain.languages import ASSUMED_LANGUAGE, Language
from app.domain.notice_types import NoticeType
from app.domain.states import REPLY_CASE_MOVES, ReplyCaseState, check_move
from app.models.metering_point import MeteringPoint
from app.models.reply import ReplyCase
from app.services import audit, published_texts
from app.services.direct_notices import tell_contact
from app.services.reply_people import find_person
from app.settings import Settings


class CaseReason(StrEnum):
    """Why a person has to look."""

    UNCLEAR = "UNCLEAR"
    UNKNOWN_NUMBER = "UNKNOWN_NUMBER"
    ENROL_REFUSED = "ENROL_REFUSED"
    VISIT_DECLINED = "VISIT_DECLINED"
    MANY_SITES = "MANY_SITES"
    OFF_AFTER_VISIT = "OFF_AFTER_VISIT"
    NOT_ANSWERABLE = "NOT_ANSWERABLE"
    LIMITED = "LIMITED"
    FAILED = "FAILED"


class CaseOutcome(StrEnum):
    """How a case ended."""

    ANSWERED = "ANSWERED"
    CALLED = "CALLED"
    REPORTED = "REPORTED"
    REBOOKED = "REBOOKED"
    NOTHING_NEEDED = "NOTHING_NEEDED"
    SPAM = "SPAM"


class CaseProblem(Exception):
    """The act is not possible; tell the person by its code: CLOSED, NOT_YOURS, or a TextProblem."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


_OPEN = text(
    """
    INSERT INTO reply_case AS c (number, reasons, state, customer_id, gsrn, order_id, opened_at, last_at)
    VALUES (:number, ARRAY[CAST(:reason AS text)], 'OPEN', :customer_id, :gsrn, :order_id, :now, :now)
    ON CONFLICT (number) WHERE state <> 'CLOSED' DO UPDATE SET
        reasons = CASE WHEN c.reasons @> excluded.reasons THEN c.reasons
                       ELSE c.reasons || excluded.reasons END,
        customer_id = coalesce(c.customer_id, excluded.customer_id),
        gsrn = coalesce(c.gsrn, excluded.gsrn), order_id = coalesce(excluded.order_id, c.order_id),
        last_at = excluded.last_at
    RETURNING id
    """
)


def open_case(
    session: Session,
    number: str,
    reason: CaseReason,
    now: datetime,
    *,
    customer_id: str | None = None,
    gsrn: str | None = None,
    order_id: str | None = None,
) -> int:
    """Put something before customer service; what a number adds joins its open case."""
    values = {
        "number": number,
        "reason": reason,
        "customer_id": customer_id,
        "gsrn": gsrn,
        "order_id": order_id,
        "now": now,
    }
    case_id: int = session.execute(_OPEN, values).scalar_one()
    return case_id


def talks(session: Session, number: str, since: datetime) -> int | None:
    """The open case in which a person has answered the number since then, if there is one."""
    return session.execute(
        select(ReplyCase.id).where(
            ReplyCase.number == number,
            ReplyCase.state == ReplyCaseState.TAKEN,
            ReplyCase.answered_at > since,
        )
    ).scalar_one_or_none()


def take(session: Session, case_id: int, username: str, now: datetime) -> None:
    """Make the case somebody's own; also one that is another's, which the trail shows."""
    case = _locked(session, case_id)
    before = case.assigned_to
    if case.state != ReplyCaseState.TAKEN:
        _move(case, ReplyCaseState.TAKEN)
    case.assigned_to = username
    _record(session, case, username, "CASE_TAKEN", now, before=before)


def give_back(session: Session, case_id: int, username: str, now: datetime) -> None:
    """Let others take the case."""
    case = _locked(session, case_id)
    if case.state != ReplyCaseState.TAKEN:
        return
    _move(case, ReplyCaseState.OPEN)
    before, case.assigned_to = case.assigned_to, None
    _record(session, case, username, "CASE_GIVEN_BACK", now, before=before)


def link(session: Session, case_id: int, gsrn: str, username: str, now: datetime) -> bool:
    """Say which metering point the case is about; False when there is no such point."""
    case = _locked(session, case_id)
    if session.get(MeteringPoint, gsrn) is None:
        return False
    case.gsrn = gsrn
    _record(session, case, username, "CASE_LINKED", now, gsrn=gsrn)
    return True


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before an agent's words, and the language that it is in."""

    words: str
    language: Language


def frame_of(session: Session, case: ReplyCase, settings: Settings, now: datetime) -> Frame:
    """How an answer to this case begins."""
    person = find_person(session, case.number, helsinki_day(now))
    language = person.language or ASSUMED_LANGUAGE
    sms = published_texts.current(session).by_type[NoticeType.AGENT_REPLY][language].sms
    frame = sms.replace("((brand))", settings.brand).replace("((words))", "")
    return Frame(frame.replace("((phone))", settings.customer_service_phone), language)


def answer(
    session: Session,
    case_id: int,
    words: str,
    username: str,
    settings: Settings,
    now: datetime,
    *,
    once: str,
) -> int | None:
    """Write to the customer in one's own words; returns the notice's id, None if it was written before.

    The notice is the record of what was said. once: names the form that was sent, so that sending it
    twice is one message. Raises: CaseProblem -> show its code, nothing was sent.
    """
    case = _locked(session, case_id)
    if not case.number.startswith("+"):
        raise CaseProblem("NOT_ANSWERABLE")
    frame = frame_of(session, case, settings, now)
    problem = check_text(words, frame.words)
    if problem is not None:
        raise CaseProblem(problem)
    if case.state == ReplyCaseState.OPEN:
        _move(case, ReplyCaseState.TAKEN)
        case.assigned_to = username
    person = find_person(session, case.number, helsinki_day(now))
    notice_id = tell_contact(
        session,
        person.contact,
        NoticeType.AGENT_REPLY,
        {"words": clean_text(words)},
        language=frame.language,
        key=f"case:{case.id}/{once}",
        why=f"{username} answered case {case.id}.",
        now=now,
        settings=settings,
        customer_id=case.customer_id or person.customer_id,
        gsrn=case.gsrn,
    )
    if notice_id is None:
        return None
    case.answered_at = case.last_at = now
    case.notice_ids = [*case.notice_ids, notice_id]
    _record(session, case, username, "CASE_ANSWERED", now, notice=notice_id)
    return notice_id


def close(
    session: Session,
    case_id: int,
    outcome: CaseOutcome,
    note: str,
    username: str,
    now: datetime,
) -> None:
    """End the case; what the number writes next opens another one."""
    case = _locked(session, case_id)
    _move(case, ReplyCaseState.CLOSED)
    case.assigned_to = case.assigned_to or username
    case.outcome, case.note = outcome, note.strip() or None
    case.closed_at, case.closed_by = now, username
    _record(session, case, username, "CASE_CLOSED", now, outcome=str(outcome))


def _locked(session: Session, case_id: int) -> ReplyCase:
    case = session.execute(
        select(ReplyCase)
        .where(ReplyCase.id == case_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if case is None or case.state == ReplyCaseState.CLOSED:
        raise CaseProblem("CLOSED")
    return case


def _move(case: ReplyCase, to_state: ReplyCaseState) -> None:
    check_move(REPLY_CASE_MOVES, case.state, to_state)
    case.state = to_state


def _record(
    session: Session, case: ReplyCase, username: str, action: str, now: datetime, **detail: object
) -> None:
    audit.record(session, f"staff:{username}", action, f"case:{case.id}", detail, now)
