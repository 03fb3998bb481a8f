"""One reply on the desk: who wrote, what is known, and the ways to answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.languages import ASSUMED_LANGUAGE, Language
from app.domain.notice_types import NoticeType
from app.domain.power_cuts import Cut
from app.domain.reply_words import Reply
from app.models.reply import InboundSms
from app.services import reply_cases
from app.services.direct_notices import tell_contact
from app.services.inbound_sms import Recent
from app.services.reply_cases import CaseReason
from app.services.reply_people import Person, Site
from app.settings import Settings

# Nobody needs more; more is a loop between two machines, or somebody who lets us pay.
ANSWERS_PER_HOUR = 12
ANSWERS_PER_DAY_UNKNOWN = 3
REFUSED_ENROLMENTS_PER_DAY = 5
# A number that we do not know is answered only where an answer costs what ours cost.
HOME_PREFIX = "+358"


CutsOf = Callable[[Session, str], list[Cut]]


@dataclass(slots=True)
class Desk:
    """A message at hand, locked."""

    session: Session
    sms: InboundSms
    reply: Reply
    person: Person
    recent: Recent
    settings: Settings
    now: datetime
    cuts_of: CutsOf

    @property
    def by(self) -> str:
        """Who acts, as preferences and reports name them; the number stands in the message."""
        return f"sms:{self.sms.id}"

    @property
    def language(self) -> Language:
        """The customer's, else that of the word."""
        return self.person.language or self.reply.language or ASSUMED_LANGUAGE

    @property
    def is_known(self) -> bool:
        """Whether the number belongs to a customer."""
        return bool(self.person.customer_ids)

    @property
    def is_answerable(self) -> bool:
        """Whether an answer can reach the writer and there have not been too many."""
        number = self.sms.from_number
        ours = {self.settings.sms_sender, self.settings.sms_two_way_sender, self.sms.to_number}
        if not number.startswith("+") or number in ours:
            return False
        if self.recent.answered_in_hour >= ANSWERS_PER_HOUR:
            return False
        return self.is_known or (
            number.startswith(HOME_PREFIX) and self.recent.answered_in_day < ANSWERS_PER_DAY_UNKNOWN
        )

    def tell(
        self, kind: NoticeType, facts: Mapping[str, Any] | None = None, site: Site | None = None
    ) -> None:
        """Answer, unless the number cannot be answered; a second answer to a message is none."""
        if not self.is_answerable or self.sms.answer_type is not None:
            return
        self.sms.notice_id = tell_contact(
            self.session,
            self.person.contact,
            kind,
            facts or {},
            language=self.language,
            key=self.by,
            why=f"Answers message {self.sms.id}, understood as {self.reply.word}.",
            now=self.now,
            settings=self.settings,
            customer_id=site.customer_id if site else self.person.customer_id,
            gsrn=site.gsrn if site else None,
            address=site.address if site else None,
        )
        self.sms.answer_type = kind

    def tell_not_understood(self) -> None:
        """Say so once an hour at most: whoever chats gets a person, not a wall of texts."""
        if not self.recent.not_understood_in_hour:
            self.tell(NoticeType.NOT_UNDERSTOOD)

    def ask_a_person(self, reason: CaseReason, site: Site | None = None) -> None:
        """Put the message before customer service."""
        self.sms.case_id = reply_cases.open_case(
            self.session,
            self.sms.from_number,
            reason,
            self.now,
            customer_id=site.customer_id if site else self.person.customer_id,
            gsrn=site.gsrn if site else self._only_site,
            order_id=self.sms.order_id,
        )

    def note_site(self, site: Site) -> None:
        """The message turned out to be about this point."""
        self.sms.gsrn, self.sms.customer_id = site.gsrn, site.customer_id

    @property
    def _only_site(self) -> str | None:
        return self.person.sites[0].gsrn if len(self.person.sites) == 1 else None
