"""All that we know of one customer, to be handed out; and its removal when they have left (REQ-36).

Erasing keeps the skeleton of the record: that there were messages, of which kind, when and with what
outcome, and who changed what when, all under the customer's number alone.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.services import audit, search_index
from app.services.preference_matrix import current_gsrns

ERASED = "erased"


class StillACustomer(Exception):
    """The customer has a running or coming contract; it has to end in the CIS first."""


class NoSuchCustomer(Exception):
    """We know nobody of that number."""


_PARTS = {
    "contacts": """
        SELECT id, kind, value, state, source, enrolled, verified_at, language, quiet_from, quiet_to,
            third_party_name, approved_at, only_gsrns, created_at
        FROM contact WHERE customer_id = :id ORDER BY id
    """,
    "contracts": """
        SELECT contract_id, gsrn, moved_in_on, moved_out_on FROM occupancy
        WHERE customer_id = :id ORDER BY moved_in_on, contract_id
    """,
    "metering_points": """
        SELECT DISTINCT m.gsrn, m.dso_code, m.street_name, m.house_number, m.staircase, m.apartment,
            m.postal_code, m.post_office
        FROM metering_point m JOIN occupancy o ON o.gsrn = m.gsrn WHERE o.customer_id = :id
        ORDER BY m.gsrn
    """,
    "choices": """
        SELECT p.contact_id, p.gsrn, p.topic, p.enabled, p.night_ok, p.source, p.legal_basis,
            p.changed_at
        FROM preference p JOIN contact k ON k.id = p.contact_id WHERE k.customer_id = :id
        ORDER BY p.id
    """,
    "history_of_choices": """
        SELECT h.contact_id, h.gsrn, h.topic, h.enabled, h.night_ok, h.ended, h.source,
            h.legal_basis, h.changed_by, h.changed_at
        FROM preference_change h JOIN contact k ON k.id = h.contact_id WHERE k.customer_id = :id
        ORDER BY h.id
    """,
    "history_of_contacts": """
        SELECT h.contact_id, h.what, h.old_value, h.new_value, h.source, h.legal_basis, h.changed_by,
            h.changed_at
        FROM contact_change h JOIN contact k ON k.id = h.contact_id WHERE k.customer_id = :id
        ORDER BY h.id
    """,
    "messages": """
        SELECT n.id, n.type, n.topic, n.gsrn, n.channel, n.sent_to, n.language, n.subject, n.body,
            n.state, n.suppress_reason, n.decision, n.event_at, n.created_at, n.sent_at,
            n.delivered_at
        FROM notice n WHERE n.customer_id = :id
            OR n.contact_id IN (SELECT id FROM contact WHERE customer_id = :id)
        ORDER BY n.id
    """,
    "letters": """
        SELECT type, gsrn, subject, body, reason, state, created_at, posted_at FROM letter
        WHERE customer_id = :id ORDER BY id
    """,
    "replies": """
        SELECT received_at, from_number, body, verdict, gsrn FROM inbound_sms
        WHERE customer_id = :id OR customer_id IS NULL AND from_number IN (
            SELECT value FROM contact WHERE customer_id = :id AND kind = 'SMS' AND state = 'VERIFIED')
        ORDER BY id
    """,
    "connections": """
        SELECT order_no, gsrn, stage, stage_dates, target_week, street_name, house_number
        FROM connection_order WHERE customer_id = :id ORDER BY order_no
    """,
    "calls": """
        SELECT gsrn, state, outcome, added_at, done_at FROM call_list_entry
        WHERE customer_id = :id ORDER BY id
    """,
    "work_orders": """
        SELECT order_id, order_type_code, gsrn, state, created_at, updated_at FROM work_order
        WHERE customer_id = :id ORDER BY order_id
    """,
    "log_ins": """
        SELECT a.at, a.action FROM audit_entry a
        WHERE a.actor = 'customer:' || CAST(:id AS text) ORDER BY a.id
    """,
}


def export(session: Session, customer_id: str, now: datetime) -> dict[str, Any]:
    """Everything under the customer's number, ready to be written as JSON. Raises NoSuchCustomer."""
    row = session.execute(
        text(
            "SELECT cis_id, kind, name, language, personal_safety_ban, priority_flag,"
            " preferred_channel, active, updated_at FROM customer WHERE cis_id = :id"
        ),
        {"id": customer_id},
    ).one_or_none()
    if row is None:
        raise NoSuchCustomer
    parts = {
        name: [_plain(one) for one in session.execute(text(statement), {"id": customer_id})]
        for name, statement in _PARTS.items()
    }
    return {"exported_at": now.isoformat(), "customer": _plain(row), **parts}


