"""What may be done with a version of texts: submit, publish, reject, take back, go back to, test."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.languages import Language
from app.domain.message_text import TemplateError
from app.domain.notice_types import Channel, NoticeType
from app.domain.roles import Permission
from app.domain.sample_facts import Sample
from app.models.message_version import MessageVersion
from app.models.staff_account import StaffAccount
from app.services import message_versions, text_trials
from app.services.message_versions import ChangedMeanwhile, SecondPersonNeeded, TextsRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators import text_views
from app.web.operators.text_blueprint import blueprint
from app.web.operators.text_pages import parse_kind, show_version, texts_of_version

T = TypeVar("T", bound=StrEnum)


@blueprint.post("/texts/<kind>/versions/<int:number>/submit")
@role_required(Permission.EDIT_TEXTS)
def submit(kind: str, number: int) -> ResponseReturnValue:
    """Ask a second person to let it pass."""

    def act(session: Session, version: MessageVersion) -> str:
        senders = text_views.settings().sms_senders
        message_versions.submit(session, version, senders, by=actor(), now=now())
        return gettext("Version %(number)s waits for a second person.", number=number)

    return _act(parse_kind(kind), number, act)


@blueprint.post("/texts/<kind>/versions/<int:number>/publish")
@role_required(Permission.EDIT_TEXTS)
def publish(kind: str, number: int) -> ResponseReturnValue:
    """Let it leave from now on; whoever wrote it is refused."""

    def act(session: Session, version: MessageVersion) -> str:
        senders = text_views.settings().sms_senders
        message_versions.publish(session, version, senders, by=actor(), now=now())
        return gettext("Version %(number)s is in use.", number=number)

    return _act(parse_kind(kind), number, act)


@blueprint.post("/texts/<kind>/versions/<int:number>/reject")
@role_required(Permission.EDIT_TEXTS)
def reject(kind: str, number: int) -> ResponseReturnValue:
    """End a draft or what was submitted."""

    def act(session: Session, version: MessageVersion) -> str:
        note = " ".join(request.form.get("note", "").split())[:300]
        message_versions.reject(session, version, note=note, by=actor(), now=now())
        return gettext("Version %(number)s is rejected.", number=number)

    return _act(parse_kind(kind), number, act)


@blueprint.post("/texts/<kind>/versions/<int:number>/take-back")
@role_required(Permission.EDIT_TEXTS)
def take_back(kind: str, number: int) -> ResponseReturnValue:
    """Make a draft of what was submitted."""

    def act(session: Session, version: MessageVersion) -> str:
        message_versions.take_back(session, version, by=actor(), now=now())
        return gettext("Version %(number)s is a draft again.", number=number)

    return _act(parse_kind(kind), number, act)


@blueprint.post("/texts/<kind>/versions/<int:number>/roll-back")
@role_required(Permission.EDIT_TEXTS)
def roll_back(kind: str, number: int) -> ResponseReturnValue:
    """Let an older version leave again; 0 is the shipped one."""
    notice_type = parse_kind(kind)
    senders = text_views.settings().sms_senders
    try:
        with transaction() as session:
            message_versions.roll_back(session, notice_type, number, senders, by=actor(), now=now())
    except ChangedMeanwhile:
        return _changed_meanwhile(notice_type)
    except TextsRefused:
        return show_version(notice_type, number, 422)
    flash(gettext("Version %(number)s is in use.", number=number), "ok")
    return redirect(url_for(".kind_page", kind=notice_type))


@blueprint.post("/texts/<kind>/versions/<int:number>/test")
@role_required(Permission.EDIT_TEXTS)
def send_test(kind: str, number: int) -> ResponseReturnValue:
    """Send it to the person's own proven address, filled with samples."""
    notice_type = parse_kind(kind)
    channel, language = _chosen(Channel, "channel"), _chosen(Language, "language")
    sample = _chosen(Sample, "sample")
    try:
        with transaction() as session:
            texts_number, texts = texts_of_version(session, notice_type, number)
            text_trials.send_test(
                session,
                session.get_one(StaffAccount, current_user.id),
                notice_type,
                texts_number,
                texts,
                channel,
                language,
                sample,
                by=actor(),
                now=now(),
                settings=text_views.settings(),
            )
    except text_trials.NoAddress:
        flash(gettext("Add and prove an address of your own first."), "warn")
        return redirect(url_for(".addresses"))
    except TemplateError:
        flash(gettext("It cannot be sent as a test before its faults are mended."), "fail")
    else:
        flash(gettext("The test is on its way to your own address."), "ok")
    return redirect(url_for(".version_page", kind=notice_type, number=number))


def _act(
    kind: NoticeType, number: int, act: Callable[[Session, MessageVersion], str]
) -> ResponseReturnValue:
    """Do something with a version and say so, or say why not."""
    try:
        with transaction() as session:
            version = message_versions.find_version(session, kind, number, lock=True)
            if version is None:
                abort(404)
            done = act(session, version)
    except SecondPersonNeeded:
        flash(gettext("Somebody else has to publish what you have written or submitted."), "fail")
    except ChangedMeanwhile:
        return _changed_meanwhile(kind)
    except TextsRefused:
        return show_version(kind, number, 422)
    else:
        flash(done, "ok")
    return redirect(url_for(".version_page", kind=kind, number=number))


def _changed_meanwhile(kind: NoticeType) -> ResponseReturnValue:
    flash(gettext("Somebody else was quicker. This is how things are now."), "warn")
    return redirect(url_for(".kind_page", kind=kind))


def _chosen(choices: type[T], name: str) -> T:
    try:
        return choices(request.form.get(name, ""))
    except ValueError:
        abort(400)
