"""What customer service may write to a customer in its own words."""

from __future__ import annotations

from enum import StrEnum

from app.domain.message_checks import FaultCode, check_words
from app.domain.sms_text import SmsSize, plain_sms, sms_parts

# More belongs into an e-mail or a call.
PARTS_MAX = 4


class TextProblem(StrEnum):
    """Why a text may not leave."""

    EMPTY = "EMPTY"
    TOO_LONG = "TOO_LONG"
    LINK = "LINK"
    CODE_ASKED = "CODE_ASKED"
    MARKETING = "MARKETING"


_OF_FAULT = {
    FaultCode.LINK: TextProblem.LINK,
    FaultCode.CODE_ASKED: TextProblem.CODE_ASKED,
    FaultCode.MARKETING: TextProblem.MARKETING,
}


def clean_text(words: str) -> str:
    """One line in plain signs, as it will leave."""
    return " ".join(plain_sms(words).split())


def weigh(words: str, frame: str) -> SmsSize:
    """What the whole message weighs; frame is what stands around the words."""
    return sms_parts(frame + clean_text(words))


def check_text(words: str, frame: str) -> TextProblem | None:
    """Why the words may not leave, or None; links, codes and adverts never do (REQ-28, REQ-30)."""
    if not clean_text(words):
        return TextProblem.EMPTY
    if weigh(words, frame).parts > PARTS_MAX:
        return TextProblem.TOO_LONG
    for fault in check_words(words):
        return _OF_FAULT[fault]
    return None
