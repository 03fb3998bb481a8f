"""Staff accounts, for administrators: list, make, switch off and on, give a new password."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import PasswordField, RadioField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length, Regexp

from app.db import db, transaction
from app.domain.roles import Permission, Role
from app.models.staff_account import StaffAccount
from app.queries import staff_list
from app.services import staff
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.i18n import LANGUAGE_NAMES
from app.web.labels import ROLE

blueprint = Blueprint("staff", __name__)

_PASSWORD_RULE = _l("Use at least 12 characters, and not the user name")


class AccountForm(FlaskForm):
    """A new account."""

    username = StringField(
        _l("User name"),
        [
            InputRequired(_l("Enter a user name")),
            Length(2, 60, _l("Use 2 to 60 characters")),
            Regexp(r"^[\w.@-]+$", message=_l("Use letters, digits, dots and hyphens only")),
        ],
    )
    display_name = StringField(
        _l("Name"), [InputRequired(_l("Enter the person's name")), Length(max=120)]
    )
    role = RadioField(
        _l("Role"),
        [InputRequired(_l("Choose a role"))],
        choices=[SelectChoice(role.value, ROLE[role].text) for role in Role],
    )
    language = SelectField(
        _l("Language"), choices=[SelectChoice(*item) for item in LANGUAGE_NAMES.items()]
    )
    password = PasswordField(_l("First password"), [InputRequired(_l("Enter a password"))])


class PasswordForm(FlaskForm):
    """A new password for an account."""

    password = PasswordField(_l("New password"), [InputRequired(_l("Enter a password"))])


@blueprint.get("/staff")
@role_required(Permission.MANAGE_STAFF)
def accounts() -> ResponseReturnValue:
    """Every account."""
    return render_template(
        "operators/staff.html", accounts=staff_list.all_accounts(db.session()), now=now()
    )


@blueprint.route("/staff/new", methods=["GET", "POST"])
@role_required(Permission.MANAGE_STAFF)
def new_account() -> ResponseReturnValue:
    """Make an account."""
    form = AccountForm()
    if form.validate_on_submit() and _create(form):
        flash(gettext("The account was made."), "ok")
        return redirect(url_for(".accounts"))
    return render_template("operators/staff_new.html", form=form), 422 if form.errors else 200


@blueprint.route("/staff/<int:account_id>/password", methods=["GET", "POST"])
@role_required(Permission.MANAGE_STAFF)
def new_password(account_id: int) -> ResponseReturnValue:
    """Give an account a new password; its sessions end and a lock is lifted."""
    form = PasswordForm()
    account = _account(account_id)
    if form.validate_on_submit() and _set_password(form, account_id):
        flash(gettext("The password of %(name)s was changed.", name=account.display_name), "ok")
        return redirect(url_for(".accounts"))
    page = render_template("operators/staff_password.html", form=form, account=account)
    return page, 422 if form.errors else 200


@blueprint.post("/staff/<int:account_id>/deactivate")
@role_required(Permission.MANAGE_STAFF)
def deactivate(account_id: int) -> ResponseReturnValue:
    """Switch an account off; its sessions end at once."""
    if account_id == current_user.id:
        flash(gettext("You cannot switch off your own account."), "fail")
        return redirect(url_for(".accounts"))
    return _switch(account_id, False)


@blueprint.post("/staff/<int:account_id>/activate")
@role_required(Permission.MANAGE_STAFF)
def activate(account_id: int) -> ResponseReturnValue:
    """Switch an account on again."""
    return _switch(account_id, True)


def _create(form: AccountForm) -> bool:
    try:
        with transaction() as session:
            staff.create(
                session,
                username=form.username.data or "",
                display_name=form.display_name.data or "",
                password=form.password.data or "",
                role=Role(form.role.data),
                now=now(),
                language=form.language.data,
                by=actor(),
            )
    except staff.UsernameTaken:
        form.username.errors = [gettext("Another account has this user name")]
    except staff.PasswordTooWeak:
        form.password.errors = [str(_PASSWORD_RULE)]
    return not form.errors


def _set_password(form: PasswordForm, account_id: int) -> bool:
    try:
        with transaction() as session:
            account = session.get_one(StaffAccount, account_id)
            staff.set_password(session, account, form.password.data or "", now(), by=actor())
    except staff.PasswordTooWeak:
        form.password.errors = [str(_PASSWORD_RULE)]
    return not form.errors


def _switch(account_id: int, active: bool) -> ResponseReturnValue:
    with transaction() as session:
        account = session.get(StaffAccount, account_id)
        if account is None:
            abort(404)
        staff.set_active(session, account, active, now(), by=actor())
        name = account.display_name
    if active:
        flash(gettext("The account of %(name)s is active again.", name=name), "ok")
    else:
        flash(gettext("The account of %(name)s is switched off.", name=name), "ok")
    return redirect(url_for(".accounts"))


def _account(account_id: int) -> StaffAccount:
    account = db.session.get(StaffAccount, account_id)
    if account is None:
        abort(404)
    return account
