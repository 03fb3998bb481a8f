"""The judge of a storm understands every text that we ship, in every language and channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.languages import Language
from app.domain.notice_types import Channel, NoticeType
from app.domain.notice_values import values_for
from app.services import message_templates
from simulators.storm.texts import News, read
from tests.conftest import test_settings

NOW = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)
ETR = datetime(2027, 1, 1, 4, 30, tzinfo=UTC)
FACTS = {
    "off_at": (NOW - timedelta(hours=2)).isoformat(),
    "on_at": NOW.isoformat(),
    "event_at": NOW.isoformat(),
    "told_at": NOW.isoformat(),
    "etr_at": ETR.isoformat(),
    "old_etr_at": (ETR - timedelta(hours=2)).isoformat(),
    "duration_s": 7_200,
    "cause_code": "TREE",
    "area": {"fi": "Tampere", "sv": "Tammerfors", "en": "Tampere"},
    "count": 12,
}
KINDS = {
    NoticeType.FAULT_STARTED: News.STARTED,
    NoticeType.FAULT_ETR: News.ESTIMATE,
    NoticeType.FAULT_ETR_CHANGED: News.CHANGED,
    NoticeType.FAULT_ETR_DELAYED: News.DELAYED,
    NoticeType.FAULT_PARTLY_RESTORED: News.PARTLY,
    NoticeType.FAULT_RESTORED: News.RESTORED,
    NoticeType.MORNING_SUMMARY: News.MORNING,
    NoticeType.STORM_BULLETIN: News.BULLETIN,
    NoticeType.CORRECTION: News.CORRECTION,
    NoticeType.CORRECTION_STILL_OFF: News.STILL_OFF,
    NoticeType.COMPENSATION: News.COMPENSATION,
    NoticeType.METER_SWAP_DONE: News.OTHER,
}


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_text_is_understood(
    kind: NoticeType, language: Language, channel: Channel
) -> None:
    facts = {**FACTS, "happened_at": NOW.isoformat()}
    settings = test_settings()
    rendered = message_templates.render(
        message_templates.SHIPPED,
        kind,
        channel,
        language,
        values_for(
            kind,
            language,
            facts,
            brand=settings.brand,
            phone=settings.customer_service_phone,
            address="Koivutie 12 A 3",
        ),
        settings.sms_senders,
    )
    text = rendered.body if channel is Channel.SMS else rendered.subject
    assert text is not None
    said = read(text, NOW)
    assert said.news is KINDS[kind]
    told = kind in (NoticeType.FAULT_ETR, NoticeType.FAULT_ETR_CHANGED)
    # The subject of the others gives no estimate; the text message does.
    rest = (NoticeType.FAULT_PARTLY_RESTORED, NoticeType.CORRECTION_STILL_OFF)
    if told or (kind in rest and channel is Channel.SMS):
        assert said.etr_at == ETR
    else:
        assert said.etr_at is None
