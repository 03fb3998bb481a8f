"""Log-in, log-out and the session of staff.

A session ends after 12 hours, after 60 idle minutes, and at once when the account's password
or standing changes.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFProtect
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from app.db import db, transaction
from app.models.staff_account import StaffAccount
from app.services import audit, staff
from app.settings import Settings
from app.web import i18n
from app.web.access import body_most_bytes
from app.web.clock import now

blueprint = Blueprint("login", __name__)
csrf = CSRFProtect()
manager = LoginManager()

# Machines prove who they are with signatures there, and have no forms; an unsubscribe link is its own
# permission, and mail programs post to it.
_WITHOUT_FORMS = ("/api/", "/callbacks/", "/unsubscribe/")


class StaffUser(UserMixin):
    """The person of this session, as the pages see them."""

    def __init__(self, account: StaffAccount) -> None:
        self.id = account.id
        self.username = account.username
        self.display_name = account.display_name
        self.role = account.role
        self._session_version = account.session_version

    def get_id(self) -> str:
        """Names the account and its version: a new password ends the sessions of the old one."""
        return f"{self.id}:{self._session_version}"


class LoginForm(FlaskForm):
    """User name and password."""

    username = StringField(
        _l("User name"),
        [InputRequired(_l("Enter your user name")), Length(max=200)],
    )
    password = PasswordField(
        _l("Password"),
        [InputRequired(_l("Enter your password")), Length(max=staff.PASSWORD_MAX_CHARS)],
    )


def init(app: Flask) -> None:
    """Set up sessions, log-in and the protection of forms."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    # The token lives as long as its session: a form left open over lunch still works.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    csrf.init_app(app)
    manager.init_app(app)
    # Nobody is remembered beyond a session; looking for that reads the session of every request,
    # and pages that are the same for everybody would vary by cookie.
    app.after_request_funcs[None].remove(manager._update_remember_cookie)
    manager.login_view = "login.show"
    # The page says by itself why it is there.
    manager.login_message = None
    manager.user_loader(_load)
    manager.unauthorized_handler(_ask_to_log_in)
    app.before_request(_protect_forms)
    app.before_request(_refuse_nul)
    app.before_request(_end_old_session)
    app.register_blueprint(blueprint)


@blueprint.get("/login")
def show() -> ResponseReturnValue:
    """The log-in page; whoever is logged in goes on."""
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")))
    return _page(LoginForm())


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Check the password; the answer never tells which part was wrong."""
    form = LoginForm()
    if not form.validate_on_submit():
        return _page(form), 422
    with transaction() as db_session:
        result = staff.authenticate(
            db_session, form.username.data or "", form.password.data or "", now()
        )
    if result.account is None:
        return _page(form, refused=True), 422
    _start_session(result.account)
    answer = redirect(safe_next(request.args.get("next")))
    if i18n.COOKIE not in request.cookies:
        i18n.remember(answer, result.account.language, current_app.config["SESSION_COOKIE_SECURE"])
    return answer


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session."""
    if current_user.is_authenticated:
        actor = f"staff:{current_user.username}"
        with transaction() as db_session:
            audit.record(db_session, actor, "LOGOUT", actor, {}, now())
    logout_user()
    session.clear()
    flash(gettext("You have logged out."), "ok")
    return redirect(url_for("login.show"))


def safe_next(target: str | None) -> str:
    """A path of our own pages, or the front page: never another host."""
    if not target or not target.startswith("/") or any(ord(sign) < 33 for sign in target):
        return url_for("agents.search")
    parts = urlsplit(target)
    # Browsers read a backslash as a slash, so //host and /\host both lead away.
    if parts.scheme or parts.netloc or target.startswith("//") or "\\" in target:
        return url_for("agents.search")
    return target


def _page(form: LoginForm, *, refused: bool = False) -> str:
    ended = session.pop("ended", None)
    return render_template("public/login.html", form=form, refused=refused, ended=ended)


def _start_session(account: StaffAccount) -> None:
    # Nothing that was in the browser before the log-in may live on in the session.
    session.clear()
    login_user(StaffUser(account))
    moment = int(now().timestamp())
    session["started_at"] = session["seen_at"] = moment
    session["nonce"] = secrets.token_hex(8)
    session.permanent = True


def _load(session_id: str) -> StaffUser | None:
    account_id, _, version = session_id.partition(":")
    if not (account_id.isdecimal() and version.isdecimal()):
        return None
    account = db.session.get(StaffAccount, int(account_id))
    if account is None or not account.active or account.session_version != int(version):
        return None
    return StaffUser(account)


def _protect_forms() -> None:
    if not request.path.startswith(_WITHOUT_FORMS):
        most = body_most_bytes(current_app.view_functions.get(request.endpoint or ""))
        if most is not None:
            request.max_content_length = most
        csrf.protect()


def _refuse_nul() -> None:
    # No text of the database can hold it, and nobody types it: say so before anything begins.
    if "\0" in request.path:
        abort(404)
    if request.path.startswith(_WITHOUT_FORMS):
        return
    typed = (*request.args.items(multi=True), *request.form.items(multi=True))
    if any("\0" in text for pair in typed for text in pair):
        abort(400)


def _end_old_session() -> None:
    # The public status is the same for everybody, and must not ask the database who is there.
    if request.blueprint == "status" or request.endpoint == "static":
        return
    if "_user_id" not in session:
        return
    settings: Settings = current_app.extensions["tiedolla_settings"]
    moment = now()
    seen = _at(session.get("seen_at"))
    started = _at(session.get("started_at"))
    idle = moment - seen > timedelta(minutes=settings.staff_idle_min)
    if idle or moment - started > timedelta(hours=settings.staff_session_h):
        logout_user()
        session.clear()
        session["ended"] = "idle" if idle else "old"
    elif moment - seen > timedelta(minutes=1) and not _renews_itself():
        # A new cookie with each request would make parallel ones overwrite one another.
        session["seen_at"] = int(moment.timestamp())


def _renews_itself() -> bool:
    """Whether a page asks by itself: a screen left open must not keep its session alive."""
    return request.headers.get("HX-Request") == "true" and "poll" in request.args


def _at(seconds: object) -> datetime:
    return datetime.fromtimestamp(seconds if isinstance(seconds, int) else 0, UTC)


def _ask_to_log_in() -> ResponseReturnValue:
    if request.headers.get("HX-Request") == "true":
        # A part of a page cannot show a log-in page; the script reloads the whole.
        return make_response("", 401)
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("login.show", next=target))
