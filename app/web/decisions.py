"""The policy's sentences in the reader's language.

The ledger keeps the sentence itself, in English, because it is the record; here it is only read
out. What happened to a message later stands after it, in sentences of its own.
tests/web/test_why_page.py looks for sentences of the policies that are missing here.
"""

from __future__ import annotations

import re

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

_SENTENCES = (
    _l("Quiet hours end only after the text has gone stale."),
    _l("This was decided before."),
    _l("The recipient has been told the same."),
    _l("The recipient does not want this topic."),
    _l("The recipient was not told that it had gone again."),
    _l("The recipient knows of another cut that lasts as long."),
    _l("The recipient has read this estimate last."),
    _l("There is no contact to tell."),
    _l("The contact has proved unusable."),
    _l("The contact has not been confirmed."),
    _l("The reported time is not to be believed."),
    _l("The power stays on, there is no cut to tell of."),
    _l("It was over before it could be told."),
    _l("Outside quiet hours."),
    _l("In quiet hours, but it is about safety."),
    _l("In quiet hours, which the recipient has lifted for this topic."),
    _l("In quiet hours, but it is happening right now."),
    _l("Held until the end of quiet hours."),
    _l("What it says has passed already."),
    _l("The recipient knows of the cut already."),
    _l("Some of the recipient's points are still off."),
    _l("Another outage still cuts the power there."),
    _l("The recipient was not told of the cut."),
    _l("The recipient knows of the end already."),
    _l("The recipient was not told of the plan."),
    _l("The wrong text had not left, and was stopped."),
    _l("The recipient got such a bulletin less than an hour ago."),
    _l("Held: the recipient had an update less than an hour ago."),
    _l("It can be told only after it has gone stale."),
    _l("Held: a meter has not said yet that it has its power again."),
    _l("The recipient knows of another cut there."),
    _l("The recipient was not told of the visit."),
    _l("In quiet hours, but it changes what begins before they end."),
    _l("Held until the end of quiet hours, when the estimate will have passed."),
    _l("The power went and came back while the recipient was not to be disturbed."),
    _l("The address was taken out as it left, because of a safety ban."),
    _l("As it left, another cut was on, so it does not say that the power is on."),
    _l("As it left, the other cut was over."),
    _l("As it left, another cut was on at some of its points, so it does not speak of them."),
    _l("It did not arrive and there is another channel."),
    _l("The CIS enrolled the contact."),
    _l("A code was asked for."),
)
_INSTEAD = re.compile(r"In place of notice (\d+)\.")
_AGO = re.compile(r"It happened (\d+) min ago(?:, more than (\d+) min)?\.")


def decision_text(sentence: str) -> str:
    """Sentences of the policy; one that is not known here is read out as it was written."""
    return " ".join(_read_out(one) for one in _ENDS_OF_SENTENCES.split(sentence))


_ENDS_OF_SENTENCES = re.compile(r"(?<=[a-z0-9]\.) (?=[A-Z])")


def _read_out(sentence: str) -> str:
    instead = _INSTEAD.fullmatch(sentence)
    if instead is not None:
        return gettext("In place of message %(number)s.", number=instead[1])
    ago = _AGO.fullmatch(sentence)
    if ago is not None and ago[2]:
        return gettext(
            "It happened %(minutes)s min ago, more than %(limit)s min.",
            minutes=ago[1],
            limit=ago[2],
        )
    if ago is not None:
        return gettext("It happened %(minutes)s min ago.", minutes=ago[1])
    return gettext(sentence)
