"""Tests of texts: one version, filled with samples, to the proven address of who asks for it.

Never to customers: the notice carries the mark of one to staff, no contact and no metering point.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.message_text import MessageSet
from app.domain.notice_types import Channel, NoticeType
from app.domain.sample_facts import Sample, sample_values
from app.models.staff_account import StaffAccount
from app.services import message_templates, staff_addresses
from app.services.audit import record
from app.services.direct_notices import put_rendered
from app.services.message_templates import SHIPPED, Messages
from app.settings import Settings


class NoAddress(Exception):
    """The person has no proven address on this channel: they have to add one first."""


def send_test(
    session: Session,
    account: StaffAccount,
    kind: NoticeType,
    number: int,
    texts: MessageSet,
    channel: Channel,
    language: Language,
    sample: Sample,
    *,
    by: str,
    now: datetime,
    settings: Settings,
) -> int | None:
    """Send one text to the person's own address; None if they asked twice in the same instant.

    Raises: NoAddress, TemplateError -> nothing was sent.
    """
    address = staff_addresses.find_address(session, account.id, channel)
    if address is None or address.verified_at is None:
        raise NoAddress
    versions: Mapping[NoticeType, int] = {kind: number} if number else {}
    rendered = message_templates.render_exactly(
        Messages({kind: texts}, SHIPPED.footer, versions),
        kind,
        channel,
        language,
        sample_values(
            kind, language, sample, brand=settings.brand, phone=settings.customer_service_phone
        ),
        settings.sms_senders,
    )
    key = f"test/{kind}/{number}/{language}/{address.id}/{now.isoformat()}"
    row = staff_addresses.staff_row(key, f"A test of version {number}, asked for by {by}.")
    contact = staff_addresses.as_contact(address)
    notice_id = put_rendered(session, contact, kind, language, rendered, row, now, settings)
    detail = {"number": number, "channel": channel, "language": language}
    record(session, by, "send text as a test", f"text:{kind}", detail, now)
    return notice_id
