"""Numbered questions: which of several sites is meant, remembered until it is answered or too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType
from app.domain.reply_words import ReplyWord
from app.models.reply import PendingQuestion
from app.services.reply_desk import Desk

GOOD_FOR = timedelta(minutes=30)
# More do not fit into a text message of two parts.
OPTIONS_MAX = 5


@dataclass(frozen=True, slots=True)
class Option:
    """What one number of a question stands for: a point, and an order where a visit is answered."""

    gsrn: str
    name: str
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The question's word with what was chosen."""

    word: ReplyWord
    gsrn: str
    order_id: str | None


def ask(desk: Desk, word: ReplyWord, options: Sequence[Option]) -> None:
    """Ask which one is meant; a newer question takes the place of the one before."""
    values = {
        "word": word,
        "options": [{"gsrn": one.gsrn, "order_id": one.order_id} for one in options],
        "asked_at": desk.now,
        "expires_at": desk.now + GOOD_FOR,
    }
    desk.session.execute(
        insert(PendingQuestion)
        .values(number=desk.sms.from_number, **values)
        .on_conflict_do_update(index_elements=["number"], set_=values)
    )
    sites = ", ".join(f"{place} {one.name}" for place, one in enumerate(options, 1))
    desk.tell(NoticeType.WHICH_SITE, {"sites": sites})


def take_answer(session: Session, sms_number: str, number: int, now: datetime) -> Answered | None:
    """What the number stands for in the open question; the question is over then."""
    question = session.execute(
        select(PendingQuestion)
        .where(PendingQuestion.number == sms_number, PendingQuestion.expires_at > now)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if question is None or not 1 <= number <= len(question.options):
        return None
    chosen = question.options[number - 1]
    session.execute(delete(PendingQuestion).where(PendingQuestion.number == sms_number))
    return Answered(ReplyWord(question.word), chosen["gsrn"], chosen["order_id"])
