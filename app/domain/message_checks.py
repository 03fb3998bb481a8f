"""What keeps a set of texts from being used, whether it was shipped or written by staff.

A text is only usable as a whole set: a missing language, one that repeats another, or placeholders
that differ are faults of the set (REQ-24). Nobody should learn to follow links or to tell codes in
our name (REQ-28), to answer where nobody listens (REQ-29), or find an advert in a message that they
cannot do without (REQ-30).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.languages import Language
from app.domain.message_text import (
    MessageSet,
    MessageText,
    placeholders,
    without_placeholders,
)
from app.domain.notice_types import NoticeType
from app.domain.notice_values import placeholders_of
from app.domain.sender_profiles import TWO_WAY_KINDS, Senders, sender_for


class FaultCode(StrEnum):
    """What can be wrong with a set of texts."""

    LANGUAGE_MISSING = "LANGUAGE_MISSING"
    PART_EMPTY = "PART_EMPTY"
    LANGUAGES_EQUAL = "LANGUAGES_EQUAL"
    PLACEHOLDERS_DIFFER = "PLACEHOLDERS_DIFFER"
    PLACEHOLDER_UNKNOWN = "PLACEHOLDER_UNKNOWN"
    PLACEHOLDER_REQUIRED = "PLACEHOLDER_REQUIRED"
    BRACKETS_LOOSE = "BRACKETS_LOOSE"
    LINK = "LINK"
    CODE_ASKED = "CODE_ASKED"
    REPLY_ONE_WAY = "REPLY_ONE_WAY"
    ONE_WAY_MISSING = "ONE_WAY_MISSING"
    ONE_WAY_NEEDLESS = "ONE_WAY_NEEDLESS"
    MARKETING = "MARKETING"
    MARKETING_FLAG = "MARKETING_FLAG"
    SENDER_UNLISTED = "SENDER_UNLISTED"


@dataclass(frozen=True, slots=True)
class TextFault:
    """One thing wrong: in which language or languages, and the words that show it."""

    code: FaultCode
    languages: tuple[Language, ...] = ()
    what: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The fault in English, for whoever starts the product."""
        return _SENTENCES[self.code].format(
            languages=" and ".join(self.languages), what=", ".join(self.what)
        )


def check_message(kind: NoticeType, message: MessageSet) -> Iterator[TextFault]:
    """Yield every fault of a set; none means that it may be used."""
    whole: dict[Language, MessageText] = {}
    for language in Language:
        text = message.get(language)
        if text is None or not any(part.strip() for part in text.all_texts()):
            yield TextFault(FaultCode.LANGUAGE_MISSING, (language,))
        elif blank := _blank_parts(text):
            yield TextFault(FaultCode.PART_EMPTY, (language,), blank)
        else:
            whole[language] = text
            yield from _check_language(kind, language, text)
    yield from _compared(whole)


def check_senders(kind: NoticeType, senders: Senders) -> Iterator[TextFault]:
    """Yield a fault if the text message would leave from an id that nobody authorised (REQ-28)."""
    sender = sender_for(kind, senders).id
    if sender not in senders.authorised:
        yield TextFault(FaultCode.SENDER_UNLISTED, (), (sender,))


def reply_words(text: str) -> tuple[str, ...]:
    """Words that ask for an answer: to answer in each language, and what may be answered."""
    return tuple(dict.fromkeys(found[0] for found in _REPLY.finditer(without_placeholders(text))))


def check_words(text: str) -> Iterator[FaultCode]:
    """Yield what is wrong with words that somebody wrote to one customer (REQ-28, REQ-30)."""
    for code, pattern in (
        (FaultCode.LINK, _LINK),
        (FaultCode.CODE_ASKED, _SECRET),
        (FaultCode.MARKETING, _ADVERT),
    ):
        if pattern.search(text):
            yield code


def required_in_sms(kind: NoticeType) -> frozenset[str]:
    """Without these a text message does not say who, where and what."""
    return frozenset({"brand", *_REQUIRED[kind].split()})


def _blank_parts(text: MessageText) -> tuple[str, ...]:
    """The parts of a text that nobody has written yet."""
    parts = {
        "sms": (text.sms,),
        "subject": (text.subject,),
        "email_lines": text.email_lines or ("",),
        "facts": tuple(cell for row in text.facts for cell in row) or ("",),
    }
    return tuple(name for name, cells in parts.items() if not all(map(str.strip, cells)))


