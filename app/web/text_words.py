"""What staff read about texts of notices: what is wrong with one, what makes it dear, who did what."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from app.domain.message_checks import FaultCode, TextFault
from app.domain.message_preview import Concern, SmsPreview
from app.web.labels import LANGUAGE

_ACTIONS: Mapping[str, LazyString] = {
    "write text": _l("Wrote"),
    "submit text": _l("Submitted"),
    "take text back": _l("Took back"),
    "reject text": _l("Rejected"),
    "publish text": _l("Published"),
    "roll text back": _l("Went back to"),
    "send text as a test": _l("Sent as a test"),
}
PARTS: Mapping[str, LazyString] = {
    "sms": _l("Text message"),
    "subject": _l("Subject of the e-mail"),
    "email_lines": _l("Paragraphs of the e-mail"),
    "facts": _l("Facts of the e-mail"),
}


def action_words(action: str) -> str:
    """What somebody did."""
    return str(_ACTIONS.get(action, action))


def fault_words(fault: TextFault) -> str:
    """One thing that is wrong, and how to mend it."""
    words = {
        "languages": _and([str(LANGUAGE[language].text) for language in fault.languages]),
        "what": ", ".join(_shown(fault)),
    }
    return _fault_sentence(fault.code, words)


def concern_words(preview: SmsPreview, concern: Concern) -> str:
    """What makes one text message dearer than it need be."""
    if concern is Concern.FOREIGN_SIGNS:
        return gettext(
            "%(signs)s is outside the alphabet of text messages: only 70 characters fit into a part",
            signs=" ".join(preview.foreign),
        )
    if concern is Concern.USUAL_TOO_LONG:
        return gettext("More than one part in usual cases: each message costs double")
    return gettext("More than two parts in the longest case: shorten it")


def _fault_sentence(code: FaultCode, words: Mapping[str, str]) -> str:
    sentences = {
        FaultCode.LANGUAGE_MISSING: gettext("%(languages)s: not written yet", **words),
        FaultCode.PART_EMPTY: gettext("%(languages)s: %(what)s not written yet", **words),
        FaultCode.LANGUAGES_EQUAL: gettext(
            "%(languages)s: the same words; translate one of them", **words
        ),
        FaultCode.PLACEHOLDERS_DIFFER: gettext(
            "%(languages)s: must have the same placeholders; %(what)s is only in one", **words
        ),
        FaultCode.PLACEHOLDER_UNKNOWN: gettext(
            "%(languages)s: %(what)s is no placeholder of this message", **words
        ),
        FaultCode.PLACEHOLDER_REQUIRED: gettext(
            "%(languages)s: the text message must have %(what)s", **words
        ),
        FaultCode.BRACKETS_LOOSE: gettext(
            "%(languages)s: double brackets that are no placeholder", **words
        ),
        FaultCode.LINK: gettext("%(languages)s: no links in our name (%(what)s)", **words),
        FaultCode.CODE_ASKED: gettext(
            "%(languages)s: we never speak of codes or passwords (%(what)s)", **words
        ),
        FaultCode.REPLY_ONE_WAY: gettext(
            "%(languages)s: asks for an answer (%(what)s) where nobody can answer", **words
        ),
        FaultCode.ONE_WAY_MISSING: gettext(
            "%(languages)s: asks for an answer (%(what)s), so it also needs the text without",
            **words,
        ),
        FaultCode.ONE_WAY_NEEDLESS: gettext(
            "%(languages)s: this message never asks for an answer; leave the text without empty",
            **words,
        ),
        FaultCode.MARKETING: gettext(
            "%(languages)s: no adverts in messages about the service (%(what)s)", **words
        ),
        FaultCode.MARKETING_FLAG: gettext(
            "Somebody has to confirm that it is about the service only and advertises nothing"
        ),
        FaultCode.SENDER_UNLISTED: gettext(
            "The sender %(what)s is not on the list of authorised senders", **words
        ),
    }
    return sentences[code]


def _shown(fault: TextFault) -> list[str]:
    if fault.code in (
        FaultCode.PLACEHOLDERS_DIFFER,
        FaultCode.PLACEHOLDER_UNKNOWN,
        FaultCode.PLACEHOLDER_REQUIRED,
    ):
        return [f"(({name}))" for name in fault.what]
    if fault.code is FaultCode.PART_EMPTY:
        return [str(PARTS[name]) for name in fault.what]
    return list(fault.what)


def _and(names: list[str]) -> str:
    return (
        gettext("%(one)s and %(other)s", one=names[0], other=names[1])
        if len(names) == 2
        else "".join(names)
    )
