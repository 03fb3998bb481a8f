"""Partners' mappings: every version with its state, one version with its rules, fields nobody reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.roles import Permission
from app.domain.states import BundleState
from app.models.partner_bundle import PartnerBundle
from app.queries import bundle_list
from app.queries.bundle_list import BundleRow
from app.services import bundle_drift, bundle_limits, bundles_in_force, unreadable_bundles
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.labels import BUNDLE
from app.web.operators.blueprint import blueprint
from app.web.operators.moment_field import local_text
from integrations.partners.manifest import BundleUnreadable

_DOCUMENTS = frozenset({"order", "ack", "delivery"})
_STATES: frozenset[str | None] = frozenset(BundleState)


@blueprint.get("/bundles")
@role_required(Permission.OPERATE)
def bundles() -> ResponseReturnValue:
    """Every partner's documents and their versions."""
    session = db.session()
    partner = request.args.get("partner") or None
    state = request.args.get("state")
    if state not in _STATES:
        state = None
    found = [
        row
        for row in bundle_list.versions(session, now(), partner)
        if state is None or row.state == state
    ]
    by_partner: dict[str, list[BundleRow]] = {}
    for row in found:
        by_partner.setdefault(row.partner_code, []).append(row)
    return render_template(
        "operators/bundles.html",
        by_partner=by_partner,
        partners=bundle_list.partner_names(session),
        unmapped_count=bundle_list.count_unmapped(session),
        states={one: BUNDLE[one] for one in BundleState},
        partner=partner,
        state=state,
        shown_state=shown_state,
        unreadable={one.id: one.why for one in unreadable_bundles.find(session, now())},
    )


@blueprint.get("/bundles/<int:number>")
@role_required(Permission.OPERATE)
def bundle(number: int) -> ResponseReturnValue:
    """One version: who made it what it is, its rules, where it differs on live traffic."""
    session = db.session()
    row, stored = get_version(session, number)
    others = versions_of(session, row)
    in_force = next((one for one in others if one.in_force), None)
    before = None
    if in_force is not None and in_force.id != row.id:
        before = bundle_list.find(session, in_force.id, now())
    why = _why_unreadable(stored)
    content = stored.content
    rules = [] if why else content["mapping"]["rules"]
    old_rules = rules
    if before is not None and not why and not _why_unreadable(before[1]):
        old_rules = before[1].content["mapping"]["rules"]
    return render_template(
        "operators/bundle.html",
        row=row,
        state=shown_state(row),
        content=content,
        why=why,
        rules=[(rule, rule not in old_rules) for rule in rules],
        gone_rules=[rule for rule in old_rules if rule not in rules],
        in_force=in_force,
        differences=bundle_list.differences(session, number),
        offer=bundle_limits.find_offer(session, stored) if row.in_force and not why else None,
        partners=bundle_list.partner_names(session),
        me=actor(),
        moment_now=local_text(now()),
    )


@blueprint.get("/bundles/unmapped")
@role_required(Permission.OPERATE)
def bundle_unmapped() -> ResponseReturnValue:
    """Fields that partners send and that no rule reads, those that nobody has looked at first."""
    session = db.session()
    benches = {
        (row.partner_code, row.document): row.id
        for row in bundle_list.versions(session, now())
        if row.in_force and row.direction == "in"
    }
    return render_template(
        "operators/bundle_unmapped.html",
        fields=bundle_list.unmapped(session),
        partners=bundle_list.partner_names(session),
        benches=benches,
    )


@blueprint.post("/bundles/unmapped/accept")
@role_required(Permission.OPERATE)
def bundle_accept() -> ResponseReturnValue:
    """Say that a field is known and not needed, which ends its alarm."""
    partner, document, path = (
        request.form.get(name, "") for name in ("partner", "document", "path")
    )
    if document not in _DOCUMENTS:
        abort(404)
    moment = now()
    with transaction() as session:
        found = bundle_drift.accept(session, partner, document, path, by=actor(), now=moment)
        bundle_drift.watch(session, moment)
    if not found:
        abort(404)
    flash(gettext("%(path)s is known and not needed.", path=path), "ok")
    return redirect(url_for(".bundle_unmapped"))


def get_version(session: Session, number: int) -> tuple[BundleRow, PartnerBundle]:
    """A version, or 404."""
    found = bundle_list.find(session, number, now())
    if found is None:
        abort(404)
    return found


def _why_unreadable(stored: PartnerBundle) -> str | None:
    """Why this program cannot run a version, if it cannot: a newer release has written it."""
    try:
        bundles_in_force.run_content(stored.content)
    except BundleUnreadable as error:
        return str(error)
    return None


def versions_of(session: Session, row: BundleRow) -> Sequence[BundleRow]:
    """All versions of the same document of the same partner, the newest first."""
    return [
        one
        for one in bundle_list.versions(session, now(), row.partner_code)
        if (one.document, one.direction) == (row.document, row.direction)
    ]


def shown_state(row: BundleRow) -> str:
    """The state as people should read it: what is active and has not begun is still to come."""
    if row.state == BundleState.ACTIVE and not row.in_force:
        return "COMING" if row.valid_from is not None and row.valid_from > now() else "RETIRED"
    return row.state


def see_version(number: int) -> Any:
    """Back to a version."""
    return redirect(url_for(".bundle", number=number))
