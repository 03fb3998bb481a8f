"""The confirmations of planned cuts in words: what is asked, what it does, what is said after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from app.domain.planned_course import Action


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to confirm. warning: it cannot be taken back or takes something away."""

    name: str
    action: Action | None
    title: LazyString
    lead: LazyString
    button: LazyString
    done: LazyString
    warning: bool = False


_ALL = (
    Act(
        "approve",
        Action.APPROVE,
        _l("Approve the cut"),
        _l("Look at who will be told, and let it go."),
        _l("Approve"),
        _l("The cut is approved."),
    ),
    Act(
        "announce",
        Action.ANNOUNCE,
        _l("Announce the cut now"),
        _l("Everybody at the metering points is told at once."),
        _l("Announce now"),
        _l("The cut is announced."),
    ),
    Act(
        "reschedule",
        Action.RESCHEDULE,
        _l("Change the time or add metering points"),
        _l(
            "A new time is told to exactly those who were told of the old one, by the same channel."
            " Points can be added, but not taken out: for that, cancel the cut and plan another."
        ),
        _l("Change and tell"),
        _l("The cut is changed, and people are being told."),
    ),
    Act(
        "cancel",
        Action.CANCEL,
        _l("Cancel the cut"),
        _l("Exactly those who were told of it are told that it is off; nobody else is."),
        _l("Cancel the cut"),
        _l("The cut is cancelled."),
        warning=True,
    ),
    Act(
        "keep",
        None,
        _l("Keep the plan as it is"),
        _l("What the DMS wants is not done, and nobody is told of it."),
        _l("Keep the plan"),
        _l("The plan stays as it is."),
    ),
    Act(
        "begin",
        Action.BEGIN,
        _l("The power is off"),
        _l("When did the power go? Without this the cut begins by the clock."),
        _l("The power is off"),
        _l("The cut has begun."),
    ),
    Act(
        "restore",
        Action.RESTORE,
        _l("Some have power again"),
        _l("These metering points are on; nobody there hears of a delay any more."),
        _l("These have power again"),
        _l("The metering points have power again."),
    ),
    Act(
        "extend",
        Action.EXTEND,
        _l("It takes longer"),
        _l("Those who are still without power are told the new end at once."),
        _l("Tell the new end"),
        _l("The new end is being told."),
    ),
    Act(
        "end",
        Action.END,
        _l("The power is back"),
        _l("When was the power back everywhere?"),
        _l("The power is back"),
        _l("The cut has ended."),
    ),
)
ACTS: Mapping[str, Act] = {act.name: act for act in _ALL}
