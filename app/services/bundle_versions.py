"""Versions of partners' bundles until one comes into force: kept, run beside, proposed; with their trail.

Only this room and bundle_activation.py write their states.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, or_, select, text
from sqlalchemy.orm import Session

from app.domain.mapping.canonical import Direction
from app.domain.states import BUNDLE_MOVES, BundleState, check_move
from app.models.partner import Partner
from app.models.partner_bundle import BundleDifference, PartnerBundle
from app.services import audit, bundles_in_force
from app.services.bundle_content import (
    Content,
    compile_bundle,
    digest_of,
    from_row,
    to_row,
)
from integrations.partners.manifest import BundleUnreadable, Sftp

# Who brings what the product begins with.
SETUP = "system:setup"


class BundleRefused(Exception):
    """An act that the state of things does not allow; code says why.

    PARTNER_UNKNOWN, TRANSPORT_DIFFERS, FOLDER_TAKEN, VERSION_TAKEN, WRONG_STATE, SHADOW_TAKEN,
    NOTHING_ACTIVE, NOT_PROPOSED, SAME_PERSON.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def add(
    session: Session,
    partner_code: str,
    content: Content,
    *,
    by: str,
    now: datetime,
    note: str | None = None,
) -> PartnerBundle:
    """Keep a version as a draft; the same content again is the same version.

    Raises: MappingInvalid (with all faults), BundleRefused.
    """
    compile_bundle(content)
    check_partner(session, partner_code, content)
    lock(session, partner_code)
    check_folders(session, partner_code, content)
    known = session.execute(
        select(PartnerBundle).where(
            PartnerBundle.partner_code == partner_code,
            PartnerBundle.document == content.document,
            PartnerBundle.direction == content.direction,
            PartnerBundle.version == content.version,
        )
    ).scalar_one_or_none()
    digest = digest_of(content)
    if known is not None:
        if known.digest != digest:
            raise BundleRefused("VERSION_TAKEN")
        return known
    row = PartnerBundle(
        partner_code=partner_code,
        document=content.document,
        direction=content.direction,
        version=content.version,
        kind=content.kind,
        state=BundleState.DRAFT,
        content=to_row(content),
        digest=digest,
        note=note,
        added_by=by,
        added_at=now,
        shadow_count=0,
        shadow_differing=0,
    )
    session.add(row)
    session.flush()
    record(session, by, "BUNDLE_ADDED", row, now)
    return row


def start_shadow(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Run a version beside the one in force and count where they differ; nothing of it leaves.

    Raises: BundleRefused, BundleUnreadable (the one in force cannot be run by this program).
    """
    lock(session, row.partner_code)
    if bundles_in_force.find(session, row.partner_code, row.document, row.direction, now) is None:
        raise BundleRefused("NOTHING_ACTIVE")
    if _shadow_of(session, row) is not None:
        raise BundleRefused("SHADOW_TAKEN")
    if row.state == BundleState.RETIRED:
        # It was proposed for another time: to bring it back this way, two people agree anew.
        row.proposed_by = row.proposed_at = row.proposed_from = None
    move(row, BundleState.SHADOW)
    session.execute(delete(BundleDifference).where(BundleDifference.partner_bundle_id == row.id))
    row.shadow_at, row.shadow_count, row.shadow_differing = now, 0, 0
    record(session, by, "BUNDLE_SHADOWED", row, now)


def stop_shadow(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Take a version out of the traffic; what it differed in stays to be read."""
    lock(session, row.partner_code)
    move(row, BundleState.DRAFT)
    record(session, by, "BUNDLE_SHADOW_ENDED", row, now)


def propose(
    session: Session, row: PartnerBundle, *, by: str, now: datetime, valid_from: datetime | None
) -> None:
    """Ask a second person to bring a version into force, now or from a moment on."""
    lock(session, row.partner_code)
    if row.state not in (BundleState.DRAFT, BundleState.SHADOW):
        raise BundleRefused("WRONG_STATE")
    row.proposed_by, row.proposed_at, row.proposed_from = by, now, valid_from
    record(session, by, "BUNDLE_PROPOSED", row, now)


def get(session: Session, number: int) -> PartnerBundle | None:
    """One version, locked."""
    return session.get(PartnerBundle, number, with_for_update=True, populate_existing=True)


def check_partner(session: Session, partner_code: str, content: Content) -> None:
    """Whether there is such a partner, and it is reached the way that the manifest says.

    Raises: BundleRefused.
    """
    partner = session.get(Partner, partner_code)
    if partner is None:
        raise BundleRefused("PARTNER_UNKNOWN")
    if partner.transport not in ("FEED", _transport(content)):
        raise BundleRefused("TRANSPORT_DIFFERS")


def check_folders(session: Session, partner_code: str, content: Content) -> None:
    """What lies in a folder that we empty is of one document, or nobody could tell what it is.

    Raises: BundleRefused.
    """
    if not isinstance(content.transport, Sftp):
        return
    others = session.execute(
        select(PartnerBundle.content).where(
            PartnerBundle.partner_code == partner_code,
            PartnerBundle.state == BundleState.ACTIVE,
            or_(
                PartnerBundle.document != content.document,
                PartnerBundle.direction != content.direction,
            ),
        )
    ).scalars()
    emptied, used = _folders(content)
    for other in others:
        try:
            theirs_emptied, theirs_used = _folders(from_row(other))
        except BundleUnreadable:
            # Nothing is read by it, and it must not keep what can be run from its place.
            continue
        if not emptied.isdisjoint(theirs_used) or not theirs_emptied.isdisjoint(used):
            raise BundleRefused("FOLDER_TAKEN")


def move(row: PartnerBundle, state: BundleState) -> None:
    """Raises: BundleRefused -> it is not in a state from which this leads on."""
    if not BUNDLE_MOVES.allow(row.state, state):
        raise BundleRefused("WRONG_STATE")
    check_move(BUNDLE_MOVES, row.state, state)
    row.state = state


def lock(session: Session, partner_code: str) -> None:
    """One at a time changes what counts for a partner."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"bundle:{partner_code}"},
    )


def record(session: Session, by: str, action: str, row: PartnerBundle, now: datetime) -> None:
    """Leave the trail of an act."""
    if by == SETUP:
        # Nobody did anything: it is what the product begins with, and the row says so.
        return
    detail = {
        "bundle": f"{row.kind} {row.document} {row.direction} {row.version}",
        "digest": row.digest[:16],
        "valid_from": row.valid_from.isoformat() if row.valid_from else None,
    }
    audit.record(session, by, action, f"partner:{row.partner_code}", detail, now)


def _shadow_of(session: Session, row: PartnerBundle) -> PartnerBundle | None:
    return session.execute(
        select(PartnerBundle).where(
            PartnerBundle.partner_code == row.partner_code,
            PartnerBundle.document == row.document,
            PartnerBundle.direction == row.direction,
            PartnerBundle.state == BundleState.SHADOW,
        )
    ).scalar_one_or_none()


def _folders(content: Content) -> tuple[frozenset[str], frozenset[str]]:
    """The folders that we empty for a document, and all that it makes use of."""
    place = content.transport
    if not isinstance(place, Sftp):
        return frozenset(), frozenset()
    if content.direction == Direction.OUT:
        return frozenset(), frozenset((place.orders, place.rejects))
    emptied = frozenset((place.inbox, place.processing))
    return emptied, emptied | {place.archive, place.quarantine, place.rejects}


def _transport(content: Content) -> str:
    return type(content.transport).__name__.upper()
