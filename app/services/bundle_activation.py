"""Bringing versions of partners' bundles into force, and taking one back.

A version comes into force only after a second person has looked at it, and never changes what is in
the outbox already. Taking an older one back needs no second person: one has let it pass before.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.domain.states import BUNDLE_MOVES, BundleState, check_move
from app.models.partner_bundle import PartnerBundle
from app.services import bundle_limits, bundle_versions, bundles_in_force, rerouting
from app.services.bundle_content import Content, compile_bundle, from_row
from app.services.bundle_versions import BundleRefused


def activate(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Bring a proposed version into force.

    What is queued already keeps its bytes; the first form of orders sets the lane's bounds.
    Raises: BundleRefused.
    """
    bundle_versions.lock(session, row.partner_code)
    if row.proposed_by is None:
        raise BundleRefused("NOT_PROPOSED")
    if row.proposed_by == by or (row.added_by == by and by.startswith("staff:")):
        raise BundleRefused("SAME_PERSON")
    compile_bundle(from_row(row.content))
    _put_in_force(session, row, max(now, row.proposed_from or now), by, now)
    bundle_versions.record(session, by, "BUNDLE_ACTIVATED", row, now)


def roll_back(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Bring a version back that was in force before, or keep the one in force from being followed.

    Raises: BundleRefused, BundleUnreadable (this program cannot run it).
    """
    bundle_versions.lock(session, row.partner_code)
    if row.state == BundleState.ACTIVE and _call_off_coming(session, row, now):
        bundle_versions.record(session, by, "BUNDLE_ROLLED_BACK", row, now)
        return
    if row.state != BundleState.RETIRED or row.activated_at is None:
        raise BundleRefused("WRONG_STATE")
    bundles_in_force.run_content(row.content)
    _put_in_force(session, row, now, by, now)
    bundle_versions.record(session, by, "BUNDLE_ROLLED_BACK", row, now)


def install(
    session: Session,
    partner_code: str,
    content: Content,
    now: datetime,
    *,
    by: str = bundle_versions.SETUP,
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
    row = bundle_versions.add(session, partner_code, content, by=by, now=now)
    _put_in_force(session, row, now, by, now)
    bundle_versions.record(session, by, "BUNDLE_ACTIVATED", row, now)
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
        # Orders without a route may have one now that the partner takes another form.
        rerouting.ask_again(session)
    return retired


def _put_in_force(
    session: Session, row: PartnerBundle, valid_from: datetime, by: str, now: datetime
) -> None:
    bundle_versions.check_folders(session, row.partner_code, from_row(row.content))
    bundle_versions.move(row, BundleState.ACTIVE)
    row.valid_from, row.activated_by, row.activated_at = valid_from, by, now
    row.retired_at = None
    session.flush()
    if by != bundle_versions.SETUP:
        # What the product begins with has the bounds of the settings.
        bundle_limits.begin(session, row, by=by, now=now)
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
        # Orders without a route may have one now that the partner takes another form.
        rerouting.ask_again(session)


def _call_off_coming(session: Session, row: PartnerBundle, now: datetime) -> bool:
    """Retire what was to follow a version that has begun; False when nothing was."""
    if row.valid_from is None or row.valid_from > now:
        return False
    check_move(BUNDLE_MOVES, BundleState.ACTIVE, BundleState.RETIRED)
    called_off = session.execute(
        update(PartnerBundle)
        .where(
            PartnerBundle.partner_code == row.partner_code,
            PartnerBundle.document == row.document,
            PartnerBundle.direction == row.direction,
            PartnerBundle.state == BundleState.ACTIVE,
            PartnerBundle.valid_from > now,
        )
        # It was never in force.
        .values(state=BundleState.RETIRED, retired_at=now, valid_from=None)
        .returning(PartnerBundle.id)
    ).all()
    return bool(called_off)
