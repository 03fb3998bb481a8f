"""Whom a text message comes from: a number that can be answered, or a name that cannot (REQ-29).

Every sender has to be authorised with the regulator beforehand (REQ-28). A text that asks for an
answer leaves only from a number; where there is none, its one-way variant leaves from the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.notice_types import NOTICE_RULES, NoticeType, Topic


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders that an installation has.

    usual: a name or a number. two_way: a number whose replies reach us; empty if there is none.
    authorised: all ids that may be used towards customers.
    """

    usual: str
    two_way: str = ""
    authorised: frozenset[str] = frozenset()

    @property
    def stop_number(self) -> str:
        """Where a text with STOP reaches us; empty where none does."""
        return self.two_way or (self.usual if is_number(self.usual) else "")

    def unlisted(self) -> tuple[str, ...]:
        """Those in use that nobody has authorised."""
        used = (sender for sender in (self.usual, self.two_way) if sender)
        return tuple(sender for sender in used if sender not in self.authorised)


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender id and whether what people answer to it reaches anybody."""

    id: str
    takes_replies: bool


# What people are asked to answer, besides everything that is itself an answer.
_ASKING = frozenset(
    {NoticeType.METER_SWAP_BOOK, NoticeType.FAULT_RESTORED, NoticeType.MORNING_SUMMARY}
)

TWO_WAY_KINDS = frozenset(
    kind for kind in NoticeType if kind in _ASKING or NOTICE_RULES[kind].topic is Topic.SERVICE
)


def sender_for(kind: NoticeType, senders: Senders) -> Sender:
    """The sender of one kind of text message."""
    if kind in TWO_WAY_KINDS and senders.two_way:
        return Sender(senders.two_way, takes_replies=True)
    return Sender(senders.usual, takes_replies=is_number(senders.usual))


def is_number(sender: str) -> bool:
    """Tell a number, which can be answered, from a name, which cannot."""
    return _NUMBER.fullmatch(sender) is not None


def is_sender(sender: str) -> bool:
    """Whether it is a number, or a name as operators take it: 3-11 letters, digits, single spaces."""
    return is_number(sender) or (
        3 <= len(sender) <= 11
        and _NAME.fullmatch(sender) is not None
        and any(sign.isalpha() for sign in sender)
    )


_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,6}")
_NAME = re.compile(r"[0-9A-Za-z]+(?: [0-9A-Za-z]+)*")
