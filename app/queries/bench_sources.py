"""What can be put on the mapping bench: archived messages and orders, found by what people know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

# A message that is larger is not read into a page.
BODY_MOST_BYTES = 8 * 1024 * 1024
_SHOWN = 20
# So far back file names are searched for parts, and so many files for an order in them.
_NAMES_SEARCHED = 20_000
_FILES_SEARCHED = 100


@dataclass(frozen=True, slots=True)
class Sort:
    """Which archived messages a document of a partner comes in.

    documents: what of these is of interest, where one source sends many sorts; empty means all.
    """

    kind: str
    source: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One archived message."""

    id: int
    name: str
    message_id: str | None
    kind: str
    source: str
    state: str
    size_bytes: int
    received_at: datetime
    body_removed: bool

    def is_called(self, words: str) -> bool:
        """Whether words name the message itself, and not something in it."""
        return words in self.name or words in (str(self.id), self.message_id)


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """One order as it stands: the content of its facts as JSON, and the mass order that it is of."""

    order_id: str
    revision: int
    state: str
    partner_code: str | None
    facts: str
    key_info: str | None
    mass_id: str | None
    wave: str | None
    models: list[str]
    message_id: int


def find_messages(session: Session, sort: Sort, words: str) -> list[Candidate]:
    """Messages of a sort by number, file name, message id or order; without words the newest."""
    values: dict[str, Any] = {
        "kind": sort.kind,
        "source": sort.source,
        "documents": list(sort.documents),
        "words": words,
        "part": f"%{_escaped(words)}%",
        "number": int(words) if words.isascii() and words.isdigit() and len(words) < 19 else None,
        "needle": words.encode(),
        "shown": _SHOWN,
        "names": _NAMES_SEARCHED,
        "files": _FILES_SEARCHED,
    }
    statement = _BY_WORDS if words else _NEWEST
    return [Candidate(*row) for row in session.execute(statement, values)]


def find_message(session: Session, message_id: int) -> Candidate | None:
    """One archived message, whatever its sort."""
    row = session.execute(_ONE, {"id": message_id}).one_or_none()
    return None if row is None else Candidate(*row)


def read_body(session: Session, message_id: int) -> bytes:
    """A message as it came; the caller has looked at its size."""
    pieces = session.execute(_BODY, {"id": message_id}).scalars()
    return b"".join(pieces)


def find_order(session: Session, order_id: str) -> StoredOrder | None:
    """One order as it stands."""
    row = session.execute(_ORDER, {"id": order_id}).one_or_none()
    return None if row is None else StoredOrder(*row)


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_COLUMNS = "m.id, m.name, m.message_id, m.kind, m.source, m.state, m.size_bytes, m.received_at," + (
    " m.body_removed_at IS NOT NULL"
)
_NEWEST = text(
    f"SELECT {_COLUMNS} FROM inbound_message m WHERE m.kind = :kind AND m.source = :source"  # noqa: S608 - our own text.
    " AND (cardinality(CAST(:documents AS text[])) = 0 OR m.document = ANY(:documents))"
    " ORDER BY m.id DESC LIMIT :shown"
)
_ONE = text(f"SELECT {_COLUMNS} FROM inbound_message m WHERE m.id = :id")  # noqa: S608 - our own text.
_BODY = text("SELECT body FROM inbound_chunk WHERE inbound_message_id = :id ORDER BY seq")
_BY_WORDS = text(
    f"""
    SELECT {_COLUMNS} FROM inbound_message m WHERE m.id IN (
        SELECT id FROM inbound_message WHERE id = CAST(:number AS bigint)
        UNION
        SELECT id FROM inbound_message WHERE source = :source AND message_id = :words
        UNION
        SELECT id FROM inbound_message WHERE business_key = :words
        UNION
        SELECT inbound_message_id FROM work_order WHERE order_id = :words
        UNION
        SELECT id FROM (SELECT id, name FROM inbound_message
            WHERE kind = :kind AND source = :source ORDER BY id DESC LIMIT :names) late
        WHERE name ILIKE :part
        UNION
        SELECT f.id FROM (SELECT id FROM inbound_message
            WHERE kind = :kind AND source = :source AND kind IN ('PARTNER_FILE', 'METER_DELIVERY')
            ORDER BY id DESC LIMIT :files) f
        JOIN inbound_chunk c ON c.inbound_message_id = f.id
        WHERE position(CAST(:needle AS bytea) IN c.body) > 0)
      AND m.kind = :kind AND m.source = :source
    ORDER BY m.id DESC LIMIT :shown
    """  # noqa: S608 - our own text.
)
_ORDER = text(
    """
    SELECT w.order_id, w.revision, w.state, w.partner_code, CAST(w.facts AS text), w.key_info,
        w.mass_id, m.wave, coalesce(m.allowed_models, '{}'), w.inbound_message_id
    FROM work_order w LEFT JOIN mass_order m ON m.mass_id = w.mass_id WHERE w.order_id = :id
    """
)
