"""Why a customer got, or did not get, one message: from the decision to the provider's last word."""

from __future__ import annotations

from datetime import timedelta

from flask import abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db
from app.domain.notice_types import NOTICE_RULES, NoticeRule, NoticeType, Urgency
from app.domain.quiet_hours import DEFAULT_QUIET_FROM, DEFAULT_QUIET_TO
from app.domain.roles import Permission
from app.domain.states import NoticeState
from app.queries.notice_why import NoticeWhy, Sibling, find_why
from app.web.access import role_required
from app.web.agents.blueprint import blueprint
from app.web.agents.messages import words_without
from app.web.decisions import decision_text
from app.web.formats import span
from app.web.labels import Label, label
from app.web.wording import suppress_text

_WAITED = frozenset({NoticeState.SUPERSEDED, NoticeState.SUPPRESSED, NoticeState.EXPIRED})
_AHEAD_OF_A_CUT = frozenset(
    {NoticeType.PLANNED_NOTICE, NoticeType.PLANNED_CHANGED, NoticeType.PLANNED_REMINDER}
)


@blueprint.get("/notices/<int:number>")
@role_required(Permission.LOOKUP)
def notice(number: int) -> ResponseReturnValue:
    """The decision with its rule and grounds, then every call and every report."""
    why = find_why(db.session(), number)
    if why is None:
        abort(404)
    rule = NOTICE_RULES[NoticeType(why.notice.type)]
    replaced_by = _replaced_by(why)
    return render_template(
        "agents/notice.html",
        why=why,
        state=_state(why),
        decision=decision_text(why.notice.decision),
        decision_explains=why.notice.state != NoticeState.SUPERSEDED and not _is_by_letter(why),
        why_not=_why_not(why, replaced_by),
        rule_lines=_rule_lines(rule),
        quiet=_quiet_hours(why),
        replaced_by=replaced_by,
        way_back=_way_back(why),
        words=_words(why),
        hidden=_is_hidden(why),
    )


def _is_hidden(why: NoticeWhy) -> bool:
    """Whether addresses and numbers are not for this page; the point's shows them to whoever may look."""
    banned = why.customer is not None and why.customer.personal_safety_ban
    return why.safety_ban or banned


def _words(why: NoticeWhy) -> tuple[str | None, str | None]:
    """Subject and text as they were, but for an address under a safety ban (REQ-31)."""
    notice = why.notice
    if not _is_hidden(why):
        return notice.subject, notice.body
    streets = [point.street_name for point in why.points if point.street_name]
    subject = words_without(notice.subject, streets, notice.language)
    return subject, words_without(notice.body, streets, notice.language)


def _rule_lines(rule: NoticeRule) -> list[str]:
    """What the policy goes by for this kind of message, in sentences."""
    lines = [
        {
            Urgency.SAFETY: gettext("It is about safety, so it leaves at any hour."),
            Urgency.LIVE: gettext("It leaves at any hour while it is happening."),
            Urgency.ORDINARY: gettext("It waits for the end of quiet hours."),
        }[rule.urgency],
        gettext("It is worth reading for %(span)s.", span=span(rule.good_for)),
    ]
    if rule.must_reach:
        lines.append(gettext("It leaves also to somebody who has left the topic."))
    if rule.only_while_it_lasts:
        lines.append(gettext("It is not sent once the matter is over."))
    if rule.repeats_after is not None and rule.repeats_after > timedelta(0):
        lines.append(gettext("At most once in %(span)s.", span=span(rule.repeats_after)))
    if rule.supersedes:
        names = ", ".join(sorted(str(label("notice_type", kind).text) for kind in rule.supersedes))
        lines.append(gettext("It replaces what has not left yet of: %(names)s.", names=names))
    return lines


def _quiet_hours(why: NoticeWhy) -> tuple[str, bool]:
    """The contact's quiet hours at that time, and whether they were the company's default."""
    if why.quiet is None:
        return f"{DEFAULT_QUIET_FROM:%H.%M}–{DEFAULT_QUIET_TO:%H.%M}", True
    return why.quiet.replace("-", "–"), False


def _state(why: NoticeWhy) -> Label:
    """Where the message stands, or the letter that is owed instead."""
    if why.letter is None or not _is_by_letter(why):
        return label("notice", why.notice.state)
    if why.letter.state == "POSTED":
        return Label(gettext("Told by letter"), "info", "sent")
    return Label(gettext("To be told by letter"), "warn", "wait")


def _why_not(why: NoticeWhy, replaced_by: Sibling | None) -> str | None:
    """Why nothing left, in a sentence; None where nothing kept it."""
    reason = why.notice.suppress_reason
    if reason is None:
        return None
    if _is_by_letter(why):
        return gettext(
            "Neither a text message nor an e-mail reaches them, so they read of it in a letter."
        )
    if replaced_by is not None:
        return gettext("A later message took its place:")
    if reason == "SUPERSEDED" and NoticeType(why.notice.type) in _AHEAD_OF_A_CUT:
        return gettext("Why not: the plan was changed or called off before it left")
    return gettext("Why not: %(reason)s", reason=suppress_text(reason))


def _is_by_letter(why: NoticeWhy) -> bool:
    """Whether a letter was owed instead, and nobody has withdrawn it."""
    if why.letter is None or why.letter.state == "WITHDRAWN":
        return False
    return why.notice.state == NoticeState.SUPPRESSED


def _replaced_by(why: NoticeWhy) -> Sibling | None:
    """The later message that took this one's place, if that is why it did not leave."""
    if why.notice.state not in _WAITED or why.notice.suppress_reason != "SUPERSEDED":
        return None
    kind = NoticeType(why.notice.type)
    for one in why.after:
        later = NoticeType(one.type)
        if one.state != NoticeState.SUPPRESSED and (
            later is kind or kind in NOTICE_RULES[later].supersedes
        ):
            return one
    return None


def _way_back(why: NoticeWhy) -> tuple[str, str]:
    """Where the reader most likely came from."""
    if request.args.get("from") == "announcement" and why.announcement is not None:
        number = why.announcement.id
        text = gettext("Announcement %(number)s", number=number)
        return text, url_for("operators.announcement", number=number)
    kind, _, order_no = (why.announcement.subject if why.announcement else "").partition(":")
    if kind == "connection":
        return gettext("Connection order"), url_for("agents.connection", order_no=order_no)
    if why.notice.gsrn:
        return gettext("Metering point"), url_for("agents.point", gsrn=why.notice.gsrn)
    return gettext("Search"), url_for("agents.search")
