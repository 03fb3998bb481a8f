"""Versions of partners' bundles, what shadows do differently, and fields that nobody reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.states import BundleState
from app.models.partner_bundle import BundleDifference, PartnerBundle, UnmappedField


@dataclass(frozen=True, slots=True)
class BundleRow:
    """One version; in_force: it is what counts now for its document."""

    id: int
    partner_code: str
    document: str
    direction: str
    version: int
    kind: str
    state: str
    in_force: bool
    valid_from: datetime | None
    digest: str
    note: str | None
    added_by: str
    proposed_by: str | None
    activated_by: str | None
    shadow_count: int
    shadow_differing: int


def versions(session: Session, now: datetime, partner_code: str | None = None) -> list[BundleRow]:
    """All versions, partner by partner, the newest of a document first."""
    statement = select(PartnerBundle).order_by(
        PartnerBundle.partner_code,
        PartnerBundle.document,
        PartnerBundle.direction,
        PartnerBundle.version.desc(),
    )
    if partner_code is not None:
        statement = statement.where(PartnerBundle.partner_code == partner_code)
    in_force = set(session.execute(_IN_FORCE, {"now": now}).scalars())
    return [
        BundleRow(
            row.id,
            row.partner_code,
            row.document,
            row.direction,
            row.version,
            row.kind,
            row.state,
            row.id in in_force,
            row.valid_from,
            row.digest,
            row.note,
            row.added_by,
            row.proposed_by if row.state in (BundleState.DRAFT, BundleState.SHADOW) else None,
            row.activated_by,
            row.shadow_count,
            row.shadow_differing,
        )
        for row in session.execute(statement).scalars()
    ]


_IN_FORCE = text(
    """
    SELECT DISTINCT ON (partner_code, document, direction) id FROM partner_bundle
    WHERE state = 'ACTIVE' AND valid_from <= :now
    ORDER BY partner_code, document, direction, valid_from DESC, activated_at DESC, id DESC
    """
)


def differences(session: Session, bundle_id: int) -> list[BundleDifference]:
    """Where a shadow differs, the most frequent first."""
    return list(
        session.execute(
            select(BundleDifference)
            .where(BundleDifference.partner_bundle_id == bundle_id)
            .order_by(BundleDifference.count.desc(), BundleDifference.path)
        ).scalars()
    )


def unmapped(session: Session, partner_code: str | None = None) -> list[UnmappedField]:
    """Fields that came and that no rule reads, those that nobody has looked at first."""
    statement = select(UnmappedField).order_by(
        UnmappedField.accepted_at.is_not(None),
        UnmappedField.partner_code,
        UnmappedField.document,
        UnmappedField.count.desc(),
        UnmappedField.path,
    )
    if partner_code is not None:
        statement = statement.where(UnmappedField.partner_code == partner_code)
    return list(session.execute(statement).scalars())
