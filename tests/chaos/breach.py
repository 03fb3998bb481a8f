"""One broken promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breach:
    """promise is I1 to I4; about names the order, message or file; what says it in a sentence."""

    promise: str
    about: str
    what: str

    def __str__(self) -> str:
        return f"{self.promise} {self.about}: {self.what}"
