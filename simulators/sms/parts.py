"""How many parts a text takes on the air, counted as the operators do."""

from __future__ import annotations

from math import ceil

# Source: 3GPP TS 23.038, the default alphabet and its extension table.
GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = frozenset("^{}\\[~]|€\f")


def count_parts(body: str) -> tuple[str, int]:
    """The encoding (GSM-7 or UCS-2) and the number of parts of one message."""
    if GSM7.issuperset(body):
        return "GSM-7", _parts(len(body), 160, 153)
    if all(sign in GSM7 or sign in GSM7_EXTENSION for sign in body):
        units = len(body) + sum(sign in GSM7_EXTENSION for sign in body)
        return "GSM-7", _parts(units, 160, 153)
    return "UCS-2", _parts(len(body.encode("utf-16-le", "surrogatepass")) // 2, 70, 67)


def _parts(units: int, single: int, chained: int) -> int:
    return 1 if units <= single else ceil(units / chained)
