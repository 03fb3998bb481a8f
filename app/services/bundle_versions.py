"""Versions of partners' bundles: the only writer of their states, with the trail of who did what.

A version comes into force only after a second person has looked at it, and never changes what is in
the outbox already. Taking an older one back needs no second person: one has let it pass before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from app.domain.mapping.canonical import Direction, Document
from app.domain.states import BUNDLE_MOVES, BundleState, check_move
from app.models.partner import Partner
from app.models.partner_bundle import BundleDifference, PartnerBundle
from app.services import audit
from app.services.bundle_content import (
    CompiledBundle,
    Content,
    compile_bundle,
    digest_of,
    from_row,
    shipped_content,
    to_row,
)

_REST = "REST"
_SETUP = "system:setup"
# A partner over REST that nobody has given a bundle speaks our own form.
_OUR_OWN = "mass_installer"


class BundleRefused(Exception):
    """An act that the state of things does not allow; code says why.

    PARTNER_UNKNOWN, TRANSPORT_DIFFERS, VERSION_TAKEN, WRONG_STATE, SHADOW_TAKEN, NOTHING_ACTIVE,
    NOT_PROPOSED, SAME_PERSON.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class InForce:
    """The version of a document that counts now, and the one that runs beside it."""

    active: CompiledBundle
    shadow: CompiledBundle | None = None
    shadow_id: int = 0


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
    partner = session.get(Partner, partner_code)
    if partner is None:
        raise BundleRefused("PARTNER_UNKNOWN")
    if partner.transport not in ("FEED", _transport(content)):
        raise BundleRefused("TRANSPORT_DIFFERS")
    _lock(session, partner_code)
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
    _record(session, by, "BUNDLE_ADDED", row, now)
    return row


