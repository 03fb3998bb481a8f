"""Every message to a customer about a metering point: the exact words and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext, ngettext

from app.domain.languages import Language
from app.domain.masking import without_streets
from app.models import Notice
from app.queries.meter_trace import MeterTrace
from app.web.formats import moment
from app.web.labels import CHANNEL, NOTICE_TYPE, Label, label
from app.web.wording import suppress_text

_UNSENT = ("SUPPRESSED", "SUPERSEDED", "EXPIRED", "FAILED", "CREATED", "HELD", "QUEUED")


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message as the page shows it."""

    id: int
    title: str
    state: Label
    channel: str | None
    channel_name: str
    sent_to: str | None
    language: str
    language_name: str
    at: datetime
    subject: str | None
    body: str | None
    unsent: bool
    lines: list[str]


def message_views(trace: MeterTrace, *, hidden: bool = False) -> list[MessageView]:
    """The messages, newest first; hidden: under a safety ban, without address and number (REQ-31)."""
    views = notice_views(trace.notices)
    if not hidden:
        return views
    streets = [trace.point.street_name] if trace.point.street_name else []
    return [_banned(view, streets) for view in views]


def notice_views(notices: Iterable[Notice]) -> list[MessageView]:
    """Any notices as messages, in the order in which they are given."""
    return [message_view(notice) for notice in notices]


def words_without(words: str | None, streets: Sequence[str], language: str) -> str | None:
    """The words of a message without addresses in these streets."""
    return None if words is None else without_streets(words, streets, Language(language))


def _banned(view: MessageView, streets: Sequence[str]) -> MessageView:
    return replace(
        view,
        sent_to=gettext("hidden") if view.sent_to else None,
        subject=words_without(view.subject, streets, view.language),
        body=words_without(view.body, streets, view.language),
    )


def message_view(notice: Notice) -> MessageView:
    """One message as staff read it."""
    known = NOTICE_TYPE.get(notice.type)
    channel = CHANNEL.get(notice.channel or "")
    return MessageView(
        id=notice.id,
        title=str(known.text) if known else notice.type,
        state=label("notice", notice.state),
        channel=channel.icon if channel else None,
        channel_name=str(channel.text) if channel else "",
        sent_to=notice.sent_to,
        language=notice.language,
        language_name=str(label("language", notice.language).text),
        at=notice.sent_at or notice.created_at,
        subject=notice.subject,
        body=notice.body,
        unsent=notice.state in _UNSENT,
        lines=list(_lines(notice)),
    )


def _lines(notice: Notice) -> list[str]:
    lines = []
    if notice.suppress_reason:
        reason = suppress_text(notice.suppress_reason)
        lines.append(gettext("Why not: %(reason)s", reason=reason))
    if notice.delivered_at:
        lines.append(gettext("Delivered %(when)s", when=moment(notice.delivered_at)))
    if notice.error_code:
        lines.append(gettext("Error %(code)s", code=notice.error_code))
    if notice.segments and notice.channel == "SMS":
        parts = ngettext("%(num)d SMS part", "%(num)d SMS parts", notice.segments)
        lines.append(f"{parts}, {notice.encoding}" if notice.encoding else parts)
    if notice.resent_count:
        lines.append(
            ngettext(
                "sent again %(num)d time after an unknown outcome",
                "sent again %(num)d times after an unknown outcome",
                notice.resent_count,
            )
        )
    return lines
