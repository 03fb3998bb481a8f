"""A fault at one metering point, in words that an agent can say on the phone."""

from __future__ import annotations

from datetime import datetime

from flask_babel import gettext

from app.domain.cause_codes import cause_shown
from app.domain.etr import shown_etr
from app.domain.power_cuts import Cut
from app.web.formats import moment
from app.web.i18n import current_language


def fault_sentence(cut: Cut, now: datetime) -> tuple[str, str, str]:
    """The sentence, its tone and its sign; an estimate that has passed is never said (REQ-06)."""
    facts = {"since": moment(cut.off_at), "cause": cause_words(cut)}
    if cut.state == "DETECTED":
        text = gettext(
            "Power may have been off since %(since)s: it was reported from here or from nearby, and"
            " is being looked into.",
            **facts,
        )
        return text, "warn", "unknown"
    text = gettext("The power has been off since %(since)s: %(cause)s.", **facts)
    etr_at = shown_etr(cut.etr_at, now)
    if etr_at is not None:
        text += " " + gettext("It is estimated to be back %(when)s.", when=moment(etr_at))
    elif cut.etr_at is not None:
        text += " " + gettext("The repair takes longer than estimated; there is no new time yet.")
    else:
        text += " " + gettext("When it will be back is not known yet.")
    return text, "fail", "off"


def cause_words(cut: Cut) -> str:
    """Why the power went, where that is known to the network; nothing for a meter replacement."""
    if cut.kind != "FAULT":
        return ""
    return cause_shown(cut.cause_code).in_language(current_language())
