"""Planned cuts to look at: the list by week, one cut with its preview and story, who was told."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from flask import Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.db import db, transaction
from app.domain.clock import HELSINKI, helsinki_day
from app.domain.notice_types import NoticeType
from app.domain.planned_course import ALLOWED_IN, Action, trouble_of
from app.domain.roles import Permission
from app.domain.states import PlannedCutState
from app.queries import planned_list
from app.services import audit, planned_preview
from app.services.holiday_calendar import days_off
from app.services.planned_preview import Letter, Preview
from app.services.planned_rows import Plan, course_of, find
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.formats import between
from app.web.labels import PLANNED_CUT
from app.web.operators.blueprint import blueprint
from app.web.operators.planned_words import cause_name, finding_text, sentence
from app.web.paging import page_of, place
from app.web.wording import suppress_text

PAGE_ROWS = 100
_WEEK = re.compile(r"(20\d\d)-W(0[1-9]|[1-4]\d|5[0-3])")
_BEFORE_TELLING = (PlannedCutState.DRAFT, PlannedCutState.APPROVED)
_KPI_MONTHS = timedelta(days=400)
# A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@blueprint.get("/planned")
@role_required(Permission.OPERATE)
def planned() -> ResponseReturnValue:
    """What waits for somebody, then one week."""
    moment = now()
    monday = _monday(request.args.get("week", ""), helsinki_day(moment))
    state = request.args.get("state")
    if state not in PLANNED_CUT:
        state = None
    session = db.session()
    return render_template(
        "operators/planned.html",
        waiting=planned_list.cuts_waiting(session, moment),
        cuts=planned_list.cuts_between(
            session, _midnight(monday), _midnight(monday + timedelta(days=7)), state
        ),
        limit=planned_list.LIST_LIMIT,
        monday=monday,
        sunday=monday + timedelta(days=6),
        week=_week_name(monday),
        earlier=_week_name(monday - timedelta(days=7)),
        later=_week_name(monday + timedelta(days=7)),
        state=state,
        states=PLANNED_CUT,
        kpi=planned_list.kpi_by_month(session, moment - timedelta(days=62))[:1],
        between=between,
        cause_name=cause_name,
    )


@blueprint.get("/planned/kpi")
@role_required(Permission.OPERATE)
def planned_kpi() -> ResponseReturnValue:
    """Which share was announced in time, month by month."""
    months = planned_list.kpi_by_month(db.session(), now() - _KPI_MONTHS)
    return render_template("operators/planned_kpi.html", months=months)


@blueprint.get("/planned/<int:outage_id>")
@role_required(Permission.OPERATE)
def planned_cut(outage_id: int) -> ResponseReturnValue:
    """One cut."""
    plan, moment, session = get_plan(outage_id), now(), db.session()
    found = preview_of(plan)
    trouble = trouble_of(course_of(plan), moment, days_off(plan.from_at))
    text, todo, tone, icon = sentence(plan, trouble, found, _telling(plan))
    points = planned_list.points_of(session, outage_id, moment)
    told = planned_list.told_counts(session, outage_id)
    return render_template(
        "operators/planned_cut.html",
        plan=plan,
        text=text,
        todo=todo,
        tone=tone,
        icon_name=icon,
        actions=[action for action in Action if plan.state in ALLOWED_IN[action]],
        preview=found,
        story=planned_list.story_of(session, outage_id),
        findings=planned_list.findings_of(session, outage_id),
        points=points,
        point_count=len(planned_list.all_numbers(session, outage_id)),
        told=told,
        letter_count=0 if found else planned_list.letter_count(session, outage_id),
        between=between,
        cause_name=cause_name,
        finding_text=finding_text,
        suppress_text=suppress_text,
    )


@blueprint.get("/planned/<int:outage_id>/told")
@role_required(Permission.OPERATE)
def planned_told(outage_id: int) -> ResponseReturnValue:
    """The notices of a cut, one by one."""
    plan, here = get_plan(outage_id), place()
    rows = planned_list.told_list(
        db.session(), outage_id, PAGE_ROWS + 1, before=here.before, after=here.after
    )
    return render_template("operators/planned_told.html", plan=plan, page=page_of(rows, PAGE_ROWS))


@blueprint.get("/planned/<int:outage_id>/letters.csv")
@role_required(Permission.OPERATE)
def planned_letters(outage_id: int) -> ResponseReturnValue:
    """Whom no message would reach; taking the list is recorded.

    Once the cut is announced each of their letters has its own state, on the page of letters.
    """
    found = preview_of(get_plan(outage_id))
    if found is None:
        return redirect(url_for(".letters_owed"))
    letters = found.letters
    with transaction() as session:
        detail = {"letters": len(letters)}
        audit.record(
            session, actor(), "PLANNED_CUT_LETTERS_TAKEN", f"outage:{outage_id}", detail, now()
        )
    answer = Response(_csv(letters), mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=f"letters-{outage_id}.csv")
    return answer


@blueprint.get("/planned/<int:outage_id>/points.csv")
@role_required(Permission.OPERATE)
def planned_points_file(outage_id: int) -> ResponseReturnValue:
    """The numbers of all points, one a line."""
    get_plan(outage_id)
    numbers = planned_list.all_numbers(db.session(), outage_id)
    answer = Response("".join(f"{each}\r\n" for each in ["gsrn", *numbers]), mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=f"points-{outage_id}.csv")
    return answer


def get_plan(outage_id: int) -> Plan:
    """The plan, or the page that says that there is none."""
    plan = find(db.session(), outage_id)
    if plan is None:
        abort(404)
    return plan


def preview_of(plan: Plan) -> Preview | None:
    """What announcing it would come to; None once it has been announced, or is over."""
    if plan.state not in _BEFORE_TELLING or plan.from_at <= now():
        return None
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return planned_preview.preview(db.session(), plan.id, settings, now())


_NEWS: Sequence[NoticeType] = (NoticeType.PLANNED_NOTICE, NoticeType.PLANNED_CHANGED)


def _telling(plan: Plan) -> planned_list.Telling | None:
    """How far the plan's own messages have come, while they are what people wait for."""
    cut, kinds, since = plan.cut, _NEWS, plan.cut.told_at
    if plan.state == "REMINDED":
        kinds, since = (NoticeType.PLANNED_REMINDER,), cut.reminded_at
    if plan.state not in ("ANNOUNCED", "RESCHEDULED", "REMINDED") or since is None:
        return None
    return planned_list.telling_of(db.session(), plan.id, kinds, since)


def cut_href(outage_id: int) -> str:
    """The page of one cut."""
    return url_for("operators.planned_cut", outage_id=outage_id)


def _csv(letters: Iterable[Letter]) -> str:
    """With a byte order mark, for spreadsheets; a safety ban leaves the address out."""
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=";", lineterminator="\r\n")
    writer.writerow(
        ("customer", "name", "gsrn", "street", "postal_code", "post_office", "language", "note")
    )
    for letter in letters:
        address = (letter.street, letter.postal_code, letter.post_office)
        if letter.safety_ban:
            address = ("", "", "")
        note = "SAFETY_BAN" if letter.safety_ban else ""
        row = (letter.customer_id, letter.name, letter.gsrn, *address, letter.language, note)
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row])
    return "\ufeff" + lines.getvalue()


def _monday(week: str, today: date) -> date:
    found = _WEEK.fullmatch(week)
    if found is not None:
        try:
            return date.fromisocalendar(int(found[1]), int(found[2]), 1)
        except ValueError:
            pass
    return today - timedelta(days=today.weekday())


def _week_name(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=HELSINKI)