_ERASE = (
    "UPDATE customer SET name = :erased, active = false, personal_safety_ban = false,"
    " priority_flag = false, preferred_channel = 'NONE' WHERE cis_id = :id",
    # The dedupe key has a short hash of the address in it, which a phone number can be found from.
    "UPDATE notice n SET body = NULL, subject = NULL, html = NULL, sent_to = NULL,"
    " dedupe_key = :erased || '/' || n.id"
    " WHERE n.customer_id = :id OR n.contact_id IN (SELECT id FROM contact WHERE customer_id = :id)",
    "UPDATE outbox_item i SET payload = jsonb_build_object('notice_id', n.id),"
    " order_key = :erased || '/' || n.id, last_error = NULL"
    " FROM notice n WHERE i.business_key = 'notice:' || n.id AND n.customer_id = :id",
    "DELETE FROM preference p USING contact k WHERE k.id = p.contact_id AND k.customer_id = :id",
    "DELETE FROM customer_session WHERE contact_ids && (SELECT coalesce(array_agg(id), '{}')"
    " FROM contact WHERE customer_id = :id)",
    "DELETE FROM one_time_code c USING contact k WHERE k.customer_id = :id AND k.value = c.value",
    "DELETE FROM contact_issue WHERE customer_id = :id",
    "UPDATE letter SET subject = '', body = '' WHERE customer_id = :id",
    "UPDATE inbound_sms s SET from_number = :erased, body = '' WHERE s.customer_id = :id"
    " OR s.customer_id IS NULL AND s.from_number IN"
    " (SELECT value FROM contact WHERE customer_id = :id AND kind = 'SMS')",
    "UPDATE reply_case r SET number = :erased || '/' || r.id, note = NULL"
    " WHERE r.customer_id = :id OR r.customer_id IS NULL AND r.number IN"
    " (SELECT value FROM contact WHERE customer_id = :id AND kind = 'SMS')",
    "UPDATE connection_order SET haystack = lower(order_no) WHERE customer_id = :id",
    "UPDATE contact SET value = :erased || '/' || id, state = 'REMOVED', removed_by = 'ERASED',"
    " third_party_name = CASE WHEN third_party_name IS NOT NULL THEN :erased END,"
    " quiet_from = NULL, quiet_to = NULL, welcome_due_at = NULL, enrolled = false"
    " WHERE customer_id = :id",
    "UPDATE work_order SET facts = facts - '{customer_name,phone,email}'::text[]"
    " WHERE customer_id = :id",
)


def erase(session: Session, customer_id: str, by: str, now: datetime) -> None:
    """Remove the person, keep the skeleton. Raises NoSuchCustomer, StillACustomer.

    Files as they came are removed by their own period (settings, retention_xml_days).
    """
    known = session.execute(
        text("SELECT 1 FROM customer WHERE cis_id = :id FOR UPDATE"), {"id": customer_id}
    ).one_or_none()
    if known is None:
        raise NoSuchCustomer
    if current_gsrns(session, customer_id, helsinki_day(now)):
        raise StillACustomer
    values = {"id": customer_id, "erased": ERASED}
    for statement in _ERASE:
        session.execute(text(statement), values)
    gsrns = session.execute(
        text("SELECT DISTINCT gsrn FROM occupancy WHERE customer_id = :id"), values
    ).scalars()
    search_index.rebuild(session, list(gsrns), now)
    audit.record(session, by, "CUSTOMER_ERASED", f"customer:{customer_id}", {}, now)


def _plain(row: Any) -> dict[str, Any]:
    return {name: _json(value) for name, value in row._mapping.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
