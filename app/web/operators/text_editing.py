"""Writing the texts of one kind: the form, its live preview, saving, and submitting."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.languages import Language
from app.domain.message_checks import FaultCode, TextFault, check_message, check_senders
from app.domain.message_json import texts_from_json
from app.domain.message_text import MessageSet
from app.domain.notice_types import NoticeType
from app.domain.notice_values import placeholders_of
from app.domain.roles import Permission
from app.domain.sample_facts import Sample, sample_values
from app.domain.states import TextState
from app.queries import text_list
from app.services import message_versions
from app.services.message_templates import SHIPPED
from app.services.message_versions import SHIPPED_NUMBER, ChangedMeanwhile, TextsRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.i18n import current_language
from app.web.operators import text_views
from app.web.operators.text_blueprint import blueprint
from app.web.operators.text_forms import TextForm, base_of, form_for, seen_at_of, texts_of
from app.web.operators.text_pages import parse_kind, shown


@blueprint.route("/texts/<kind>/edit", methods=["GET", "POST"])
@role_required(Permission.EDIT_TEXTS)
def edit(kind: str) -> ResponseReturnValue:
    """Write a draft; with `base` begin from that version instead of the one in use."""
    notice_type = parse_kind(kind)
    if request.method == "GET":
        return _begin(notice_type)
    form = TextForm()
    ok = form.validate()
    action = request.form.get("action", "save")
    if ok and action in ("save", "submit"):
        answer = _save(notice_type, form, submit=action == "submit")
        if answer is not None:
            return answer
        ok = False
    return _page(notice_type, form), 200 if ok else 422


@blueprint.post("/texts/<kind>/preview")
@role_required(Permission.EDIT_TEXTS)
def preview(kind: str) -> ResponseReturnValue:
    """What the form's texts look like and weigh at this moment; stores nothing."""
    notice_type = parse_kind(kind)
    form = TextForm()
    return render_template("operators/text_preview.html", **_facts(notice_type, form))


def _begin(kind: NoticeType) -> ResponseReturnValue:
    session = db.session()
    base = request.args.get("base", type=int)
    open_row = next((row for row in text_list.versions(session, kind) if row.state in _OPEN), None)
    if open_row is not None and open_row.state == TextState.SUBMITTED:
        flash(gettext("A version waits for a second person. Take it back to change it."), "warn")
        return redirect(url_for(".version_page", kind=kind, number=open_row.number))
    if open_row is not None:
        draft = message_versions.find_version(session, kind, open_row.number)
        if draft is not None:
            form = form_for(
                texts_from_json(draft.texts),
                note=draft.note,
                service_only=not draft.marketing,
                base=draft.based_on,
                seen_at=draft.changed_at,
            )
            return _page(kind, form), 200
    number, texts = message_versions.texts_in_use(session, kind)
    if base == SHIPPED_NUMBER:
        number, texts = SHIPPED_NUMBER, SHIPPED.by_type[kind]
    elif base is not None:
        version = message_versions.find_version(session, kind, base)
        if version is not None:
            number, texts = base, texts_from_json(version.texts)
    form = form_for(texts, note="", service_only=False, base=number, seen_at=None)
    return _page(kind, form), 200


def _save(kind: NoticeType, form: TextForm, *, submit: bool) -> ResponseReturnValue | None:
    """Store it and say so; None when the page has to say what is to be mended."""
    try:
        with transaction() as session:
            draft = message_versions.save_draft(
                session,
                kind,
                texts_of(form),
                note=" ".join((form.note.data or "").split()),
                marketing=not form.service_only.data,
                base=base_of(form),
                seen_at=seen_at_of(form),
                by=actor(),
                now=now(),
            )
            number, changed_at = draft.number, draft.changed_at
    except ChangedMeanwhile:
        form.form_errors.append(
            gettext("Somebody else has changed the draft meanwhile. Copy what you need from here.")
        )
        return None
    # What was written is safe, whatever the checks say; the next save goes on from it.
    form.seen_at.data = changed_at.isoformat()
    if not submit:
        flash(gettext("The draft is saved as version %(number)s.", number=number), "ok")
        return redirect(url_for(".edit", kind=kind))
    try:
        with transaction() as session:
            version = message_versions.find_version(session, kind, number, lock=True)
            if version is None:
                raise ChangedMeanwhile
            senders = text_views.settings().sms_senders
            message_versions.submit(session, version, senders, by=actor(), now=now())
    except (ChangedMeanwhile, TextsRefused):
        form.form_errors.append(
            gettext("The draft is saved, but it cannot be submitted before this is mended.")
        )
        return None
    flash(gettext("Version %(number)s waits for a second person.", number=number), "ok")
    return redirect(url_for(".version_page", kind=kind, number=number))


def _page(kind: NoticeType, form: TextForm) -> str:
    values = {
        sample: sample_values(
            kind,
            Language(current_language()),
            sample,
            brand=text_views.settings().brand,
            phone=text_views.settings().customer_service_phone,
        )
        for sample in Sample
    }
    return render_template(
        "operators/text_edit.html",
        form=form,
        languages=list(Language),
        placeholders=[
            (name, values[Sample.TYPICAL][name], values[Sample.WORST][name])
            for name in sorted(placeholders_of(kind))
        ],
        **_facts(kind, form),
    )


def _facts(kind: NoticeType, form: TextForm) -> dict[str, object]:
    texts = texts_of(form)
    return {"kind": kind, "faults": _faults(kind, texts, form), **shown(kind, texts)}


def _faults(kind: NoticeType, texts: MessageSet, form: TextForm) -> list[TextFault]:
    flagged = [] if form.service_only.data else [TextFault(FaultCode.MARKETING_FLAG)]
    senders = text_views.settings().sms_senders
    return [*check_message(kind, texts), *flagged, *check_senders(kind, senders)]


_OPEN = (TextState.DRAFT, TextState.SUBMITTED)
