"""Following an area from the public site: address, code, done; stopping works the same way.

Every address gets the same answer, whether we know it or not, and whether or not it asks too often.
"""

from __future__ import annotations

from typing import Any

from flask import (
    Blueprint,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length, Regexp

from app.db import db, transaction
from app.domain.languages import Language
from app.domain.municipalities import municipality_names
from app.domain.notice_types import NoticeType
from app.domain.sender_profiles import sender_for
from app.services import area_subscriptions, verification
from app.services.customer_sessions import read_address
from app.services.verification import Outcome
from app.settings import Settings
from app.web.clock import now
from app.web.i18n import current_language

blueprint = Blueprint("subscribe", __name__, url_prefix="/status/subscribe")

_TOKEN = "area_token"  # noqa: S105 - the name of a place, not a secret.
_PURPOSES = {"start": area_subscriptions.START, "stop": area_subscriptions.STOP}


class AskForm(FlaskForm):
    """Who wants what."""

    address = StringField(
        _l("Mobile number or e-mail address"),
        [InputRequired(_l("Enter a mobile number or an e-mail address")), Length(max=320)],
    )
    municipality = SelectField(_l("Municipality"))
    wish = RadioField(
        _l("What do you want?"),
        choices=[
            SelectChoice("start", _l("Get messages")),
            SelectChoice("stop", _l("Stop all messages about areas")),
        ],
        default="start",
    )


class CodeForm(FlaskForm):
    """The code that came."""

    code = StringField(
        _l("Code"),
        [
            InputRequired(_l("Enter the code of 6 digits")),
            Regexp(r"^\s*(\d\s*){6}$", message=_l("The code has 6 digits")),
        ],
    )


@blueprint.get("")
def ask() -> ResponseReturnValue:
    """The form."""
    form = _ask_form()
    wished = request.args.get("municipality")
    if wished in [choice.value for choice in form.municipality.choices or []]:
        form.municipality.data = wished
    return render_template("public/subscribe.html", form=form)


@blueprint.post("")
def send() -> ResponseReturnValue:
    """Send a code, or seem to."""
    form = _ask_form()
    valid = form.validate_on_submit()
    address = read_address(form.address.data or "") if valid else None
    if valid and address is None:
        form.address.errors = [gettext("This is not a number or an address that we can use")]
    if address is None:
        return render_template("public/subscribe.html", form=form), 422
    settings, moment = _settings(), now()
    with transaction() as db_session:
        allowed = verification.may_send(db_session, address, _source(), settings, moment)
    with transaction() as db_session:
        token = area_subscriptions.request_code(
            db_session,
            address,
            _PURPOSES[form.wish.data],
            form.municipality.data,
            language=Language(current_language()),
            allowed=allowed,
            settings=settings,
            now=moment,
        )
    session[_TOKEN] = token
    return redirect(url_for(".code"))


@blueprint.get("/code")
def code() -> ResponseReturnValue:
    """Where the code goes."""
    if _TOKEN not in session:
        return redirect(url_for(".ask"))
    return render_template("public/subscribe_code.html", form=CodeForm())


@blueprint.post("/code")
def check() -> ResponseReturnValue:
    """Try the code."""
    token = session.get(_TOKEN)
    if token is None:
        return redirect(url_for(".ask"))
    form = CodeForm()
    if not form.validate_on_submit():
        return render_template("public/subscribe_code.html", form=form), 422
    with transaction() as db_session:
        outcome, purpose = area_subscriptions.finish(
            db_session,
            token,
            form.code.data or "",
            source_address=_source(),
            settings=_settings(),
            now=now(),
        )
    if outcome is Outcome.OK:
        session.pop(_TOKEN)
        return redirect(url_for(".done", what=purpose.removeprefix("AREA_").lower()))
    form.code.errors = [_refused(outcome)]
    return render_template("public/subscribe_code.html", form=form), 422


@blueprint.get("/done/<any(start, stop):what>")
def done(what: str) -> ResponseReturnValue:
    """What happens from now on, and how to stop it: by a reply only where one reaches us (REQ-29)."""
    senders = _settings().sms_senders
    return render_template(
        "public/subscribe_done.html",
        started=what == "start",
        takes_replies=sender_for(NoticeType.STORM_BULLETIN, senders).takes_replies,
        stop_number=senders.stop_number,
    )


def _ask_form() -> AskForm:
    form = AskForm()
    language = current_language()
    codes = area_subscriptions.offered(db.session())
    named = [(municipality_names(code).in_language(language), code) for code in codes]
    form.municipality.choices = [SelectChoice(code, name) for name, code in sorted(named)]
    return form


def _refused(outcome: Outcome) -> str:
    if outcome is Outcome.WRONG:
        return gettext("The code is wrong. Check the newest message.")
    return gettext("The code cannot be used any more. Ask for a new one.")


def _source() -> str:
    return request.remote_addr or ""


def _settings() -> Settings:
    settings: Any = current_app.extensions["tiedolla_settings"]
    assert isinstance(settings, Settings)  # noqa: S101 - the factory put it there.
    return settings
