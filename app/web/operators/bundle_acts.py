"""What may be done with a version of a partner's mapping: as the commands do it, by the same services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import abort, flash, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.mapping.vocabulary import MappingInvalid
from app.domain.roles import Permission
from app.models.partner_bundle import PartnerBundle
from app.services import bundle_activation, bundle_limits, bundle_versions
from app.services.bundle_versions import BundleRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.operators.bundles import get_version, see_version
from app.web.operators.moment_field import read_moment
from integrations.partners.manifest import BundleUnreadable

_Act = Callable[[Session, PartnerBundle], object]


@blueprint.post("/bundles/<int:number>/<act>")
@role_required(Permission.OPERATE)
def bundle_act(number: int, act: str) -> ResponseReturnValue:
    """Run beside, stop that, propose, activate or take back a version, or give the lane its limits."""
    who, moment = actor(), now()
    valid_from: datetime | None = None
    typed = request.form.get("from", "").strip()
    if act == "propose" and typed:
        valid_from = read_moment(typed, moment)
        if valid_from is None:
            get_version(db.session(), number)
            flash(gettext("There is no such moment: %(typed)s", typed=typed[:40]), "fail")
            return see_version(number)
    acts: dict[str, tuple[str, _Act]] = {
        "shadow": (
            gettext("It runs beside the version in force from now on. Nothing of it is sent."),
            lambda s, row: bundle_versions.start_shadow(s, row, by=who, now=moment),
        ),
        "stop-shadow": (
            gettext("It runs no more. What it differed in stays here."),
            lambda s, row: bundle_versions.stop_shadow(s, row, by=who, now=moment),
        ),
        "propose": (
            gettext("Proposed. A second person has to activate it."),
            lambda s, row: bundle_versions.propose(
                s, row, by=who, now=moment, valid_from=valid_from
            ),
        ),
        "activate": (
            gettext("Activated. What waits in the outbox already keeps its form."),
            lambda s, row: bundle_activation.activate(s, row, by=who, now=moment),
        ),
        "limits": (
            gettext("The lane has the limits of this version now."),
            lambda s, row: bundle_limits.take(s, row, by=who, now=moment),
        ),
        "roll-back": (
            gettext("It is in force again. What waits in the outbox already keeps its form."),
            lambda s, row: bundle_activation.roll_back(s, row, by=who, now=moment),
        ),
    }
    if act not in acts:
        abort(404)
    get_version(db.session(), number)
    done, change = acts[act]
    try:
        with transaction() as session:
            row = bundle_versions.get(session, number)
            if row is None:
                abort(404)
            change(session, row)
    except BundleRefused as refused:
        flash(refusal(refused.code), "fail")
    except (MappingInvalid, BundleUnreadable) as error:
        flash(gettext("This program cannot run it: %(why)s", why=str(error)[:300]), "fail")
    else:
        flash(done, "ok")
    return see_version(number)


def refusal(code: str) -> str:
    """Why an act is not allowed, in words."""
    words = {
        "WRONG_STATE": gettext("Somebody else was quicker. This is how it is now."),
        "SHADOW_TAKEN": gettext("Another version runs beside this document. Stop that one first."),
        "NOTHING_ACTIVE": gettext("Nothing is in force that it could be compared with."),
        "NOT_PROPOSED": gettext("Nobody has proposed it yet."),
        "SAME_PERSON": gettext("Somebody who has not worked on it has to activate it."),
        "PARTNER_UNKNOWN": gettext("Choose a partner."),
        "TRANSPORT_DIFFERS": gettext(
            "The way in the manifest, REST or SFTP, is not the partner's."
        ),
        "VERSION_TAKEN": gettext("This version is there already with another content."),
        "FOLDER_TAKEN": gettext("Another document of this partner comes in the same folders."),
    }
    return words.get(code, code)
