"""Customers, and notices to them that wait to leave, for the benches of sending."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import copy_rows, transaction
from app.domain.gsrn import check_digit
from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts
from app.domain.notice_types import NOTICE_RULES, Channel, NoticeType
from app.domain.notice_values import values_for
from app.services import message_templates, outbox
from app.services.notice_items import build_item, notice_key
from app.settings import Settings
from bench.upkeep import analyse

KIND = NoticeType.METER_SWAP_DONE
CHUNK = 1_000


def write_notices(
    count: int,
    settings: Settings,
    channel: Channel = Channel.SMS,
    kind: NoticeType = KIND,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """As many notices as contacts: text rendered, row and outbox item in one transaction each chunk."""
    for first in range(0, count, CHUNK):
        now = datetime.now(UTC)
        with transaction() as session:
            ids = _new_ids(session, min(CHUNK, count - first))
            rows, items = [], []
            for number, notice_id in enumerate(ids, start=first):
                notice, item = _notice(number, notice_id, settings, channel, kind, facts or {}, now)
                rows.append(tuple(notice.values()))
                items.append(item)
            copy_rows(session, "notice", tuple(notice), rows)
            outbox.put(session, items, now)


def seed(count: int) -> None:
    """Customers with a phone and an address each who want to be told; the last look asks for them."""
    numbers = {"numbers": list(range(count)), "phones": [_phone(n) for n in range(count)]}
    with transaction() as session:
        for statement in _STATEMENTS:
            session.execute(text(statement), numbers)
    analyse()


def check(count: int, sent: int, received: int) -> None:
    """Every message reached the stub once, and ledger, item, attempt and step say so."""
    with transaction() as session:
        told = session.execute(
            text(
                "SELECT (SELECT count(*) FROM notice WHERE state = 'SENT' AND provider_ref IS NOT NULL),"
                " (SELECT count(*) FROM outbox_item WHERE state = 'SENT'),"
                " (SELECT count(*) FROM attempt WHERE outcome = 'SENT'),"
                " (SELECT count(*) FROM step)"
            )
        ).one()
    if (sent, tuple(told), received) != (count, (count,) * 4, count):
        raise SystemExit(f"expected {count} of each: {sent}, {told}, {received} at the stub")


def _notice(
    number: int,
    notice_id: int,
    settings: Settings,
    channel: Channel,
    kind: NoticeType,
    facts: Mapping[str, Any],
    now: datetime,
) -> tuple[dict[str, Any], outbox.NewItem]:
    language = (Language.FI, Language.FI, Language.SV, Language.EN)[number % 4]
    value = _phone(number) if channel is Channel.SMS else f"asiakas{number}@example.fi"
    contact = ContactFacts(2 * number + 1 + (channel is Channel.EMAIL), channel, value)
    rendered = message_templates.render(
        message_templates.SHIPPED,
        kind,
        channel,
        language,
        values_for(
            kind,
            language,
            {"happened_at": now.isoformat(), "event_at": now.isoformat(), **facts},
            brand=settings.brand,
            phone=settings.customer_service_phone,
            address=f"Öljymäentie {number % 997} A {number % 80}",
        ),
        settings.sms_senders,
    )
    rule = NOTICE_RULES[kind]
    expires_at = now + rule.good_for
    item = build_item(
        notice_id, kind, _gsrn(number), contact, language, rendered, settings, None, expires_at
    )
    notice = {
        "id": notice_id,
        "type": kind.value,
        "dedupe_key": f"bench/{notice_key(notice_id)}",
        "contact_id": contact.id,
        "customer_id": f"C{number}",
        "gsrn": _gsrn(number),
        "order_id": f"B-{number}",
        "topic": rule.topic.value,
        "language": language.value,
        "channel": channel.value,
        "sent_to": contact.value,
        "must_reach": rule.must_reach,
        "subject": rendered.subject,
        "body": rendered.body,
        "html": rendered.html,
        "encoding": rendered.encoding,
        "segments": rendered.segments,
        "state": "QUEUED",
        "state_at": now,
        "decision": "Outside quiet hours.",
        "event_at": now - timedelta(seconds=5),
        "expires_at": expires_at,
        "resent_count": 0,
        "created_at": now,
    }
    return notice, item


def _new_ids(session: Session, count: int) -> list[int]:
    statement = text(
        "SELECT nextval(pg_get_serial_sequence('notice', 'id')) FROM generate_series(1, :count)"
    )
    return list(session.execute(statement, {"count": count}).scalars())


_SOURCE = "FROM unnest(CAST(:numbers AS bigint[]), CAST(:phones AS text[])) AS s (n, phone)"
_STATEMENTS = (
    "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
    " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
    " SELECT 'C' || n, 1, 'consumer', 'Asiakas ' || n, 'fi', false, false, false, 'SMS', true,"
    f" now() {_SOURCE}",
    "INSERT INTO contact (id, customer_id, kind, value, state, source, bounce_count, created_at)"
    f" SELECT 2 * n + 1, 'C' || n, 'SMS', phone, 'UNVERIFIED', 'CIS', 0, now() {_SOURCE}"
    " UNION ALL SELECT 2 * n + 2, 'C' || n, 'EMAIL', 'asiakas' || n || '@example.fi',"
    f" 'UNVERIFIED', 'CIS', 0, now() {_SOURCE}",
    "INSERT INTO preference (contact_id, topic, enabled, night_ok, source, legal_basis, changed_at)"
    f" SELECT 2 * n + k, 'METER_SWAP', true, false, 'CIS', 'CONTRACT', now() {_SOURCE},"
    " generate_series(1, 2) AS k",
)


def _phone(number: int) -> str:
    return f"+35850{number:07d}"


def _gsrn(number: int) -> str:
    body = f"6499990{number:010d}"
    return body + str(check_digit(body))
