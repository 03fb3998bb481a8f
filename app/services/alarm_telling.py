"""Who is told that an alarm rule was raised or cleared: members of staff by e-mail, and the webhook."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.alarm_rules import Value
from app.domain.languages import Language, Names
from app.domain.notice_types import Channel, NoticeType
from app.domain.notice_values import values_for
from app.models.alarm_rule import AlarmRule
from app.models.staff_account import StaffAccount
from app.services import audit, message_templates, published_texts, signals, staff_addresses
from app.services.direct_notices import put_rendered
from app.settings import Settings
from integrations.alarm_webhook.types import Signal

_RAISED = Names("lauennut", "utlösts", "raised")
_CLEARED = Names("päättynyt", "upphört", "cleared")


def tell(
    session: Session,
    settings: Settings,
    row: AlarmRule,
    value: Value,
    now: datetime,
    *,
    raised: bool,
) -> None:
    """Write to whom the rule names, and to the webhook; each once for each raising, each way."""
    key = f"alarm-rule/{row.code}/{row.raised_count}/{'raised' if raised else 'cleared'}"
    for username in row.recipients:
        _mail(session, settings, row, username, value, key, now, raised=raised)
    if row.to_webhook:
        signal = Signal(
            event="ALARM_RAISED" if raised else "ALARM_CLEARED",
            subject=f"alarm-rule:{row.code}",
            name=row.name,
            text=f"{shown(value.number)}, the limit is {shown(row.limit_value)}",
            at=now.isoformat(),
            value=value.number,
            limit=row.limit_value,
            occurrence=row.raised_count,
        )
        signals.put_signal(session, settings, signal, key, now)


def _mail(
    session: Session,
    settings: Settings,
    row: AlarmRule,
    username: str,
    value: Value,
    key: str,
    now: datetime,
    *,
    raised: bool,
) -> None:
    account = session.execute(
        select(StaffAccount).where(StaffAccount.username == username, StaffAccount.active)
    ).scalar_one_or_none()
    address = staff_addresses.find_address(session, account.id, Channel.EMAIL) if account else None
    if account is None or address is None or address.verified_at is None:
        # The alarm itself stands on the page; that somebody was not written to stands in the trail.
        detail = {"user": username, "key": key}
        audit.record(
            session, "system:alarms", "ALARM_NOT_MAILED", f"alarm-rule:{row.code}", detail, now
        )
        return
    language = Language(account.language)
    facts = {
        "event_at": now.isoformat(),
        "rule": row.name,
        "event": (_RAISED if raised else _CLEARED).in_language(language),
        "value": shown(value.number, language),
        "limit": shown(row.limit_value, language),
    }
    values = values_for(
        NoticeType.STAFF_ALARM,
        language,
        facts,
        brand=settings.brand,
        phone=settings.customer_service_phone,
        address=None,
    )
    rendered = message_templates.render(
        published_texts.current(session),
        NoticeType.STAFF_ALARM,
        Channel.EMAIL,
        language,
        values,
        settings.sms_senders,
    )
    put_rendered(
        session,
        staff_addresses.as_contact(address),
        NoticeType.STAFF_ALARM,
        language,
        rendered,
        staff_addresses.staff_row(f"{key}/{username}", f"The alarm rule {row.code}."),
        now,
        settings,
    )


def reachable_staff(session: Session) -> list[tuple[str, str]]:
    """Who can be written to: user name and name of everybody with a proven e-mail address."""
    accounts = session.execute(
        select(StaffAccount).where(StaffAccount.active).order_by(StaffAccount.display_name)
    ).scalars()
    found = []
    for account in accounts:
        address = staff_addresses.find_address(session, account.id, Channel.EMAIL)
        if address is not None and address.verified_at is not None:
            found.append((account.username, account.display_name))
    return found


def shown(number: float | None, language: Language = Language.EN) -> str:
    """A measured number as it is written in a language: 12,5 in Finnish and Swedish."""
    text = "-" if number is None else f"{number:.1f}".removesuffix(".0")
    return text if language is Language.EN else text.replace(".", ",")
