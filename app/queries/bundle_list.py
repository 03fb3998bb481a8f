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
    added_at: datetime
    proposed_by: str | None
    proposed_at: datetime | None
    proposed_from: datetime | None
    activated_by: str | None
    activated_at: datetime | None
    retired_at: datetime | None
    shadow_at: datetime | None
    shadow_count: int
    shadow_differing: int

    @property
    def document_key(self) -> str:
        """The document and its direction, as one word."""
        return f"{self.document}-{self.direction}"


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
    in_force = _in_force(session, now)
    return [_row(one, in_force) for one in session.execute(statement).scalars()]


def find(session: Session, number: int, now: datetime) -> tuple[BundleRow, PartnerBundle] | None:
    """One version, read afresh."""
    found = session.get(PartnerBundle, number, populate_existing=True)
    return None if found is None else (_row(found, _in_force(session, now)), found)


def find_in_force(
    session: Session, partner_code: str, document: str, direction: str, now: datetime
) -> int | None:
    """The number of the version that counts for a document of a partner."""
    statement = select(PartnerBundle.id).where(
        PartnerBundle.id.in_(_in_force(session, now)),
        PartnerBundle.partner_code == partner_code,
        PartnerBundle.document == document,
        PartnerBundle.direction == direction,
    )
    return session.execute(statement).scalar_one_or_none()


def count_waiting(session: Session) -> int:
    """Versions that somebody has proposed and that wait for a second person."""
    statement = text(
        "SELECT count(*) FROM partner_bundle"
        " WHERE proposed_by IS NOT NULL AND state IN ('DRAFT', 'SHADOW')"
    )
    return int(session.execute(statement).scalar_one())


def count_unmapped(session: Session) -> int:
    """Fields that came and that nobody has looked at."""
    statement = text("SELECT count(*) FROM unmapped_field WHERE accepted_at IS NULL")
    return int(session.execute(statement).scalar_one())


def partner_names(session: Session) -> dict[str, str]:
    """Code to name of the partners that have versions or were seen to send fields."""
    rows = session.execute(
        text(
            "SELECT code, name FROM partner p WHERE EXISTS"
            " (SELECT 1 FROM partner_bundle b WHERE b.partner_code = p.code) OR EXISTS"
            " (SELECT 1 FROM unmapped_field u WHERE u.partner_code = p.code) ORDER BY name"
        )
    )
    return {row.code: row.name for row in rows}


def _in_force(session: Session, now: datetime) -> set[int]:
    return set(session.execute(_IN_FORCE, {"now": now}).scalars())


def _row(row: PartnerBundle, in_force: set[int]) -> BundleRow:
    asked = row.proposed_by is not None and row.state in (BundleState.DRAFT, BundleState.SHADOW)
    return BundleRow(
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
        row.added_at,
        row.proposed_by if asked else None,
        row.proposed_at if asked else None,
        row.proposed_from if asked else None,
        row.activated_by,
        row.activated_at,
        row.retired_at,
        row.shadow_at,
        row.shadow_count,
        row.shadow_differing,
    )


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
