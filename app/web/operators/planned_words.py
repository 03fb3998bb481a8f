"""What the pages of planned cuts say: refusals, the sentence on top, causes."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l

from app.domain.cause_codes import PLANNED_CAUSES, cause_shown
from app.domain.planned_course import Trouble
from app.domain.point_list import POINT_FINDINGS, PointFindingCode
from app.queries.planned_list import Telling
from app.services.planned_preview import Preview
from app.services.planned_rows import Plan, PlanRefused
from app.web.formats import between, moment, quantity
from app.web.i18n import current_language

_REFUSED: Mapping[str, object] = {
    "CHANGED_MEANWHILE": _l("Somebody else has changed this cut meanwhile. Look at it again."),
    "NOT_IN_THIS_STATE": _l("That is not possible any more: the cut has moved on."),
    "SAME_PERSON": _l("Whoever made or changed a plan cannot approve it. Ask somebody else."),
    "SHORT_NOTICE": _l("People would be told later than two working days ahead. Give a reason."),
    "TIMES_INVALID": _l("The end must be after the beginning, and later than what was told."),
    "TOO_LONG": _l("A cut can last 14 days at most."),
    "IN_THE_PAST": _l("This time has passed already."),
    "IN_THE_FUTURE": _l("This time is still to come."),
    "NO_POINTS": _l("There are no such metering points in this cut."),
    "NO_CHANGE": _l("Nothing would change."),
    "CAUSE_UNKNOWN": _l("Choose a reason"),
}


def refusal(error: PlanRefused) -> str:
    """Why a wish was refused, and what to do."""
    return str(_REFUSED.get(error.code, error.code))


def cause_name(code: str | None) -> str:
    """The cause as customers read it."""
    return cause_shown(code).in_language(current_language())


def cause_choices() -> list[tuple[str, str]]:
    """The causes that a planner may choose."""
    return [(code, names.in_language(current_language())) for code, names in PLANNED_CAUSES.items()]


def finding_text(code: str) -> str:
    """What is wrong with one line of a list."""
    return POINT_FINDINGS[PointFindingCode(code)].in_language(current_language())


def sentence(
    plan: Plan, trouble: Trouble | None, found: Preview | None, telling: Telling | None
) -> tuple[str, str, str, str]:
    """How things are, what somebody has to do, and the tone and sign of both."""
    when = between(plan.from_at, plan.to_at)
    todo, tone, icon = _todo(plan, trouble, found)
    words = {
        "DRAFT": gettext("Planned for %(when)s; not approved yet.", when=when),
        "APPROVED": gettext("Approved for %(when)s; nobody has been told yet.", when=when),
        "ANNOUNCED": gettext("Announced: the power will be off %(when)s.", when=when),
        "RESCHEDULED": gettext("Moved: the power will be off %(when)s.", when=when),
        "REMINDED": gettext("Time to remind: the power will be off %(when)s.", when=when),
        "ONGOING": gettext(
            "The power is off since %(since)s, until %(until)s by plan.",
            since=moment(plan.outage.started_at),
            until=moment(plan.to_at),
        ),
        "OVERRUN": gettext(
            "It takes longer than planned: the power is off since %(since)s.",
            since=moment(plan.outage.started_at),
        ),
        "CANCELLED": gettext("Cancelled. It was planned for %(when)s.", when=when),
    }
    if plan.state == "ENDED" and plan.outage.restored_at is not None:
        text = gettext("The power is back since %(at)s.", at=moment(plan.outage.restored_at))
    else:
        text = words.get(plan.state, plan.state)
    if telling is not None:
        text = f"{text} {_told(telling)}"
        if telling.guarded and tone == "info":
            tone, icon = "warn", "held"
    return text, todo, tone, icon


def _told(telling: Telling) -> str:
    """Who has been told, and who has not yet, in numbers."""
    parts = []
    if telling.guarded:
        parts.append(gettext("A second person has to let the messages go first."))
    if telling.being_written:
        parts.append(gettext("The messages are being written."))
    if telling.left:
        parts.append(
            ngettext(
                "%(count)s message has left.",
                "%(count)s messages have left.",
                telling.left,
                count=quantity(telling.left),
            )
        )
    if telling.held:
        parts.append(
            ngettext(
                "%(count)s waits for the end of quiet hours.",
                "%(count)s wait for the end of quiet hours.",
                telling.held,
                count=quantity(telling.held),
            )
        )
    if telling.queued:
        parts.append(
            ngettext(
                "%(count)s waits to be sent.",
                "%(count)s wait to be sent.",
                telling.queued,
                count=quantity(telling.queued),
            )
        )
    return " ".join(parts) or gettext("No message goes to anybody.")


_TROUBLE: Mapping[Trouble, tuple[object, str, str]] = {
    Trouble.NOT_ANNOUNCED: (
        _l("It should have begun and nobody was told. Cancel it, or plan it anew."),
        "fail",
        "warn",
    ),
    Trouble.NOTICE_LATE: (
        _l(
            "It can no longer be announced two working days ahead: announce it with a reason,"
            " change it, or cancel it."
        ),
        "fail",
        "warn",
    ),
    Trouble.OVERRUN: (_l("Say when it will end, or that it has ended."), "warn", "warn"),
    Trouble.CHANGE_WAITS: (
        _l("The DMS wants another plan. Decide whether people are told of it."),
        "warn",
        "warn",
    ),
}
_TONES = {
    "ONGOING": ("warn", "off"),
    "OVERRUN": ("warn", "off"),
    "ENDED": ("ok", "power"),
    "CANCELLED": ("calm", "calm"),
}


def _todo(plan: Plan, trouble: Trouble | None, found: Preview | None) -> tuple[str, str, str]:
    """What somebody has to do, with the tone and sign of the whole."""
    if trouble is not None and trouble in _TROUBLE:
        words, tone, icon = _TROUBLE[trouble]
        return str(words), tone, icon
    todo = ""
    if plan.state == "DRAFT" and found is not None and found.latest_at is not None:
        if found.in_time:
            todo = gettext(
                "Somebody else has to approve it. It can be announced in time until %(at)s.",
                at=moment(found.latest_at),
            )
        else:
            todo = gettext(
                "Somebody else has to approve it, with a reason: it could be announced in time"
                " only until %(at)s.",
                at=moment(found.latest_at),
            )
    elif plan.state == "APPROVED" and plan.cut.announce_at is not None:
        todo = gettext("It will be announced %(at)s.", at=moment(plan.cut.announce_at))
    elif plan.state == "CANCELLED":
        todo = plan.cut.cancel_reason or ""
    tone, icon = _TONES.get(plan.state, ("info", "wait"))
    return todo, tone, icon
