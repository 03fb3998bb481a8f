"""The texts of one announcement, each filled in for one contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.languages import Language
from app.domain.notice_types import Channel, NoticeType
from app.domain.notice_values import HIDDEN_ADDRESS, several_points, values_for
from app.domain.telling import PointFacts, TellingDecision
from app.services import message_templates
from app.services.audience import Listener
from app.services.message_templates import Messages, Prepared, Rendered
from app.settings import Settings


class Texts:
    """Texts of one announcement: what all recipients share is filled in once."""

    def __init__(self, settings: Settings, facts: Mapping[str, Any], messages: Messages) -> None:
        self._messages = messages
        self._settings = settings
        self._facts = facts
        self._prepared: dict[tuple[object, ...], Prepared] = {}

    def render(self, told: TellingDecision, listener: Listener) -> Rendered:
        contact = listener.recipient.contact
        assert contact is not None  # noqa: S101 - only listeners with a contact are told anything.
        language = listener.recipient.language
        first = told.points[0] if told.points else None
        key = (
            told.type,
            contact.channel,
            language,
            *((first.off_at, first.on_at) if first else ()),
        )
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = self._prepare(
                told.type, contact.channel, language, first
            )
        return prepared.render(addr=_address(told, listener, language))

    def _prepare(
        self, kind: NoticeType, channel: Channel, language: Language, point: PointFacts | None
    ) -> Prepared:
        values = values_for(
            kind,
            language,
            {**self._facts, **_times_of(point)},
            brand=self._settings.brand,
            phone=self._settings.customer_service_phone,
            address=None,
        )
        del values["addr"]
        return message_templates.prepare(
            self._messages,
            kind,
            channel,
            language,
            values,
            self._settings.sms_senders,
        )


def _times_of(point: PointFacts | None) -> dict[str, object]:
    """What the point's own times say; they are truer than the outage's."""
    if point is None or point.off_at is None:
        return {}
    if point.on_at is None:
        return {"off_at": point.off_at.isoformat()}
    return {
        "off_at": point.off_at.isoformat(),
        "on_at": point.on_at.isoformat(),
        "duration_s": int((point.on_at - point.off_at).total_seconds()),
    }


def _address(told: TellingDecision, listener: Listener, language: Language) -> str:
    if told.decision.hide_address:
        return HIDDEN_ADDRESS.in_language(language)
    if len(told.points) > 1:
        return several_points(len(told.points), language)
    named = dict(zip((point.gsrn for point in listener.points), listener.addresses, strict=True))
    address = named.get(told.points[0].gsrn) if told.points else None
    return address or HIDDEN_ADDRESS.in_language(language)
