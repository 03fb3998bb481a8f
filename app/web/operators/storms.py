"""Storms: open one for some municipalities, say that damage is assessed, end it."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.queries import storm_list
from app.services import storms as storm_service
from app.services.storms import StormRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.operators.outages import area_name

_NAME_MOST = 60
_HOURS = (1, 2, 3, 6)


@blueprint.get("/storms")
@role_required(Permission.OPERATE)
def storms() -> ResponseReturnValue:
    """Storms under way and past, and the form that opens one."""
    return _page()


@blueprint.post("/storms")
@role_required(Permission.OPERATE)
def storm_open() -> ResponseReturnValue:
    """Begin a storm: single estimates are kept back and its areas get bulletins."""
    name = " ".join(request.form.get("name", "").split())[:_NAME_MOST]
    codes = request.form.getlist("municipality")
    hours = request.form.get("every_h", "1")
    known = storm_list.municipalities(db.session())
    if not name:
        return _page(gettext("Give the storm a name."), "name", codes)
    codes = [code for code in codes if code in known]
    every_s = 3600.0 * (int(hours) if hours in [str(one) for one in _HOURS] else 1)
    try:
        with transaction() as session:
            storm_service.open_storm(
                session, name, codes, now(), by=actor(), bulletin_every_s=every_s
            )
    except StormRefused as refused:
        return _page(_refusal(refused.code), "municipality-0", codes, name)
    flash(gettext("The storm is open. Its areas are being told."), "ok")
    return redirect(url_for(".storms"))


@blueprint.post("/storms/<int:storm_id>/assess")
@role_required(Permission.OPERATE)
def storm_assess(storm_id: int) -> ResponseReturnValue:
    """Damage is assessed: single estimates may be told."""
    return _move(
        storm_id, storm_service.assess, gettext("Damage is assessed. Estimates are being told.")
    )


@blueprint.post("/storms/<int:storm_id>/end")
@role_required(Permission.OPERATE)
def storm_end(storm_id: int) -> ResponseReturnValue:
    """The storm is over."""
    return _move(storm_id, storm_service.end, gettext("The storm is over."))


def _move(storm_id: int, move: Callable[..., None], done: str) -> ResponseReturnValue:
    try:
        with transaction() as session:
            move(session, storm_id, now(), by=actor())
    except StormRefused as refused:
        flash(_refusal(refused.code), "fail")
        return redirect(url_for(".storms"))
    flash(done, "ok")
    return redirect(url_for(".storms"))


def _refusal(code: str) -> str:
    words = {
        "NO_AREA": gettext("Choose at least one municipality."),
        "TAKEN": gettext("Another storm is under way in one of these municipalities."),
        "WRONG_STATE": gettext("Somebody else has done that already."),
    }
    return words.get(code, code)


def _page(
    error: str = "", field: str = "", chosen: list[str] | None = None, name: str = ""
) -> ResponseReturnValue:
    session = db.session()
    page = render_template(
        "operators/storms.html",
        storms=storm_list.storms(session),
        municipalities=sorted(
            storm_list.municipalities(session).items(), key=lambda item: area_name(item[0])
        ),
        area_name=area_name,
        hours=_HOURS,
        error=error,
        field=field,
        chosen=chosen or [],
        name=name,
        now=now(),
    )
    return page, 422 if error else 200