def start_shadow(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Run a version beside the one in force and count where they differ; nothing of it leaves.

    Raises: BundleRefused.
    """
    _lock(session, row.partner_code)
    if find_in_force(session, row.partner_code, row.document, row.direction, now) is None:
        raise BundleRefused("NOTHING_ACTIVE")
    if _shadow_of(session, row) is not None:
        raise BundleRefused("SHADOW_TAKEN")
    _move(row, BundleState.SHADOW)
    session.execute(delete(BundleDifference).where(BundleDifference.partner_bundle_id == row.id))
    row.shadow_at, row.shadow_count, row.shadow_differing = now, 0, 0
    _record(session, by, "BUNDLE_SHADOWED", row, now)


def stop_shadow(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Take a version out of the traffic; what it differed in stays to be read."""
    _lock(session, row.partner_code)
    _move(row, BundleState.DRAFT)
    _record(session, by, "BUNDLE_SHADOW_ENDED", row, now)


def propose(
    session: Session, row: PartnerBundle, *, by: str, now: datetime, valid_from: datetime | None
) -> None:
    """Ask a second person to bring a version into force, now or from a moment on."""
    _lock(session, row.partner_code)
    if row.state not in (BundleState.DRAFT, BundleState.SHADOW):
        raise BundleRefused("WRONG_STATE")
    row.proposed_by, row.proposed_at, row.proposed_from = by, now, valid_from
    _record(session, by, "BUNDLE_PROPOSED", row, now)


def activate(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Bring a proposed version into force.

    What is queued already keeps its bytes. Raises: BundleRefused.
    """
    _lock(session, row.partner_code)
    if row.proposed_by is None:
        raise BundleRefused("NOT_PROPOSED")
    if row.proposed_by == by or (row.added_by == by and by.startswith("staff:")):
        raise BundleRefused("SAME_PERSON")
    compile_bundle(from_row(row.content))
    _put_in_force(session, row, max(now, row.proposed_from or now), by, now)
    _record(session, by, "BUNDLE_ACTIVATED", row, now)


def roll_back(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Bring a version back that was in force before. Raises: BundleRefused."""
    _lock(session, row.partner_code)
    if row.state != BundleState.RETIRED or row.activated_at is None:
        raise BundleRefused("WRONG_STATE")
    _put_in_force(session, row, now, by, now)
    _record(session, by, "BUNDLE_ROLLED_BACK", row, now)


def install(
    session: Session, partner_code: str, content: Content, now: datetime, *, by: str = _SETUP
) -> bool:
    """What a partner begins with: in force at once, if nobody has chosen anything yet.

    False when versions of another kind are there already, and nothing was changed.
    """
    chosen = session.execute(
        select(PartnerBundle.kind).where(
            PartnerBundle.partner_code == partner_code,
            PartnerBundle.document == content.document,
            PartnerBundle.direction == content.direction,
        )
    ).scalars()
    kinds = set(chosen)
    if kinds:
        return content.kind in kinds
    row = add(session, partner_code, content, by=by, now=now)
    _put_in_force(session, row, now, by, now)
    _record(session, by, "BUNDLE_ACTIVATED", row, now)
    return True


def retire_overtaken(session: Session, now: datetime) -> int:
    """Retire what a later version has taken the place of, whose time has come; returns how many."""
    overtaken = text(
        """
        UPDATE partner_bundle old SET state = 'RETIRED', retired_at = :now
        WHERE old.state = 'ACTIVE' AND EXISTS (
            SELECT 1 FROM partner_bundle later
            WHERE later.partner_code = old.partner_code AND later.document = old.document
              AND later.direction = old.direction AND later.state = 'ACTIVE'
              AND later.valid_from <= :now
              AND (later.valid_from, later.activated_at, later.id)
                > (old.valid_from, old.activated_at, old.id))
        RETURNING old.id
        """
    )
    retired = len(session.execute(overtaken, {"now": now}).all())
    if retired:
        _look_again(session)
    return retired


def get(session: Session, number: int) -> PartnerBundle | None:
    """One version, locked."""
    return session.get(PartnerBundle, number, with_for_update=True, populate_existing=True)


_IN_FORCE = text(
    """
    SELECT DISTINCT ON (partner_code, direction, document, state) partner_code, id, state, content
    FROM partner_bundle
    WHERE document = :document AND direction = :direction
      AND (state = 'SHADOW' OR state = 'ACTIVE' AND valid_from <= :now)
      AND (CAST(:partner AS text) IS NULL OR partner_code = :partner)
    ORDER BY partner_code, direction, document, state, valid_from DESC, activated_at DESC, id DESC
    """
)


def load_in_force(
    session: Session, document: str, direction: str, now: datetime
) -> dict[str, InForce]:
    """What counts now for each partner, and what runs beside it; read once per file or batch.

    A partner over REST without any version takes orders and gives acknowledgements in our own form.
    """
    found = _read(session, document, direction, None, now)
    if (document, direction) in _OUR_OWN_DOCUMENTS:
        ours = compile_bundle(shipped_content(_OUR_OWN, document, direction))
        rest = session.execute(select(Partner.code).where(Partner.transport == _REST)).scalars()
        for code in rest:
            found.setdefault(code, InForce(ours))
    return found


def find_in_force(
    session: Session, partner_code: str, document: str, direction: str, now: datetime
) -> InForce | None:
    """What counts now for one partner."""
    found = _read(session, document, direction, partner_code, now)
    return found.get(partner_code)


_OUR_OWN_DOCUMENTS = (
    (Document.ORDER.value, Direction.OUT.value),
    (Document.ACK.value, Direction.IN.value),
)


def _read(
    session: Session, document: str, direction: str, partner_code: str | None, now: datetime
) -> dict[str, InForce]:
    values = {"document": document, "direction": direction, "partner": partner_code, "now": now}
    rows = session.execute(_IN_FORCE, values).all()
    active = {row.partner_code: row for row in rows if row.state == BundleState.ACTIVE}
    shadows = {row.partner_code: row for row in rows if row.state == BundleState.SHADOW}
    return {
        code: InForce(
            _compile(row.content),
            _compile(shadows[code].content) if code in shadows else None,
            shadows[code].id if code in shadows else 0,
        )
        for code, row in active.items()
    }


def _compile(content: Mapping[str, Any]) -> CompiledBundle:
    return compile_bundle(from_row(content))


def _shadow_of(session: Session, row: PartnerBundle) -> PartnerBundle | None:
    return session.execute(
        select(PartnerBundle).where(
            PartnerBundle.partner_code == row.partner_code,
            PartnerBundle.document == row.document,
            PartnerBundle.direction == row.direction,
            PartnerBundle.state == BundleState.SHADOW,
        )
    ).scalar_one_or_none()


def _put_in_force(
    session: Session, row: PartnerBundle, valid_from: datetime, by: str, now: datetime
) -> None:
    _move(row, BundleState.ACTIVE)
    row.valid_from, row.activated_by, row.activated_at = valid_from, by, now
    row.retired_at = None
    session.flush()
    if valid_from <= now:
        check_move(BUNDLE_MOVES, BundleState.ACTIVE, BundleState.RETIRED)
        session.execute(
            update(PartnerBundle)
            .where(
                PartnerBundle.partner_code == row.partner_code,
                PartnerBundle.document == row.document,
                PartnerBundle.direction == row.direction,
                PartnerBundle.state == BundleState.ACTIVE,
                PartnerBundle.valid_from <= now,
                PartnerBundle.id != row.id,
            )
            .values(state=BundleState.RETIRED, retired_at=now)
        )
        _look_again(session)


def _look_again(session: Session) -> None:
    """Orders without a route may have one now that a partner takes another form."""
    session.execute(text("UPDATE work_order SET route_set_number = 0 WHERE state = 'NO_ROUTE'"))


def _move(row: PartnerBundle, state: BundleState) -> None:
    """Raises: BundleRefused -> it is not in a state from which this leads on."""
    if not BUNDLE_MOVES.allow(row.state, state):
        raise BundleRefused("WRONG_STATE")
    check_move(BUNDLE_MOVES, row.state, state)
    row.state = state


def _transport(content: Content) -> str:
    return type(content.transport).__name__.upper()


def _lock(session: Session, partner_code: str) -> None:
    """One at a time changes what counts for a partner."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"bundle:{partner_code}"},
    )


def _record(session: Session, by: str, action: str, row: PartnerBundle, now: datetime) -> None:
    if by == _SETUP:
        # Nobody did anything: it is what the product begins with, and the row says so.
        return
    detail = {
        "bundle": f"{row.kind} {row.document} {row.direction} {row.version}",
        "digest": row.digest[:16],
        "valid_from": row.valid_from.isoformat() if row.valid_from else None,
    }
    audit.record(session, by, action, f"partner:{row.partner_code}", detail, now)
