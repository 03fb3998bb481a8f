"""The texts of notices: the shipped defaults, and a notice made of them in one language.

The defaults are read when this module is, so a text that lacks a language keeps every process
from starting instead of reaching somebody half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from typing import TypeVar

import structlog
from msgspec import Struct

from app.domain.email_text import EmailFooter, parse_footer, render_email
from app.domain.languages import Language
from app.domain.message_source import parse_message
from app.domain.message_text import MessageSet, TemplateError, clean_value, render_sms
from app.domain.notice_types import Channel, NoticeType
from app.domain.sender_profiles import Senders, sender_for
from app.domain.sms_text import plain_sms, sms_parts

log = structlog.get_logger()

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "messages"
_FOOTER = "EMAIL_FOOTER.toml"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Messages:
    """All texts, by kind of notice and language.

    versions: of the kinds whose text is not the shipped one, which it is.
    """

    by_type: Mapping[NoticeType, MessageSet]
    footer: EmailFooter
    versions: Mapping[NoticeType, int] = field(default_factory=dict)


class Rendered(Struct, frozen=True):
    """A notice as it leaves; subject and html are for e-mail, the rest is for SMS.

    sender: whom the text message comes from. It belongs to the text: what asks for an answer
    leaves only from a number (REQ-29). version: of the kind's texts; 0 is the shipped one.
    """

    body: str
    subject: str | None = None
    html: str | None = None
    encoding: str | None = None
    segments: int | None = None
    sender: str | None = None
    version: int = 0


def load(folder: Path) -> Messages:
    """Read every kind's texts and the footer.

    Raises: TemplateError -> somebody has to mend the named file before the product can start.
    """
    by_type: dict[NoticeType, MessageSet] = {}
    for kind in NoticeType:
        path = folder / f"{kind}.toml"
        by_type[kind] = _parsed(path, partial(parse_message, kind))
    return Messages(by_type, _parsed(folder / _FOOTER, parse_footer))


def render(
    messages: Messages,
    kind: NoticeType,
    channel: Channel,
    language: Language,
    values: Mapping[str, str],
    senders: Senders,
) -> Rendered:
    """Build the text once; what is stored is what leaves.

    Where a text that staff wrote needs a value that this event does not have, the shipped one
    takes its place: it says less, but somebody is told.

    Raises: TemplateError -> a value is missing; nothing may be sent.
    """
    try:
        return render_exactly(messages, kind, channel, language, values, senders)
    except TemplateError as error:
        version = messages.versions.get(kind)
        if version is None:
            raise
        log.error("text_lacks_value", kind=kind, version=version, problems=error.problems)
        return render_exactly(SHIPPED, kind, channel, language, values, senders)


def render_exactly(
    messages: Messages,
    kind: NoticeType,
    channel: Channel,
    language: Language,
    values: Mapping[str, str],
    senders: Senders,
) -> Rendered:
    """Build the text from these messages and no others.

    Raises: TemplateError -> a value is missing.
    """
    texts, version = messages.by_type[kind], messages.versions.get(kind, 0)
    if channel is Channel.SMS:
        sender = sender_for(kind, senders)
        sms = render_sms(texts, language, values, takes_replies=sender.takes_replies)
        return Rendered(
            sms.body,
            encoding=sms.size.encoding.value,
            segments=sms.size.parts,
            sender=sender.id,
            version=version,
        )
    email = render_email(texts, messages.footer, language, values)
    return Rendered(email.text, subject=email.subject, html=email.html, version=version)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text with everything filled in but the address: thousands of recipients share it."""

    channel: Channel
    body: str
    subject: str | None
    html: str | None
    sender: str | None
    version: int

    def render(self, *, addr: str) -> Rendered:
        """The text for one recipient."""
        address = clean_value(addr)
        if self.channel is Channel.SMS:
            body = self.body.replace(_ADDRESS, plain_sms(address))
            size = sms_parts(body)
            return Rendered(
                body,
                encoding=size.encoding.value,
                segments=size.parts,
                sender=self.sender,
                version=self.version,
            )
        return Rendered(
            self.body.replace(_ADDRESS, address),
            subject=(self.subject or "").replace(_ADDRESS, address),
            html=(self.html or "").replace(_ADDRESS, escape(address)),
            version=self.version,
        )


# A sign that no text has: templates and values are cleaned of control characters.
_ADDRESS = "\ue000"


def prepare(
    messages: Messages,
    kind: NoticeType,
    channel: Channel,
    language: Language,
    values: Mapping[str, str],
    senders: Senders,
) -> Prepared:
    """Fill in what all recipients of an event share; values are those of `render` without addr.

    Raises: TemplateError -> a value is missing; nothing may be sent.
    """
    shared = render(messages, kind, channel, language, {**values, "addr": _ADDRESS}, senders)
    return Prepared(
        channel, shared.body, shared.subject, shared.html, shared.sender, shared.version
    )


def _parsed(path: Path, parse: Callable[[bytes], T]) -> T:
    """Problems name their file, since whoever starts the product sees nothing else."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise TemplateError((f"{path.name}: there is no such file.",)) from None
    except TemplateError as error:
        raise TemplateError(tuple(f"{path.name}: {text}" for text in error.problems)) from None


SHIPPED = load(FOLDER)