def _check_language(kind: NoticeType, language: Language, text: MessageText) -> Iterator[TextFault]:
    def fault(code: FaultCode, *what: str) -> TextFault:
        return TextFault(code, (language,), what)

    whole = text.all_texts()
    used = frozenset().union(*map(placeholders, whole))
    if unknown := sorted(used - placeholders_of(kind)):
        yield fault(FaultCode.PLACEHOLDER_UNKNOWN, *unknown)
    required = required_in_sms(kind)
    missing = required - placeholders(text.sms)
    if text.sms_one_way is not None:
        missing |= (required | {"phone"}) - placeholders(text.sms_one_way)
    if missing:
        yield fault(FaultCode.PLACEHOLDER_REQUIRED, *sorted(missing))
    words = [without_placeholders(part) for part in whole]
    if any(_LOOSE.search(part) for part in words):
        yield fault(FaultCode.BRACKETS_LOOSE)
    if links := _found(_LINK, words):
        yield fault(FaultCode.LINK, *links)
    if kind is not NoticeType.VERIFY_CODE and (secrets := _found(_SECRET, words)):
        yield fault(FaultCode.CODE_ASKED, *secrets)
    if adverts := _found(_ADVERT, words):
        yield fault(FaultCode.MARKETING, *adverts)
    yield from _check_replies(kind, language, text)


def _check_replies(kind: NoticeType, language: Language, text: MessageText) -> Iterator[TextFault]:
    """Words that ask for an answer stand only where a number sends them; e-mails are one-way too."""
    one_way = [*text.email_texts()]
    asked = reply_words(text.sms)
    if text.sms_one_way is not None:
        one_way.append(text.sms_one_way)
        if kind not in TWO_WAY_KINDS:
            yield TextFault(FaultCode.ONE_WAY_NEEDLESS, (language,))
    elif asked and kind in TWO_WAY_KINDS:
        yield TextFault(FaultCode.ONE_WAY_MISSING, (language,), asked)
    if kind not in TWO_WAY_KINDS:
        one_way.append(text.sms)
    words = tuple(dict.fromkeys(word for part in one_way for word in reply_words(part)))
    if words:
        yield TextFault(FaultCode.REPLY_ONE_WAY, (language,), words)


def _compared(message: MessageSet) -> Iterator[TextFault]:
    languages = list(message)
    for place, language in enumerate(languages):
        for other in languages[:place]:
            ours, theirs = message[language], message[other]
            pair = (other, language)
            if _repeats(ours, theirs):
                yield TextFault(FaultCode.LANGUAGES_EQUAL, pair)
            if _asked_for(ours) != _asked_for(theirs):
                differ = frozenset().union(
                    *(
                        one ^ two
                        for one, two in zip(_asked_for(ours), _asked_for(theirs), strict=True)
                    )
                )
                yield TextFault(FaultCode.PLACEHOLDERS_DIFFER, pair, tuple(sorted(differ)))


def _repeats(ours: MessageText, theirs: MessageText) -> bool:
    """Whether anything that must differ between languages was copied."""
    return (
        _same(ours.sms, theirs.sms)
        or _same(ours.subject, theirs.subject)
        or _same(" ".join(ours.email_lines), " ".join(theirs.email_lines))
        or (ours.sms_one_way is not None and _same(ours.sms_one_way, theirs.sms_one_way or ""))
    )


def _same(one: str, other: str) -> bool:
    ours, theirs = (" ".join(text.casefold().split()) for text in (one, other))
    return ours == theirs != ""


def _asked_for(text: MessageText) -> tuple[frozenset[str], ...]:
    """The placeholders of each text message and of the e-mail as a whole."""
    return (
        placeholders(text.sms),
        placeholders(text.sms_one_way or ""),
        frozenset().union(*map(placeholders, text.email_texts())),
    )


def _found(pattern: re.Pattern[str], words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found[0] for part in words for found in pattern.finditer(part)))


