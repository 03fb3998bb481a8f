"""Who is to be told about a metering point: who has it on that day, and the contacts they chose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import (
    TRUSTED_SOURCE,
    VISIT_PLANS,
    ContactFacts,
    ContactState,
    Recipient,
)
from app.domain.notice_types import Channel, Topic

# Nobody: the ledger still records that there was somebody to tell and why nobody was.
NOBODY = Recipient(customer_id="", contact=None)

# The wish for this very point comes before the wish for all points; the last day of a contract
# belongs to it.
_OCCUPANTS = text(
    """
    SELECT c.cis_id, c.language, c.preferred_channel, c.personal_safety_ban,
        k.id AS contact_id, k.kind, k.value, k.state, k.source, k.quiet_from, k.quiet_to,
        k.language AS contact_language, coalesce(wish.enabled, false) AS wants,
        coalesce(wish.night_ok, false) AS night_ok
    FROM customer c
    LEFT JOIN contact k ON k.customer_id = c.cis_id AND k.state <> 'REMOVED'
    LEFT JOIN LATERAL (
        SELECT p.enabled, p.night_ok FROM preference p
        WHERE p.contact_id = k.id AND p.topic = :topic AND (p.gsrn = :gsrn OR p.gsrn IS NULL)
        ORDER BY p.gsrn NULLS LAST LIMIT 1) wish ON true
    WHERE c.active AND c.cis_id IN (
        SELECT o.customer_id FROM occupancy o
        WHERE o.gsrn = :gsrn AND o.moved_in_on <= :on
          AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on))
    ORDER BY c.cis_id, k.id
    """
)


def find_recipients(session: Session, gsrn: str, on: date, topic: Topic) -> list[Recipient]:
    """Everybody to decide about; whoever cannot or does not want to be told is among them.

    A customer's contacts of the preferred channel; those of the other one when the preferred has
    none that can be used. Never empty.
    """
    rows = session.execute(_OCCUPANTS, {"gsrn": gsrn, "on": on, "topic": topic}).all()
    found = [
        recipient
        for _, group in groupby(rows, key=lambda row: row.cis_id)
        for recipient in _of_customer(list(group))
    ]
    return found or [NOBODY]


# At the same address, in the same channel and language, whatever the customer prefers by now.
_TOLD = text(
    """
    SELECT DISTINCT ON (n.channel, n.sent_to) n.customer_id AS cis_id, n.language, n.contact_id,
        n.channel AS kind, n.sent_to AS value, coalesce(k.state, 'REMOVED') AS state,
        coalesce(k.source, 'CIS') AS source, k.quiet_from, k.quiet_to,
        n.language AS contact_language, coalesce(wish.enabled, false) AS wants,
        coalesce(wish.night_ok, false) AS night_ok,
        coalesce(c.personal_safety_ban, false) AS personal_safety_ban
    FROM notice n
    LEFT JOIN contact k ON k.id = n.contact_id
    LEFT JOIN customer c ON c.cis_id = n.customer_id
    LEFT JOIN LATERAL (
        SELECT p.enabled, p.night_ok FROM preference p
        WHERE p.contact_id = n.contact_id AND p.topic = :topic AND (p.gsrn = :gsrn OR p.gsrn IS NULL)
        ORDER BY p.gsrn NULLS LAST LIMIT 1) wish ON true
    WHERE n.order_id = :order_id AND n.gsrn = :gsrn AND n.type = ANY(:plans)
      AND n.channel IS NOT NULL AND n.state NOT IN ('SUPPRESSED', 'EXPIRED', 'SUPERSEDED', 'FAILED')
    ORDER BY n.channel, n.sent_to, n.id DESC
    """
)


def find_told(session: Session, order_id: str, gsrn: str, topic: Topic) -> list[Recipient]:
    """Whoever has been told of the order's visit, or has it waiting so that it can be stopped."""
    values = {"order_id": order_id, "gsrn": gsrn, "topic": topic, "plans": sorted(VISIT_PLANS)}
    return [_recipient(row) for row in session.execute(_TOLD, values)]


def _of_customer(rows: Sequence[Any]) -> list[Recipient]:
    first = rows[0]
    contacts = [row for row in rows if row.contact_id is not None]
    if first.preferred_channel not in Channel.__members__:
        # The customer wants no channel at all.
        return [Recipient(first.cis_id, None, wants=False)]
    preferred = [row for row in contacts if row.kind == first.preferred_channel]
    others = [row for row in contacts if row.kind != first.preferred_channel]
    for choice in (preferred, others):
        usable = [row for row in choice if _usable(row)]
        if usable:
            return [_recipient(row) for row in usable]
    if contacts:
        return [_recipient(row) for row in preferred or others]
    return [Recipient(first.cis_id, None)]


def _usable(row: Any) -> bool:
    """Whether a message can reach it; a wish not to get one is no reason to try elsewhere."""
    if row.state == ContactState.UNVERIFIED:
        return bool(row.source == TRUSTED_SOURCE)
    return bool(row.state == ContactState.VERIFIED)


def _recipient(row: Any) -> Recipient:
    return Recipient(
        customer_id=row.cis_id,
        contact=ContactFacts(
            id=row.contact_id,
            channel=Channel(row.kind),
            value=row.value,
            state=ContactState(row.state),
            source=row.source,
        ),
        wants=row.wants,
        night_ok=row.night_ok,
        quiet_from=row.quiet_from,
        quiet_to=row.quiet_to,
        language=Language(row.contact_language or row.language),
        safety_ban=row.personal_safety_ban,
    )
