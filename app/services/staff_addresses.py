"""Where a member of staff gets tests of texts: an address proves to be theirs by a code sent to it."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts, ContactState
from app.domain.notice_types import Channel, NoticeType, Topic
from app.domain.notice_values import values_for
from app.models.audit_entry import AuditEntry
from app.models.staff_account import StaffAccount
from app.models.staff_address import StaffAddress
from app.services import message_templates, published_texts
from app.services.audit import record
from app.services.direct_notices import put_rendered
from app.settings import Settings

CODE_GOOD_FOR = timedelta(minutes=10)
TRIES = 5
# Codes that one account may have sent in an hour, to whatever address.
CODES_PER_HOUR = 5

_ASKED = "ask for a code for tests"


class Verification(StrEnum):
    """How telling a code back ended."""

    OK = "OK"
    WRONG = "WRONG"
    EXPIRED = "EXPIRED"


class TooManyCodes(Exception):
    """The account has had enough codes sent for now: let it wait an hour."""


def send_code(
    session: Session,
    account: StaffAccount,
    channel: Channel,
    value: str,
    *,
    by: str,
    now: datetime,
    settings: Settings,
) -> None:
    """Take the address for the account, unproven, and send a code to it.

    Raises: TooManyCodes -> nothing was sent or changed.
    """
    _lock(session, account)
    subject = f"staff:{account.username}"
    asked = session.execute(
        select(func.count())
        .select_from(AuditEntry)
        .where(
            AuditEntry.subject == subject,
            AuditEntry.action == _ASKED,
            AuditEntry.at > now - timedelta(hours=1),
        )
    ).scalar_one()
    if asked >= CODES_PER_HOUR:
        raise TooManyCodes
    code = f"{secrets.randbelow(1_000_000):06d}"
    address = find_address(session, account.id, channel)
    if address is None:
        address = StaffAddress(staff_account_id=account.id, channel=channel, failed_count=0)
        session.add(address)
    address.value, address.verified_at = value, None
    address.code_sent_at, address.failed_count = now, 0
    session.flush()
    address.code_digest = _digest(settings, address, code)
    language = Language(account.language)
    values = values_for(
        NoticeType.VERIFY_CODE,
        language,
        {"code": code},
        brand=settings.brand,
        phone=settings.customer_service_phone,
        address=None,
    )
    rendered = message_templates.render(
        published_texts.current(session),
        NoticeType.VERIFY_CODE,
        channel,
        language,
        values,
        settings.sms_senders,
    )
    row = staff_row(f"staff-code/{address.id}/{now.isoformat()}", "A code for tests of texts.")
    contact = as_contact(address)
    put_rendered(session, contact, NoticeType.VERIFY_CODE, language, rendered, row, now, settings)
    record(session, by, _ASKED, subject, {"channel": channel}, now)


def verify(
    session: Session,
    account: StaffAccount,
    channel: Channel,
    code: str,
    *,
    by: str,
    now: datetime,
    settings: Settings,
) -> Verification:
    """Let the address get tests if the code is the one that was sent to it."""
    _lock(session, account)
    address = find_address(session, account.id, channel)
    if (
        address is None
        or address.code_digest is None
        or address.code_sent_at is None
        or now - address.code_sent_at > CODE_GOOD_FOR
        or address.failed_count >= TRIES
    ):
        return Verification.EXPIRED
    if not hmac.compare_digest(address.code_digest, _digest(settings, address, code)):
        address.failed_count += 1
        return Verification.WRONG
    address.code_digest, address.verified_at = None, now
    subject = f"staff:{account.username}"
    record(session, by, "verify address for tests", subject, {"channel": channel}, now)
    return Verification.OK


def find_address(session: Session, account_id: int, channel: Channel) -> StaffAddress | None:
    """The account's address on one channel, proven or not."""
    return session.execute(
        select(StaffAddress).where(
            StaffAddress.staff_account_id == account_id, StaffAddress.channel == channel
        )
    ).scalar_one_or_none()


def as_contact(address: StaffAddress) -> ContactFacts:
    """The address as something that can be written to; it is in no customer's register."""
    return ContactFacts(0, Channel(address.channel), address.value, ContactState.VERIFIED)


def staff_row(key: str, why: str) -> dict[str, object]:
    """What marks a notice as one to staff: it concerns no customer and no metering point."""
    return {
        "dedupe_key": key,
        "gsrn": "",
        # What somebody asked for themselves: no wishes, no quiet hours.
        "topic": Topic.SERVICE,
        "to_staff": True,
        "decision": why,
    }


def _lock(session: Session, account: StaffAccount) -> None:
    """One at a time asks for a code or tells it back, so that no try goes uncounted."""
    session.execute(select(StaffAccount.id).where(StaffAccount.id == account.id).with_for_update())


def _digest(settings: Settings, address: StaffAddress, code: str) -> str:
    """Six digits are soon guessed, so the digest needs a key that is not in the database."""
    key = settings.secret_key.get_secret_value().encode()
    words = f"staff-address/{address.id}/{address.value}/{code}"
    return hmac.new(key, words.encode(), sha256).hexdigest()
