"""Following an area: bulletins to whoever asked for them and proved the address, until they stop.

A code decides, not what we know: everybody gets the same answer, whether or not we know the address.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import ContactState
from app.models.area_subscription import AreaSubscription
from app.models.customer import Contact, Customer
from app.services import audit, contacts, opt_outs, verification
from app.services.contacts import Origin, ThirdParty
from app.services.verification import Address, Outcome
from app.settings import Settings

# Stands for all subscribers; never active, so that nobody logs in as it.
SUBSCRIBERS = "AREA-SUBSCRIBERS"
START, STOP = "AREA_START", "AREA_STOP"


def request_code(
    session: Session,
    address: Address,
    purpose: str,
    municipality_code: str,
    *,
    language: Language,
    allowed: bool,
    settings: Settings,
    now: datetime,
) -> str:
    """Send a code with which `finish` does what was asked for; returns the browser's token.

    allowed: what verification.may_send said; whoever asks too often gets the same answer and nothing
    is sent.
    """
    return verification.send_code(
        session,
        address,
        purpose=purpose,
        language=language,
        now=now,
        settings=settings,
        facts={"municipality": municipality_code, "language": language.value},
        known=allowed,
    )


def finish(
    session: Session,
    token: str,
    code: str,
    *,
    source_address: str,
    settings: Settings,
    now: datetime,
) -> tuple[Outcome, str]:
    """Try a code and do what it was asked for; must be committed whatever the outcome.

    Returns the outcome and, when it is OK, the purpose.
    """
    proof = verification.check_code(
        session,
        token,
        code,
        purposes=(START, STOP),
        source_address=source_address,
        settings=settings,
        now=now,
    )
    if proof.outcome is not Outcome.OK or proof.address is None or proof.facts is None:
        return proof.outcome, ""
    if proof.purpose == STOP:
        stop_address(session, proof.address.value, now, by="subscriber")
    else:
        language = Language(proof.facts["language"])
        _start(session, proof.address, proof.facts["municipality"], language, now)
    return Outcome.OK, proof.purpose


def stop_address(session: Session, value: str, now: datetime, *, by: str) -> int:
    """End everything that an address follows; returns how many areas that were."""
    stopped = session.scalars(
        update(AreaSubscription)
        .where(
            AreaSubscription.stopped_at.is_(None),
            AreaSubscription.contact_id.in_(
                select(Contact.id).where(Contact.value == value, Contact.customer_id == SUBSCRIBERS)
            ),
        )
        .values(stopped_at=now)
        .returning(AreaSubscription.id)
    ).all()
    for number in stopped:
        audit.record(session, by, "AREA_STOPPED", f"area-subscription:{number}", {}, now)
    return len(stopped)


def followed(session: Session, value: str) -> list[str]:
    """The municipalities that an address follows, also while it has left the messages by STOP."""
    found = session.scalars(
        select(AreaSubscription.municipality_code)
        .join(Contact, Contact.id == AreaSubscription.contact_id)
        .where(
            Contact.value == value,
            Contact.customer_id == SUBSCRIBERS,
            Contact.state == ContactState.VERIFIED,
            AreaSubscription.stopped_at.is_(None),
        )
        .order_by(AreaSubscription.municipality_code)
    )
    return list(found)


def offered(session: Session) -> list[str]:
    """The municipalities in which we have metering points."""
    return list(session.execute(_OFFERED).scalars())


def _start(
    session: Session, address: Address, municipality: str, language: Language, now: datetime
) -> None:
    origin = Origin("PORTAL", "subscriber", now)
    _keep_subscribers(session, now)
    contact = session.scalars(
        select(Contact)
        .where(
            Contact.customer_id == SUBSCRIBERS,
            Contact.kind == address.channel,
            Contact.value == address.value,
            Contact.state != ContactState.REMOVED,
        )
        .with_for_update()
    ).one_or_none()
    if contact is None:
        # Nobody's relative: the name says why the ground is consent.
        helper = ThirdParty("area subscriber")
        contact = contacts.add(session, SUBSCRIBERS, address, origin, third_party=helper)
    contact.language = language.value
    contacts.confirm(session, contact, origin)
    session.flush()
    # Whoever left with STOP and comes back wants it again.
    opt_outs.opt_in(session, contact.id, source="PORTAL", by="subscriber", now=now)
    number = session.execute(
        insert(AreaSubscription)
        .values(contact_id=contact.id, municipality_code=municipality, started_at=now)
        .on_conflict_do_update(
            index_elements=["contact_id", "municipality_code"],
            set_={"stopped_at": None, "started_at": now},
            where=AreaSubscription.stopped_at.is_not(None),
        )
        .returning(AreaSubscription.id)
    ).scalar_one_or_none()
    if number is not None:
        subject = f"area-subscription:{number}"
        detail = {"municipality": municipality}
        audit.record(session, "subscriber", "AREA_STARTED", subject, detail, now)


def _keep_subscribers(session: Session, now: datetime) -> None:
    """The customer that stands for all subscribers, made with the first of them."""
    session.execute(
        insert(Customer)
        .values(
            cis_id=SUBSCRIBERS,
            version=0,
            kind="consumer",
            name="Area subscribers",
            language=Language.FI,
            language_assumed=True,
            personal_safety_ban=False,
            priority_flag=False,
            preferred_channel="SMS",
            active=False,
            updated_at=now,
        )
        .on_conflict_do_nothing()
    )


# From one code to the next by the index, instead of through all points.
_OFFERED = text(
    """
    WITH RECURSIVE found AS (
        (SELECT municipality_code FROM metering_point WHERE municipality_code IS NOT NULL
         ORDER BY municipality_code LIMIT 1)
        UNION ALL
        SELECT (SELECT p.municipality_code FROM metering_point p
                WHERE p.municipality_code > found.municipality_code
                ORDER BY p.municipality_code LIMIT 1)
        FROM found WHERE found.municipality_code IS NOT NULL)
    SELECT municipality_code FROM found WHERE municipality_code <> ''
    """
)
