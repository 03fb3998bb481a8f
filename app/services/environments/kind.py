"""What a kind of record has to know, so that it can travel between environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.domain.environment_diff import Change
from app.settings import Settings

Records = Mapping[str, Mapping[str, Any]]


class ImportBlocked(Exception):
    """A record cannot be let in; nothing of the file is. code says why, key which one."""

    def __init__(self, kind: str, key: str, code: str) -> None:
        super().__init__(f"{kind} {key}: {code}")
        self.kind, self.key, self.code = kind, key, code


@dataclass(frozen=True, slots=True)
class Act:
    """Who lets a file in, and when. Drafts count as written by whoever brought it."""

    settings: Settings
    brought_by: str
    now: datetime


class Kind(Protocol):
    """One kind of record; its name stands in the file."""

    name: str

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        """What is in force here, by key, as plain JSON values."""
        ...

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        """What the file would change; never raises for what a file says."""
        ...

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        """Do what is due, as drafts where a second person has to publish. Raises: ImportBlocked."""
        ...
