"""A new version of a partner's mapping from a file: kept as a draft, or told what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.models.partner_bundle import PartnerBundle
from app.queries import bundle_list
from app.services import bundle_upload
from app.services.bundle_check import CheckFault
from app.services.bundle_upload import UPLOAD_MOST_BYTES, Uploaded, UploadRefused
from app.services.bundle_versions import BundleRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.operators.bundle_acts import refusal
from app.web.operators.bundles import get_version

_NOTE_CHARS = 200


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody brings: for whom, what is new in it, and after which version."""

    partner: str
    note: str
    base: int


@blueprint.route("/bundles/add", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def bundle_add() -> ResponseReturnValue:
    """Add drafts from a file; from: the number of the version that a single mapping follows."""
    asked = _asked()
    base = get_version(db.session(), asked.base)[0] if asked.base else None
    if base is not None:
        asked = _Asked(base.partner_code, asked.note, base.id)
    if request.method == "GET":
        return _page(asked)
    body = _read_upload()
    if not body:
        return _page(asked, trouble=gettext("Choose a file."))
    if len(body) > UPLOAD_MOST_BYTES:
        return _page(asked, trouble=gettext("The file is too large: 960 KiB are taken."))
    try:
        with transaction() as session:
            uploaded = bundle_upload.add_upload(
                session,
                asked.partner,
                body,
                by=actor(),
                now=now(),
                note=asked.note or None,
                base=session.get_one(PartnerBundle, asked.base) if asked.base else None,
            )
    except UploadRefused as refused:
        return _page(asked, faults=refused.faults)
    except BundleRefused as refused:
        return _page(asked, trouble=refusal(refused.code))
    return _added(asked, uploaded)


def _read_upload() -> bytes:
    """The file, or a little more than is taken; a large one lies on the disk until it is closed."""
    upload = request.files.get("file")
    if upload is None:
        return b""
    with upload.stream as stream:
        return stream.read(UPLOAD_MOST_BYTES + 1)


def _asked() -> _Asked:
    given = request.form if request.method == "POST" else request.args
    number = given.get("from", "0")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        abort(404)
    note = " ".join(given.get("note", "").split())[:_NOTE_CHARS]
    return _Asked(given.get("partner", ""), note, int(number))


def _page(asked: _Asked, trouble: str = "", faults: Sequence[CheckFault] = ()) -> tuple[str, int]:
    session = db.session()
    base = get_version(session, asked.base)[0] if asked.base else None
    page = render_template(
        "operators/bundle_add.html",
        asked=asked,
        base=base,
        trouble=trouble,
        faults=faults,
        partners=bundle_list.partner_names(session),
        note_chars=_NOTE_CHARS,
    )
    return page, 422 if trouble or faults else 200


def _added(asked: _Asked, uploaded: Uploaded) -> ResponseReturnValue:
    """Where to go on; versions that were there already are named, since nobody asked for them anew."""
    if uploaded.differing:
        told = ", ".join(uploaded.differing)
        flash(
            gettext(
                "There already with another content, so nothing of it was kept: %(versions)s."
                " What is new needs a new version number.",
                versions=told,
            ),
            "fail",
        )
    count = len(uploaded.drafts)
    if not count:
        if not uploaded.differing:
            flash(gettext("Everything in it is here already."), "ok")
        return redirect(url_for(".bundles", partner=asked.partner))
    if count == 1:
        flash(gettext("It is a draft. Try it on the bench before you ask a second person."), "ok")
        return redirect(url_for(".bundle", number=uploaded.drafts[0]))
    flash(gettext("%(count)s drafts were added.", count=count), "ok")
    return redirect(url_for(".bundles", partner=asked.partner))
