"""What lies in an inbox and is never taken, in words for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.sftp.inbox import LeftAlone, Reason

# A list of troubles is for reading; the rest is in the log.
SHOWN = 3
_UPLOADS_MOST = timedelta(hours=1)
_MAY_BE_COMING = (Reason.HIDDEN, Reason.UPLOADING)


def never_taken(others: Sequence[LeftAlone], now: datetime) -> list[str]:
    """What is no file, or is still being written after so long."""
    begun = int((now - _UPLOADS_MOST).timestamp())
    return [
        f"{other.name} ({other.reason})"
        for other in others
        if other.reason not in _MAY_BE_COMING or other.mtime < begun
    ]


def in_words(told: Sequence[str]) -> str | None:
    """The first of them and how many there are besides; None where there is nothing to tell."""
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more or None
