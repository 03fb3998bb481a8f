"""Who is to be told about a metering point: who has it on that day, and the contacts they chose."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.contact_choice import ContactWish, choose_contacts
from app.domain.languages import Language
from app.domain.notice_policy import (
    TRUSTED_SOURCE,
    ContactFacts,
    ContactState,
    Recipient,
)
from app.domain.notice_types import Channel, NoticeType, Topic
from app.services.notice_items import NOT_TOLD

# Nobody: the ledger still records that there was somebody to tell and why nobody was.
NOBODY = Recipient(customer_id="", contact=None)

# The last day of a contract belongs to it. A contact in doubt has its doubt for a source, since the
# CIS's word is not enough for it.
_OCCUPANTS = text(
    """
    SELECT c.cis_id, c.language, c.preferred_channel, c.personal_safety_ban,
        k.id AS contact_id, k.kind, k.value, k.state, coalesce(k.doubt, k.source) AS source,
        k.quiet_from, k.quiet_to, k.language AS contact_language, k.enrolled,
        k.third_party_name IS NOT NULL AS third_party,
        coalesce(CASE WHEN here.source <> 'CIS' THEN here.enabled END,
            CASE WHEN everywhere.source <> 'CIS' THEN everywhere.enabled END) AS chosen,
        coalesce(here.enabled, everywhere.enabled, k.enrolled) AS wants,
        coalesce(here.night_ok, everywhere.night_ok, false) AS night_ok
    FROM customer c
    LEFT JOIN contact k ON k.customer_id = c.cis_id AND k.state <> 'REMOVED'
        AND (k.only_gsrns IS NULL OR :gsrn = ANY(k.only_gsrns))
    LEFT JOIN preference here ON here.contact_id = k.id AND here.topic = :topic
        AND coalesce(here.gsrn, '') = :gsrn
    LEFT JOIN preference everywhere ON everywhere.contact_id = k.id
        AND everywhere.topic = :topic AND coalesce(everywhere.gsrn, '') = ''
    WHERE c.active AND c.cis_id IN (
        SELECT o.customer_id FROM occupancy o
        WHERE o.gsrn = :gsrn AND o.moved_in_on <= :on
          AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on))
    ORDER BY c.cis_id, k.id
    """
)


def find_recipients(session: Session, gsrn: str, on: date, topic: Topic) -> list[Recipient]:
    """Everybody to decide about; whoever cannot or does not want to be told is among them.

    Which contacts of a customer those are is for app/domain/contact_choice.py to say. Never empty.
    """
    rows = session.execute(_OCCUPANTS, {"gsrn": gsrn, "on": on, "topic": topic}).all()
    found = [
        recipient
        for _, group in groupby(rows, key=lambda row: row.cis_id)
        for recipient in _of_customer(list(group), topic)
    ]
    return found or [NOBODY]


# At the same address, in the same channel and language, whatever the customer prefers by now.
_TOLD = text(
    f"""
    SELECT DISTINCT ON (n.channel, n.sent_to) n.customer_id AS cis_id, n.language, n.contact_id,
        n.channel AS kind, n.sent_to AS value, coalesce(k.state, 'REMOVED') AS state,
        coalesce(k.source, 'CIS') AS source, k.quiet_from, k.quiet_to,
        n.language AS contact_language, coalesce(wish.enabled, k.enrolled, false) AS wants,
        coalesce(wish.night_ok, false) AS night_ok,
        coalesce(c.personal_safety_ban, false) AS personal_safety_ban
    FROM notice n
    LEFT JOIN contact k ON k.id = n.contact_id
    LEFT JOIN customer c ON c.cis_id = n.customer_id
    LEFT JOIN LATERAL (
        SELECT p.enabled, p.night_ok FROM preference p
        WHERE p.contact_id = n.contact_id AND p.topic = :topic AND (p.gsrn = :gsrn OR p.gsrn IS NULL)
        ORDER BY p.gsrn NULLS LAST LIMIT 1) wish ON true
    WHERE n.order_id = :order_id AND n.gsrn = :gsrn AND n.type = ANY(:kinds)
      AND n.channel IS NOT NULL AND n.state NOT IN {NOT_TOLD}
    ORDER BY n.channel, n.sent_to, n.id DESC
    """  # noqa: S608 - made of our own constants only.
)


def find_told(
    session: Session, order_id: str, gsrn: str, topic: Topic, kinds: Collection[NoticeType]
) -> list[Recipient]:
    """Whoever has been told so of the order's visit, or has it waiting so that it can be stopped."""
    values = {"order_id": order_id, "gsrn": gsrn, "topic": topic, "kinds": sorted(kinds)}
    return [_recipient(row, row.wants) for row in session.execute(_TOLD, values)]


def _of_customer(rows: Sequence[Any], topic: Topic) -> list[Recipient]:
    first = rows[0]
    contacts = {row.contact_id: row for row in rows if row.contact_id is not None}
    if not contacts:
        # The customer may want no channel at all.
        return [Recipient(first.cis_id, None, wants=first.preferred_channel != "NONE")]
    wishes = [
        ContactWish(
            contact_id=row.contact_id,
            channel=row.kind,
            usable=_usable(row),
            enrolled=row.wants if row.chosen is None else row.enrolled,
            chosen=row.chosen,
            third_party=row.third_party,
        )
        for row in contacts.values()
    ]
    return [
        _recipient(contacts[choice.contact_id], choice.wants)
        for choice in choose_contacts(wishes, first.preferred_channel, topic)
    ]


def _usable(row: Any) -> bool:
    """Whether a message can reach it; a wish not to get one is no reason to try elsewhere."""
    if row.state == ContactState.UNVERIFIED:
        return bool(row.source == TRUSTED_SOURCE)
    return bool(row.state == ContactState.VERIFIED)


def _recipient(row: Any, wants: bool) -> Recipient:
    return Recipient(
        customer_id=row.cis_id,
        contact=ContactFacts(
            id=row.contact_id,
            channel=Channel(row.kind),
            value=row.value,
            state=ContactState(row.state),
            source=row.source,
        ),
        wants=wants,
        night_ok=row.night_ok,
        quiet_from=row.quiet_from,
        quiet_to=row.quiet_to,
        language=Language(row.contact_language or row.language),
        safety_ban=row.personal_safety_ban,
    )