_T = NoticeType
_REQUIRED: Mapping[NoticeType, str] = {
    _T.METER_SWAP_ANNOUNCED: "addr date t1 t2",
    _T.METER_SWAP_BOOK: "addr date t1 t2",
    _T.METER_SWAP_REMINDER: "addr date t1 t2",
    _T.METER_SWAP_RESCHEDULED: "addr date t1 t2",
    _T.METER_SWAP_CANCELLED: "addr date",
    _T.METER_SWAP_STARTED: "addr t1",
    _T.METER_SWAP_DONE: "addr t2 phone",
    _T.METER_SWAP_DONE_STILL_OFF: "addr t2 phone",
    _T.METER_SWAP_FAILED: "addr date reason",
    _T.FAULT_STARTED: "addr t1",
    _T.FAULT_ETR: "addr date t2",
    _T.FAULT_ETR_CHANGED: "addr date t2",
    _T.FAULT_ETR_DELAYED: "addr",
    _T.FAULT_PARTLY_RESTORED: "addr etr",
    _T.FAULT_RESTORED: "addr t2 phone",
    _T.MORNING_SUMMARY: "addr t2 phone",
    _T.PLANNED_NOTICE: "addr date t1 t2",
    _T.PLANNED_REMINDER: "addr t1 t2",
    _T.PLANNED_CHANGED: "addr date t1 t2",
    _T.PLANNED_CANCELLED: "addr date",
    _T.PLANNED_OVERRUN: "addr etr",
    _T.AREA_PLANNED: "area date t1",
    _T.STORM_BULLETIN: "area",
    _T.SAFETY_WARNING: "area",
    _T.COMPENSATION: "addr dur",
    _T.CORRECTION: "addr t1",
    _T.CORRECTION_STILL_OFF: "addr t1 etr",
    _T.CONN_RECEIVED: "order addr week",
    _T.CONN_PLANNING: "order addr date t1 t2",
    _T.CONN_ENERGISE: "order addr date t1 t2",
    _T.CONN_COMPLETED: "order addr date",
    _T.CONN_DELAYED: "order week",
    _T.VERIFY_CODE: "code",
    _T.OPT_IN_OK: "addr",
    _T.OPT_OUT_OK: "",
    _T.OPT_OUT_OTHERS_ACTIVE: "active",
    _T.STATUS_NO_OUTAGE: "addr phone",
    _T.STATUS_OUTAGE: "addr etr",
    _T.STATUS_SUSPECTED: "addr t1 phone",
    _T.STATUS_PLANNED: "addr date t1 t2",
    _T.STATUS_PLANNED_ON: "addr etr",
    _T.STATUS_SWAP: "addr t1",
    _T.STATUS_SWAP_UNCONFIRMED: "addr t1 phone",
    _T.REPORT_RECEIVED: "addr",
    _T.BOOKING_OK: "addr date t1 t2",
    _T.BOOKING_NO: "addr",
    _T.HELP_REPLY: "phone",
    _T.WHICH_SITE: "sites",
    _T.NOT_UNDERSTOOD: "phone",
    _T.AGENT_REPLY: "words",
    _T.STAFF_ALARM: "rule event",
}
_SENTENCES: Mapping[FaultCode, str] = {
    FaultCode.LANGUAGE_MISSING: "There is no text in {languages}.",
    FaultCode.PART_EMPTY: "The text in {languages} lacks {what}.",
    FaultCode.LANGUAGES_EQUAL: "The texts in {languages} are the same.",
    FaultCode.PLACEHOLDERS_DIFFER: "The texts in {languages} have other placeholders: {what}.",
    FaultCode.PLACEHOLDER_UNKNOWN: "Placeholders in {languages} are not known for this kind: {what}.",
    FaultCode.PLACEHOLDER_REQUIRED: "The text message in {languages} lacks a placeholder: {what}.",
    FaultCode.BRACKETS_LOOSE: "The text in {languages} has brackets that are no placeholder.",
    FaultCode.LINK: "The text in {languages} has a link: {what}.",
    FaultCode.CODE_ASKED: "The text in {languages} speaks of codes or passwords: {what}.",
    FaultCode.REPLY_ONE_WAY: "The text in {languages} asks for an answer where nobody listens: {what}.",
    FaultCode.ONE_WAY_MISSING: "The text message in {languages} asks for an answer ({what}) and has"
    " no variant for a sender that cannot be answered.",
    FaultCode.ONE_WAY_NEEDLESS: "The variant in {languages} for a sender that cannot be answered is"
    " never used: this kind always leaves from one.",
    FaultCode.MARKETING: "The text in {languages} advertises: {what}.",
    FaultCode.MARKETING_FLAG: "The text is marked as marketing, which needs a consent of its own.",
    FaultCode.SENDER_UNLISTED: "The sender {what} is not among those authorised beforehand.",
}

_LOOSE = re.compile(r"\(\(|\)\)")
_LINK = re.compile(r"https?:\S*|www\.\S*|\b[a-z0-9-]+\.(?:fi|com|net|org|io)\b", re.IGNORECASE)
_SECRET = re.compile(
    r"\b(?:(?:koodi|salasan|tunnuslu|pankkitunnu|lösenord|password|passcode)\w*"
    r"|kod(?:en|er)?|codes?|pin)\b",
    re.IGNORECASE,
)
# Finnish "vastaanotettu" (received) is not an answer, so each form is named.
_REPLY = re.compile(
    r"\b(?i:vastaa(?:malla|mall|kaa|t|tte|minen)?|vastau\w*"
    r"|svara(?:r|nde)?|svar(?:et|en)?|repl(?:y|ies|ied|ying))\b"
    r"|\b(?:SEIS|LOPETA|SLUTA|STOPP?|ALOITA|STARTA?|KATKO|AVBROTT|OUT|TILA|LÄGE|STATUS"
    r"|OHJE|HJÄLP|HELP|OK|EI|NEJ|NO)\b"
)
_ADVERT = re.compile(
    r"\b(?:(?:tarjou|tarjoam|alennu|alehin|kampanj|mainos|etukoodi|edullisem"
    r"|erbjud|rabatt|reklam|discount|promo|bargain)\w*"
    r"|rea(?:pris\w*)?|offer(?:s|ed|ing)?|special price|sale|campaigns?)\b",
    re.IGNORECASE,
)
