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
from app.web.decisions import decision_text
from app.web.formats import span
from app.web.labels import label

_WAITED = frozenset({NoticeState.SUPERSEDED, NoticeState.SUPPRESSED, NoticeState.EXPIRED})


@blueprint.get("/notices/<int:number>")
@role_required(Permission.LOOKUP)
def notice(number: int) -> ResponseReturnValue:
    """The decision with its rule and grounds, then every call and every report."""
    why = find_why(db.session(), number)
    if why is None:
        abort(404)
    rule = NOTICE_RULES[NoticeType(why.notice.type)]
    return render_template(
        "agents/notice.html",
        why=why,
        decision=decision_text(why.notice.decision),
        rule_lines=_rule_lines(rule),
        quiet=_quiet_hours(why),
        replaced_by=_replaced_by(why),
        way_back=_way_back(why),
    )


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


def _replaced_by(why: NoticeWhy) -> Sibling | None:
    """The later message that made this one pointless, if that is why it did not leave."""
    if why.notice.state not in _WAITED or why.notice.suppress_reason != "SUPERSEDED":
        return None
    kind = NoticeType(why.notice.type)
    return next(
        (one for one in why.after if kind in NOTICE_RULES[NoticeType(one.type)].supersedes), None
    )


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
