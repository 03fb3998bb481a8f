"""Which contacts of one customer hear of a topic at one metering point, and which are asked in vain.

A choice that somebody made beats the default, the one for this very point beats the one for all
points. The customer's preferred channel decides among defaults only: who chose both text messages
and e-mail gets both. Legal notices (PLANNED) go to another default contact rather than to nobody.
The statement in app/services/audience_sql.py says the same for a hundred thousand points at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.notice_types import Topic


@dataclass(frozen=True, slots=True)
class ContactWish:
    """What is known of one contact about one topic at one point.

    chosen: what somebody chose there, None when nobody did; usable: messages may be sent to it;
    third_party: it is not the customer's own.
    """

    contact_id: int
    channel: str
    usable: bool
    enrolled: bool
    chosen: bool | None = None
    third_party: bool = False

    @property
    def wants(self) -> bool:
        """The choice, or without one the default."""
        return self.enrolled if self.chosen is None else self.chosen


@dataclass(frozen=True, slots=True)
class Choice:
    """One contact to decide about; wants False means that the record says why it hears nothing."""

    contact_id: int
    wants: bool


def choose_contacts(
    contacts: Sequence[ContactWish], preferred_channel: str, topic: Topic
) -> list[Choice]:
    """The contacts that hear of it and those that declined; if there are neither, the best other one.

    Empty only when there are no contacts.
    """
    told = set(told_contacts(contacts, preferred_channel, topic))
    listed = [
        Choice(one.contact_id, one.contact_id in told)
        for one in contacts
        if one.contact_id in told or (one.usable and one.chosen is False)
    ]
    if listed or not contacts:
        return listed
    best = min(
        contacts,
        key=lambda one: (
            not one.usable,
            one.third_party,
            one.channel != preferred_channel,
            one.contact_id,
        ),
    )
    return [Choice(best.contact_id, not best.usable and best.chosen is not False)]


def told_contacts(
    contacts: Sequence[ContactWish], preferred_channel: str, topic: Topic
) -> list[int]:
    """The ids of the contacts that hear of it."""
    own = [one for one in contacts if one.usable and not one.third_party]
    preferred = [one for one in own if one.channel == preferred_channel]
    # A preferred contact that declined is no reason to write to another channel instead.
    others_wait = any(one.enrolled or one.chosen is not None for one in preferred)
    if topic is Topic.PLANNED and not any(
        one.wants and (one.chosen is not None or one.channel == preferred_channel) for one in own
    ):
        others_wait = False
    return [
        one.contact_id
        for one in contacts
        if one.usable
        and one.wants
        and (
            one.third_party
            or one.chosen is not None
            or one.channel == preferred_channel
            or not others_wait
        )
    ]
