"""Texts of notices: the list of kinds, one kind with its history, one version."""

from __future__ import annotations

from flask import abort, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from app.db import db
from app.domain.message_checks import check_senders
from app.domain.message_json import texts_from_json
from app.domain.message_text import MessageSet
from app.domain.notice_types import NOTICE_RULES, Channel, NoticeType
from app.domain.roles import Permission
from app.queries import text_list
from app.services import message_versions, staff_addresses
from app.services.message_templates import SHIPPED
from app.services.message_versions import SHIPPED_NUMBER
from app.web.access import actor, role_required
from app.web.operators import text_views
from app.web.operators.text_blueprint import blueprint
from app.web.text_words import action_words, concern_words, fault_words

ACT_ROWS = 30


@blueprint.get("/texts")
@role_required(Permission.EDIT_TEXTS)
def kinds() -> ResponseReturnValue:
    """Every kind of notice, by topic, with the version in use and what is being written."""
    rows = text_list.kinds(db.session())
    return render_template(
        "operators/texts.html",
        groups=_by_topic(rows),
        waiting=[row for row in rows if row.open_state == "SUBMITTED"],
        sender=text_views.sender,
        unlisted=text_views.settings().sms_senders.unlisted(),
    )


@blueprint.get("/texts/<kind>")
@role_required(Permission.EDIT_TEXTS)
def kind_page(kind: str) -> ResponseReturnValue:
    """What leaves now in three languages, what is being written, and the history."""
    notice_type = parse_kind(kind)
    session = db.session()
    number, texts = message_versions.texts_in_use(session, notice_type)
    versions = text_list.versions(session, notice_type)
    return render_template(
        "operators/text.html",
        kind=notice_type,
        number=number,
        versions=versions,
        being_written=next((row for row in versions if row.state in ("DRAFT", "SUBMITTED")), None),
        acts=text_list.acts(session, notice_type, ACT_ROWS),
        action_words=action_words,
        **shown(notice_type, texts),
    )


@blueprint.get("/texts/<kind>/versions/<int:number>")
@role_required(Permission.EDIT_TEXTS)
def version_page(kind: str, number: int) -> ResponseReturnValue:
    """One version: its words, what is wrong with it, what it changes, and what may be done."""
    return show_version(parse_kind(kind), number)


def parse_kind(kind: str) -> NoticeType:
    """The kind that an address names; anything else is not found."""
    try:
        return NoticeType(kind)
    except ValueError:
        abort(404)


def shown(kind: NoticeType, texts: MessageSet) -> dict[str, object]:
    """What the templates need to show a set of texts."""
    return {
        "texts": texts,
        "previews": text_views.previews(kind, texts),
        "sender": text_views.sender(kind),
        "asks": text_views.may_ask(kind),
        "concern_words": concern_words,
        "fault_words": fault_words,
    }


def show_version(kind: NoticeType, number: int, status: int = 200) -> ResponseReturnValue:
    """The page of one version."""
    session = db.session()
    version = None
    if number != SHIPPED_NUMBER:
        version = message_versions.find_version(session, kind, number)
        if version is None:
            abort(404)
    _, texts = texts_of_version(session, kind, number)
    in_use, texts_in_use = message_versions.texts_in_use(session, kind)
    base = version.based_on if version is not None else SHIPPED_NUMBER
    compared = in_use if in_use != number else base
    _, older = (
        (in_use, texts_in_use) if compared == in_use else texts_of_version(session, kind, compared)
    )
    senders = text_views.settings().sms_senders
    page = render_template(
        "operators/text_version.html",
        kind=kind,
        number=number,
        version=version,
        in_use=in_use,
        compared=compared,
        differences=text_views.differences(older, texts) if compared != number else [],
        part_name=text_views.part_name,
        faults=message_versions.faults_of(version, senders)
        if version is not None
        else tuple(check_senders(kind, senders)),
        own=version is not None and (actor() in version.authors or actor() == version.submitted_by),
        addresses=_proven(session),
        **shown(kind, texts),
    )
    return page, status


def texts_of_version(session: Session, kind: NoticeType, number: int) -> tuple[int, MessageSet]:
    if number == SHIPPED_NUMBER:
        return number, SHIPPED.by_type[kind]
    version = message_versions.find_version(session, kind, number)
    if version is None:
        abort(404)
    return number, texts_from_json(version.texts)


def _proven(session: Session) -> list[Channel]:
    """The channels on which the person has an address that is surely theirs."""
    found = [staff_addresses.find_address(session, current_user.id, one) for one in Channel]
    return [Channel(one.channel) for one in found if one is not None and one.verified_at]


def _by_topic(rows: list[text_list.KindRow]) -> dict[str, list[text_list.KindRow]]:
    groups: dict[str, list[text_list.KindRow]] = {}
    for row in rows:
        groups.setdefault(NOTICE_RULES[row.kind].topic, []).append(row)
    return groups
