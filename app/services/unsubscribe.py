"""Leaving a topic by the link of an e-mail: what ends, what goes on, and what is not allowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.notice_types import CHOSEN_TOPICS, Topic
from app.models.customer import Contact
from app.services import area_subscriptions, audit, opt_outs
from app.services.preference_matrix import Matrix, current_gsrns, find_matrix
from app.services.unsubscribe_link import Link

# What whoever follows an area hears of.
_OF_AREAS = (Topic.STORM, Topic.PLANNED)


class Result(StrEnum):
    """How an unsubscribe ended; OTHERS_ACTIVE is DONE, and says what goes on."""

    DONE = "DONE"
    OTHERS_ACTIVE = "OTHERS_ACTIVE"
    NOT_ALLOWED = "NOT_ALLOWED"
    NO_MATCH = "NO_MATCH"


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The result, other addresses of the same customers that still hear of the topic (masked), and
    the topics that this address still hears of."""

    result: Result
    others: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()


def unsubscribe(
    session: Session, link: Link, now: datetime, *, everything: bool = False
) -> Unsubscribed:
    """End the link's topic for its address, or with `everything` all that can be left.

    Doing it again changes nothing and says the same. An address that no customer with a running
    contract has any more gets NO_MATCH, and nobody else's choices are touched.
    """
    matrices = _matrices(session, link, now)
    # Whoever follows an area need not be anybody's customer; of other topics no follower hears.
    followed = 0
    if everything or link.topic in _OF_AREAS:
        followed = area_subscriptions.stop_address(session, link.value, now, by="subscriber")
    if not matrices:
        return Unsubscribed(Result.DONE if followed else Result.NO_MATCH)
    if not everything and not _may_leave(session, link, matrices, now):
        return Unsubscribed(Result.NOT_ALLOWED)
    for contact_id in (one for ids, _ in matrices.values() for one in ids):
        topic = None if everything else link.topic
        done = opt_outs.opt_out(
            session, contact_id, topic, source="EMAIL", by=f"contact:{contact_id}", now=now
        )
        if done.changed:
            detail = {"topic": topic or "ALL"}
            audit.record(
                session,
                f"contact:{contact_id}",
                "UNSUBSCRIBE",
                f"contact:{contact_id}",
                detail,
                now,
            )
    return _what_goes_on(session, link, now)


def masked(value: str) -> str:
    """An address by which its holder knows it and nobody else."""
    name, at, domain = value.partition("@")
    if at:
        return f"{name[:1]}…@{domain}"
    return f"…{value[-3:]}"


def _matrices(session: Session, link: Link, now: datetime) -> dict[str, tuple[list[int], Matrix]]:
    """Per customer with a running contract: our rows of the address, and the whole matrix."""
    found = session.execute(
        select(Contact.customer_id, Contact.id)
        .where(Contact.value == link.value, Contact.state != "REMOVED")
        .order_by(Contact.customer_id, Contact.id)
    ).all()
    today = helsinki_day(now)
    matrices: dict[str, tuple[list[int], Matrix]] = {}
    for customer_id, contact_id in found:
        if customer_id in matrices:
            matrices[customer_id][0].append(contact_id)
        elif current_gsrns(session, customer_id, today):
            matrices[customer_id] = ([contact_id], find_matrix(session, customer_id))
    return matrices


def _may_leave(
    session: Session,
    link: Link,
    matrices: dict[str, tuple[list[int], Matrix]],
    now: datetime,
) -> bool:
    """Safety and replies cannot be left; nor can planned cuts, but for another channel or a letter."""
    if link.topic not in CHOSEN_TOPICS:
        return False
    if link.topic is not Topic.PLANNED:
        return True
    for customer_id, (ids, matrix) in matrices.items():
        for gsrn in current_gsrns(session, customer_id, helsinki_day(now)):
            told = matrix.told_of_plans(gsrn)
            if told and set(told) <= set(ids):
                return False
    return True


def _what_goes_on(session: Session, link: Link, now: datetime) -> Unsubscribed:
    others: set[str] = set()
    topics: set[Topic] = set()
    for ids, matrix in _matrices(session, link, now).values():
        values = {one.id: one.value for one in matrix.contacts}
        # Somebody else's address is none of this reader's business.
        own = {one.id for one in matrix.contacts if one.third_party_name is None}
        told = [one for one in matrix.told(link.topic) if one in own and one not in ids]
        others.update(masked(values[one]) for one in told)
        topics.update(topic for topic in CHOSEN_TOPICS if set(ids) & set(matrix.told(topic)))
    if not others and not topics:
        return Unsubscribed(Result.DONE)
    ordered = tuple(topic for topic in CHOSEN_TOPICS if topic in topics)
    return Unsubscribed(Result.OTHERS_ACTIVE, tuple(sorted(others)), ordered)
