"""Outages: which are under way, and one with its course, its points and what was told of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from app.db import db
from app.domain.cause_codes import FAULT_CAUSES, cause_shown
from app.domain.etr import shown_etr
from app.domain.gsrn import is_valid_gsrn
from app.domain.municipalities import municipality_names
from app.domain.roles import Permission
from app.models.outage import Outage, OutageEvent
from app.queries import outage_list, outage_story
from app.queries.outage_list import Filter
from app.queries.outage_story import OutageStory
from app.services import faults
from app.web.access import role_required
from app.web.clock import now
from app.web.formats import moment, quantity
from app.web.i18n import current_language
from app.web.labels import OUTAGE, OUTAGE_KIND
from app.web.operators.blueprint import blueprint
from app.web.operators.moment_field import local_text

PAGE_ROWS = 50
_PLACES_MOST = 3


@blueprint.get("/outages")
@role_required(Permission.OPERATE)
def outages() -> ResponseReturnValue:
    """The outages under way, or those in one state, of one kind or in one municipality."""
    session, at = db.session(), now()
    wanted = Filter(
        kind=_one_of(request.args.get("kind"), OUTAGE_KIND),
        state=_one_of(request.args.get("state"), OUTAGE),
        municipality=_code(request.args.get("municipality")),
    )
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    page = max(1, page)
    rows = outage_list.find_outages(session, wanted, PAGE_ROWS + 1, (page - 1) * PAGE_ROWS, at)
    areas = outage_list.areas_in_trouble(session)
    return render_template(
        "operators/outages.html",
        outages=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        wanted=wanted,
        kinds=OUTAGE_KIND,
        states=OUTAGE,
        areas=sorted({*areas, *([wanted.municipality] if wanted.municipality else [])}),
        area_name=area_name,
        cause_name=cause_name,
        now=at,
    )


@blueprint.get("/outages/<int:outage_id>")
@role_required(Permission.OPERATE)
def outage(outage_id: int) -> ResponseReturnValue:
    """One outage, and what an operator may do to it."""
    session, at = db.session(), now()
    story = outage_story.find_story(session, outage_id, at)
    if story is None:
        abort(404)
    if story.outage.kind == "PLANNED":
        return redirect(url_for(".planned_cut", outage_id=outage_id))
    gsrn = request.args.get("gsrn", "").strip()
    points = story.points
    if gsrn:
        points = (
            outage_story.points_of(session, outage_id, at, gsrn=gsrn) if is_valid_gsrn(gsrn) else []
        )
    return render_template(
        "operators/outage.html",
        story=story,
        outage=story.outage,
        points=points,
        gsrn=gsrn,
        name=_name(story),
        sentence=_sentence(story, at),
        etr_at=shown_etr(story.outage.etr_at, at),
        acts=_acts(story.outage),
        causes={
            code: names.in_language(current_language()) for code, names in FAULT_CAUSES.items()
        },
        event_detail=event_detail,
        area_name=area_name,
        cause_name=cause_name,
        local_now=local_text(at),
        now=at,
    )


def area_name(code: str) -> str:
    """A municipality in the reader's language."""
    return municipality_names(code).in_language(current_language())


def cause_name(code: str | None) -> str:
    """The cause as customers read it."""
    return cause_shown(code).in_language(current_language())


def event_detail(event: OutageEvent) -> str:
    """What one thing that happened was about."""
    facts: Mapping[str, Any] = event.facts
    parts = []
    if facts.get("version"):
        parts.append(gettext("version %(number)s", number=facts["version"]))
    if facts.get("verdict") == "STALE":
        parts.append(gettext("older than what we knew, not applied"))
    gsrns = facts.get("gsrns")
    if gsrns is not None:
        count = len(gsrns)
        words = ngettext("%(num)d metering point", "%(num)d metering points", count)
        parts.append(words if count else gettext("all metering points"))
        if 0 < count <= 3:
            parts.append(", ".join(gsrns))
    if facts.get("etr_at"):
        parts.append(moment(datetime.fromisoformat(facts["etr_at"])))
    if facts.get("cause_code"):
        parts.append(cause_name(facts["cause_code"]))
    if facts.get("meters"):
        meters = int(facts["meters"])
        parts.append(
            ngettext(
                "%(count)s meter says the same",
                "%(count)s meters say the same",
                meters,
                count=quantity(meters),
            )
        )
    for name in ("parent_id", "from_id"):
        if facts.get(name):
            parts.append(gettext("fault %(number)s", number=facts[name]))
    return ", ".join(parts)


def _name(story: OutageStory) -> str:
    """Where it is, and why as far as that is known."""
    codes = sorted({point.municipality_code for point in story.points if point.municipality_code})
    where = ", ".join(area_name(code) for code in codes[:_PLACES_MOST])
    if story.outage.kind != faults.KIND:
        return where or story.outage.source_ref
    why = cause_name(story.outage.cause_code)
    return f"{where}: {why}" if where else why[:1].upper() + why[1:]


def _sentence(story: OutageStory, at: datetime) -> str:
    """How things are, in words that can be said on the phone."""
    outage = story.outage
    facts = {
        "off": quantity(story.off_count),
        "all": quantity(story.point_count),
        "since": moment(outage.started_at),
        "back": moment(outage.restored_at) if outage.restored_at else "",
        "number": outage.parent_id or 0,
    }
    if outage.state == "FALSE_ALARM":
        return gettext("It was a false alarm: the power was never off.")
    if outage.state == "MERGED":
        return gettext("It is part of fault %(number)s, which is told instead.", **facts)
    count = story.point_count
    if outage.state == "DETECTED":
        return ngettext(
            "Suspected since %(since)s at %(all)s metering point. Nobody is told before it is"
            " confirmed.",
            "Suspected since %(since)s at %(all)s metering points. Nobody is told before it is"
            " confirmed.",
            count,
            **facts,
        )
    if outage.restored_at is not None:
        return ngettext(
            "%(all)s metering point has had power since %(back)s. It began %(since)s.",
            "All %(all)s metering points have had power since %(back)s. It began %(since)s.",
            count,
            **facts,
        )
    text = ngettext(
        "%(off)s of %(all)s metering point is without power. It began %(since)s.",
        "%(off)s of %(all)s metering points are without power. It began %(since)s.",
        count,
        **facts,
    )
    return f"{text} {_estimate(outage, at)}"


def _estimate(outage: Outage, at: datetime) -> str:
    if outage.etr_at is None:
        return gettext("There is no estimate yet.")
    if outage.etr_at <= at:
        return gettext("The estimate has passed; give a new one.")
    return gettext("Estimated to be back %(when)s.", when=moment(outage.etr_at))


def _acts(outage: Outage) -> frozenset[str]:
    """What may be done to it as it stands."""
    if outage.kind != faults.KIND:
        return frozenset()
    if outage.state == "MERGED":
        return frozenset({"split"})
    if outage.state in ("CLOSED", "FALSE_ALARM"):
        return frozenset({"reopen"})
    acts = {"estimate", "cause", "restore", "merge", "false_alarm", "warn"}
    if outage.state in ("DETECTED", "REOPENED") and outage.confirmed_at is None:
        acts.add("confirm")
    if outage.state in ("RESTORED", "PARTLY_RESTORED"):
        acts.add("reopen")
    if outage.state == "RESTORED":
        acts -= {"estimate", "restore"}
    return frozenset(acts)


def _one_of(value: str | None, known: Mapping[str, object]) -> str | None:
    return value if value in known else None


def _code(value: str | None) -> str | None:
    return value if value and value.isascii() and value.isalnum() and len(value) <= 10 else None
