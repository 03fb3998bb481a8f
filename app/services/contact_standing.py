"""What providers' answers mean for the contacts that were written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.notice_types import Channel
from app.services import opt_outs
from integrations.sendgrid_email import codes as sendgrid
from integrations.twilio_sms import codes as twilio

# So many hard bounces in a row make an address unusable (REQ-26); one may be somebody's mishap.
BOUNCES_TO_INVALID = 3
_PROVIDERS = {Channel.SMS: "twilio", Channel.EMAIL: "sendgrid"}


@dataclass(frozen=True, slots=True)
class ProviderWord:
    """What a provider said about one notice: SMS by code, e-mail by event and its detail."""

    notice_id: int
    code: str | None
    event: str | None = None


_NOTICES = text(
    """
    SELECT n.id, n.channel, c.value FROM notice n JOIN contact c ON c.id = n.contact_id
    WHERE n.id = ANY(:ids)
    """
)

# The address is what is unusable, under whichever customer it is known.
_MARK = text(
    """
    UPDATE contact SET bounce_count = bounce_count + 1,
        state = CASE WHEN :at_once OR bounce_count + 1 >= :limit THEN 'INVALID' ELSE state END
    WHERE kind = :kind AND value = :value AND state <> 'REMOVED'
    """
)


# Whoever can be reached now could be reached all along.
_REACHED = text(
    """
    UPDATE contact c SET bounce_count = 0
    FROM notice n JOIN contact k ON k.id = n.contact_id
    WHERE n.id = ANY(CAST(:ids AS bigint[])) AND k.bounce_count > 0
      AND c.kind = k.kind AND c.value = k.value AND c.state <> 'INVALID'
    """
)


def note_delivered(session: Session, notice_ids: Sequence[int]) -> None:
    """Forget the bounces of addresses that a message has reached: three in a row count, not in a life."""
    if notice_ids:
        session.execute(_REACHED, {"ids": list(notice_ids)})


def note_words(session: Session, words: Sequence[ProviderWord], now: datetime) -> None:
    """Mark contacts that can get nothing, and take an opt-out at the provider for one with us.

    Must be called once for each thing said: bounces are counted.
    """
    if not words:
        return
    found = session.execute(_NOTICES, {"ids": [word.notice_id for word in words]})
    contacts = {row.id: (row.channel, row.value) for row in found}
    for word in words:
        if word.notice_id not in contacts:
            continue
        channel, value = contacts[word.notice_id]
        means = _meaning(word, channel)
        if means.unusable or means.bounced:
            session.execute(
                _MARK,
                {
                    "kind": channel,
                    "value": value,
                    "limit": BOUNCES_TO_INVALID,
                    "at_once": means.unusable,
                },
            )
        if means.opted_out:
            # Whoever tells the provider to stop has told us, and means every topic.
            opt_outs.opt_out(
                session, value, None, source=channel, by=f"provider:{_PROVIDERS[channel]}", now=now
            )


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a word says of the address: no message can go there, one bounced, its holder has left."""

    unusable: bool
    bounced: bool
    opted_out: bool


def _meaning(word: ProviderWord, channel: str) -> _Meaning:
    if channel == Channel.SMS:
        code = twilio.rule_for(word.code)
        return _Meaning(code.marks_contact_invalid, code.is_hard_bounce, code.means_opted_out)
    event = sendgrid.rule_for(word.event or "", word.code, word.code)
    return _Meaning(False, event.marks_contact_invalid, event.means_opted_out)
