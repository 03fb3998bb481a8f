"""What somebody meant who answered a text message: one of a few words, a number, or nothing sure.

Only what is plain is acted on; the rest is for a person. One rule comes before all others: whoever
says stop is taken at their word, also in the middle of a sentence, because a message too few does
less harm than one that was not wanted (REQ-11).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.languages import Language


class ReplyWord(StrEnum):
    """What a reply asks for."""

    STOP = "STOP"
    START = "START"
    ENROL = "ENROL"
    OUTAGE = "OUTAGE"
    STATUS = "STATUS"
    YES = "YES"
    NO = "NO"
    HELP = "HELP"
    NUMBER = "NUMBER"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it was understood.

    language: that of the word, where it is a word of one language only. number: of a numbered
    question, or beside a word. customer_no and point_no: of an enrolment, as they were written.
    """

    word: ReplyWord
    language: Language | None = None
    number: int | None = None
    customer_no: str | None = None
    point_no: str | None = None


UNCLEAR = Reply(ReplyWord.UNCLEAR)


def parse_reply(text: str) -> Reply:
    """Understand one text message; anything that is not plain is UNCLEAR, never a guess."""
    words = _words(text)
    if _stops(words):
        return Reply(ReplyWord.STOP, _language_of(words, ReplyWord.STOP))
    enrolment = _enrolment(text)
    if enrolment is not None:
        return enrolment
    return _plain([word for word in words if word not in _POLITE])


def _plain(words: list[str]) -> Reply:
    """One of our words, a number, or both; anything else beside them makes it UNCLEAR."""
    numbers = [word for word in words if word.isdigit()]
    said = [word for word in words if not word.isdigit()]
    number = _choice(numbers)
    if len(numbers) > 1 or (numbers and number is None):
        return UNCLEAR
    if number is not None and set(said) <= _NUMBER_SIGNS:
        return Reply(ReplyWord.NUMBER, number=number)
    meanings = {_WORDS.get(word) for word in said}
    word = meanings.pop() if len(meanings) == 1 else None
    # "No 2" may be the number two or a refusal of it.
    if word is None or (number is not None and (word not in _NUMBERED or said == ["no"])):
        return UNCLEAR
    return Reply(word, _language_of(said, word), number)


def _words(text: str) -> list[str]:
    """The words without case, signs and dots above letters; letters that were spaced out are joined."""
    whole = unicodedata.normalize("NFKD", _LOST_LETTER.sub("a", text)).casefold()
    bare = "".join(sign for sign in whole if not unicodedata.category(sign).startswith(("M", "Cf")))
    words = _WORD.findall(bare.translate(_NORDIC))
    if len(words) > 1 and all(len(word) == 1 and word.isalpha() for word in words):
        return ["".join(words)]
    return words


def _stops(words: list[str]) -> bool:
    bare = [word for word in words if word not in _POLITE]
    if len(bare) <= _SHORT and any(word in _STOP_IN_SHORT for word in bare[:1]):
        return True
    for place, word in enumerate(words):
        if word in _STOP_ANYWHERE and not (place and words[place - 1] in _NOT):
            return True
    return False


def _enrolment(text: str) -> Reply | None:
    """START, a customer number and a point number; both have a digit in them."""
    parts = [part.strip(_AROUND) for part in text.split()]
    parts = [part for part in parts if part]
    if len(parts) != 3 or _WORDS.get("".join(_words(parts[0]))) is not ReplyWord.START:
        return None
    customer_no, point_no = parts[1], parts[2]
    if not (_IDENTIFIER.fullmatch(customer_no) and _IDENTIFIER.fullmatch(point_no)):
        return None
    return Reply(
        ReplyWord.ENROL,
        _language_of(_words(parts[0]), ReplyWord.START),
        customer_no=customer_no,
        point_no=point_no,
    )


def _choice(numbers: Iterable[str]) -> int | None:
    for word in numbers:
        # Decimal digits of other scripts are no answer that we would read rightly.
        if word.isascii() and len(word) <= 2 and int(word) > 0:
            return int(word)
    return None


def _language_of(words: Iterable[str], meaning: ReplyWord) -> Language | None:
    found = {_LANGUAGES.get(word) for word in words if _MEANING.get(word) is meaning}
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FI, _SV, _EN = Language.FI, Language.SV, Language.EN
# By meaning, the words of each language and those that belong to more than one, without dots.
_VOCABULARY: Mapping[ReplyWord, Mapping[Language | None, str]] = {
    ReplyWord.STOP: {
        _FI: "seis lopeta lopettakaa lopettaa",
        _SV: "stopp sluta stoppa avsluta",
        _EN: "unsubscribe end quit cancel revoke",
        None: "stop stopall optout",
    },
    ReplyWord.START: {_FI: "aloita aloittakaa", _SV: "starta borja", _EN: "unstop", None: "start"},
    ReplyWord.OUTAGE: {
        _FI: "katko sahkokatko",
        _SV: "avbrott elavbrott stromavbrott",
        _EN: "out outage",
    },
    ReplyWord.STATUS: {_FI: "tila tilanne", _SV: "lage laget", None: "status"},
    ReplyWord.YES: {
        _FI: "kylla kyll joo",
        _SV: "ja jo",
        _EN: "yes yeah",
        None: "ok okei okej okay",
    },
    ReplyWord.NO: {_FI: "ei", _SV: "nej", _EN: "no nope"},
    ReplyWord.HELP: {
        _FI: "ohje ohjeet apua",
        _SV: "hjalp hjalpa",
        _EN: "help",
        None: "info",
    },
}
_MEANING = {
    word: meaning
    for meaning, languages in _VOCABULARY.items()
    for words in languages.values()
    for word in words.split()
}
_LANGUAGES = {
    word: language
    for languages in _VOCABULARY.values()
    for language, words in languages.items()
    for word in words.split()
}
_WORDS = {word: meaning for word, meaning in _MEANING.items() if meaning is not ReplyWord.STOP}

# Commands to us and to nobody else; the other words of STOP also end contracts and calls, so they
# count only at the head of a short message.
_STOP_ANYWHERE = _set("stop stopp seis lopeta sluta stopall unsubscribe optout")
_STOP_IN_SHORT = frozenset(word for word, meaning in _MEANING.items() if meaning is ReplyWord.STOP)
_SHORT = 3
# "Don't stop": then a person reads it.
_NOT = _set("ala alkaa alka dont t not never inte ej")

_NUMBERED = frozenset({ReplyWord.OUTAGE, ReplyWord.STATUS, ReplyWord.YES, ReplyWord.NO})
_NUMBER_SIGNS = _set("nro nr numero nummer number")
_POLITE = _set(
    "kiitos kiitti tack snalla thanks thank you please hei moi hej hello hi terveisin terv mvh"
    " ystavallisin regards"
)

_WORD = re.compile(r"\d+|[^\W\d_]+")
_IDENTIFIER = re.compile(r"(?=.*\d)[0-9A-Za-z][0-9A-Za-z./_-]{1,39}", re.ASCII)
_AROUND = ".,;:!?\"'()<>[]«»“”„’‘"
# Some gateways write a question mark for a letter that they do not know: L?GE, HJ?LP.
_LOST_LETTER = re.compile("(?<=[^\\W\\d_])[?\ufffd](?=[^\\W\\d_])")
# Letters that do not fall apart into a plain one and its dots.
_NORDIC = str.maketrans({"ø": "o", "æ": "a", "ß": "s", "ı": "i"})
