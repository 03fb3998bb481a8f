"""Who writes to us from a number: the customers that it is known of, and their metering points."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts, ContactState
from app.domain.notice_types import CHOSEN_TOPICS, Channel
from app.domain.notice_values import short_address


@dataclass(frozen=True, slots=True)
class Site:
    """A metering point of the person; no address where it must not be told (REQ-31)."""

    gsrn: str
    customer_id: str
    address: str | None

    @property
    def name(self) -> str:
        """What a question calls it."""
        return self.address or f"...{self.gsrn[-4:]}"


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever writes from a number; without customers it is a number that we do not know.

    contact: our row of the number, one that may be answered, else only the number itself.
    own_customer_ids: those of whom the number is not somebody else's, who only helps or follows a point.
    """

    contact: ContactFacts
    customer_ids: tuple[str, ...]
    own_customer_ids: tuple[str, ...]
    language: Language | None
    sites: tuple[Site, ...]

    @property
    def customer_id(self) -> str | None:
        """The customer, where there is one only."""
        return self.customer_ids[0] if len(self.customer_ids) == 1 else None


_CONTACTS = text(
    """
    SELECT k.id, k.customer_id, k.state, k.source, coalesce(k.language, c.language) AS language,
        k.third_party_name IS NOT NULL AS third_party, k.only_gsrns
    FROM contact k JOIN customer c ON c.cis_id = k.customer_id
    WHERE k.value = :number AND k.kind = 'SMS' AND k.state <> 'REMOVED' AND c.active
      -- A number that two customers claim may be the other one's, so it is told nothing of either.
      AND k.doubt IS NULL AND (k.third_party_name IS NULL OR k.state = 'VERIFIED')
    ORDER BY k.state = 'INVALID', k.id
    """
)
_SITES = text(
    """
    SELECT DISTINCT ON (o.gsrn) o.gsrn, o.customer_id, m.street_name, m.house_number, m.staircase,
        m.apartment, EXISTS (
            SELECT 1 FROM occupancy other JOIN customer c ON c.cis_id = other.customer_id
            WHERE other.gsrn = o.gsrn AND c.personal_safety_ban AND other.moved_in_on <= :on
              AND (other.moved_out_on IS NULL OR other.moved_out_on >= :on)) AS hidden
    FROM occupancy o LEFT JOIN metering_point m ON m.gsrn = o.gsrn
    WHERE o.customer_id = ANY(:customers) AND o.moved_in_on <= :on
      AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on)
      AND coalesce(m.status, '') NOT IN ('AE04', 'AE05')
    ORDER BY o.gsrn, o.customer_id
    """
)


def find_person(session: Session, number: str, on: date) -> Person:
    """Everybody whom the number stands for on that day, as one person."""
    rows = session.execute(_CONTACTS, {"number": number}).all()
    customer_ids = tuple(dict.fromkeys(row.customer_id for row in rows))
    nobody = ContactFacts(0, Channel.SMS, number, ContactState.VERIFIED, "SMS")
    contact = nobody
    # Whoever writes from a number can be reached there, whatever a provider said of it once.
    if rows and rows[0].state != ContactState.INVALID:
        first = rows[0]
        contact = ContactFacts(
            first.id, Channel.SMS, number, ContactState(first.state), first.source
        )
    return Person(
        contact=contact,
        customer_ids=customer_ids,
        own_customer_ids=tuple(
            dict.fromkeys(
                row.customer_id for row in rows if not row.third_party and row.only_gsrns is None
            )
        ),
        language=Language(rows[0].language) if rows else None,
        sites=tuple(
            site
            for site in sites_of(session, customer_ids, on)
            if any(
                row.customer_id == site.customer_id
                and (row.only_gsrns is None or site.gsrn in row.only_gsrns)
                for row in rows
            )
        ),
    )


def sites_of(session: Session, customer_ids: tuple[str, ...], on: date) -> tuple[Site, ...]:
    """The metering points of these customers, in the order in which questions number them."""
    if not customer_ids:
        return ()
    rows = session.execute(_SITES, {"customers": list(customer_ids), "on": on})
    sites = (
        Site(
            row.gsrn,
            row.customer_id,
            None
            if row.hidden
            else short_address(row.street_name, row.house_number, row.staircase, row.apartment),
        )
        for row in rows
    )
    return tuple(sorted(sites, key=lambda site: (site.address or "", site.gsrn)))


_OTHERS = text(
    """
    SELECT DISTINCT k.kind, k.value FROM contact k
    WHERE k.customer_id = ANY(:customers) AND k.value <> :number
      AND (k.state = 'VERIFIED' OR k.state = 'UNVERIFIED' AND k.source = 'CIS' AND k.doubt IS NULL)
      AND (EXISTS (SELECT 1 FROM preference p WHERE p.contact_id = k.id AND p.enabled)
        OR k.enrolled AND EXISTS (
            SELECT 1 FROM unnest(CAST(:topics AS text[])) AS t (topic) WHERE NOT EXISTS (
                SELECT 1 FROM preference p
                WHERE p.contact_id = k.id AND p.topic = t.topic AND p.gsrn IS NULL)))
    ORDER BY k.kind DESC, k.value
    """
)


def other_contacts(
    session: Session, customer_ids: tuple[str, ...], number: str
) -> list[tuple[str, str]]:
    """Other addresses of these customers that still get something, as (kind, value) (REQ-12)."""
    if not customer_ids:
        return []
    rows = session.execute(
        _OTHERS,
        {
            "customers": list(customer_ids),
            "number": number,
            "topics": list(CHOSEN_TOPICS),
        },
    )
    return [(row.kind, row.value) for row in rows]
