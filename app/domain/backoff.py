"""How long to wait before a call is tried again."""

from __future__ import annotations

import zlib

FIRST_S = 2.0
CAP_S = 900.0
# The longest part of a delay that the key decides, so that what failed together returns apart.
_SPREAD = 0.5


def retry_delay_s(attempts: int, key: str) -> float:
    """Seconds to wait after the n-th failed attempt (n from 1): doubled each time, then capped.

    The spread comes from the key instead of a random number: the same item always waits the same.
    """
    full = min(CAP_S, FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 20))
    share = zlib.crc32(f"{key}/{attempts}".encode()) / 2**32
    return full * (1 - _SPREAD * share)
