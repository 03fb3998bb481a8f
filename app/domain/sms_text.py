"""What a text message weighs: its encoding, its units and the parts that it is charged for.

One character outside the GSM alphabet more than halves what fits into a part, so texts are put
into composed form and typographic signs into plain ones before they are counted and sent (REQ-25).
Source: 3GPP TS 23.038 (alphabet), 23.040 (parts).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each of these takes an escape sign and itself.
_EXTENDED = frozenset("\f^{}\\[~]|€")

_PLAIN = {
    **dict.fromkeys("‐‑‒–—―−⁃•", "-"),
    **dict.fromkeys("‘’‚‛′´`ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys(
        "\u00a0\u1680\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\t", " "
    ),
    # Invisible signs: soft hyphen, zero-width spaces and joiners, direction marks.
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""),
    "…": "...",
    "×": "x",
    "‹": "<",
    "›": ">",
}
_TO_PLAIN = str.maketrans(_PLAIN)


class Encoding(StrEnum):
    """How the characters of a text message travel."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class SmsSize:
    """Units: septets in GSM-7, 16-bit units in UCS-2. Parts: what the operator charges for."""

    encoding: Encoding
    units: int
    parts: int


def plain_sms(text: str) -> str:
    """The text in composed form with typographic signs replaced; letters are never changed."""
    return unicodedata.normalize("NFC", text).translate(_TO_PLAIN)


def sms_parts(text: str) -> SmsSize:
    """Weigh a text exactly as given; an empty text is one part."""
    if _BASIC.issuperset(text):
        return _size(Encoding.GSM7, [1] * len(text), 160, 153)
    if all(sign in _BASIC or sign in _EXTENDED for sign in text):
        return _size(Encoding.GSM7, [1 if sign in _BASIC else 2 for sign in text], 160, 153)
    return _size(Encoding.UCS2, [2 if ord(sign) > 0xFFFF else 1 for sign in text], 70, 67)


def foreign_to_gsm7(text: str, limit: int = 5) -> tuple[str, ...]:
    """The first characters that push a text into UCS-2, for a warning beside a preview."""
    foreign = (sign for sign in text if sign not in _BASIC and sign not in _EXTENDED)
    return tuple(islice(dict.fromkeys(foreign), limit))


def _size(encoding: Encoding, widths: list[int], single: int, joined: int) -> SmsSize:
    units = sum(widths)
    if units <= single:
        return SmsSize(encoding, units, 1)
    # A sign of two units is never torn apart, so a part may end one unit early.
    parts, room = 1, joined
    for width in widths:
        if width > room:
            parts, room = parts + 1, joined
        room -= width
    return SmsSize(encoding, units, parts)
