"""Counting what shadows do differently and what no rule reads, beside the traffic and cheaply.

Counted in memory, slice by slice, and added to the rows in the transaction of the slice: a slice
that is undone takes its counts along. Nothing here may keep a message from its way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.mapping.difference import differences

_EXAMPLES_MOST = 5
# A partner that sends a new name with every message fills no table with them.
_FIELDS_MOST = 200
_PATH_CHARS = 200


@dataclass(slots=True)
class _Seen:
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        self.count += 1
        if len(self.examples) < _EXAMPLES_MOST and key not in self.examples:
            self.examples.append(key)

    def merge(self, count: int, examples: list[str]) -> None:
        self.count += count
        fresh = [key for key in examples if key not in self.examples]
        self.examples += fresh[: _EXAMPLES_MOST - len(self.examples)]


@dataclass(slots=True)
class Noticed:
    """What one tally hands to another, perhaps in another process.

    differing: (shadow, path, kind, count, examples); shadows: (shadow, count, differing of them);
    unmapped: (partner, document, path, count, examples).
    """

    differing: list[tuple[int, str, str, int, list[str]]]
    shadows: list[tuple[int, int, int]]
    unmapped: list[tuple[str, str, str, int, list[str]]]


class Tally:
    """What was noticed since it was last written; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._differing: dict[tuple[int, str, str], _Seen] = {}
        self._shadows: dict[int, list[int]] = {}
        self._unmapped: dict[tuple[str, str, str], _Seen] = {}

    def compare(self, shadow_id: int, key: str, active: Any, shadow: Any) -> None:
        """Note where a shadow's document differs from the one that counts."""
        found = {(one.field[:_PATH_CHARS], str(one.kind)) for one in differences(active, shadow)}
        with self._lock:
            counts = self._shadows.setdefault(shadow_id, [0, 0])
            counts[0] += 1
            counts[1] += bool(found)
            for path, kind in found:
                self._differing.setdefault((shadow_id, path, kind), _Seen()).add(key)

    def note_unmapped(
        self, partner_code: str, document: str, key: str, paths: Iterable[str]
    ) -> None:
        """Note fields of one message that no rule reads."""
        with self._lock:
            for path in paths:
                place = (partner_code, document, path[:_PATH_CHARS])
                if place in self._unmapped or len(self._unmapped) < _FIELDS_MOST:
                    self._unmapped.setdefault(place, _Seen()).add(key)

    def take(self) -> Noticed:
        """What was noticed, and begin anew."""
        with self._lock:
            differing, self._differing = self._differing, {}
            shadows, self._shadows = self._shadows, {}
            unmapped, self._unmapped = self._unmapped, {}
        return Noticed(
            [(*place, seen.count, seen.examples) for place, seen in sorted(differing.items())],
            [(shadow_id, one[0], one[1]) for shadow_id, one in sorted(shadows.items())],
            [(*place, seen.count, seen.examples) for place, seen in sorted(unmapped.items())],
        )

    def add(self, noticed: Noticed) -> None:
        """Take over what another tally noticed."""
        with self._lock:
            for shadow_id, count, differed in noticed.shadows:
                counts = self._shadows.setdefault(shadow_id, [0, 0])
                counts[0] += count
                counts[1] += differed
            for shadow_id, path, kind, count, examples in noticed.differing:
                self._differing.setdefault((shadow_id, path, kind), _Seen()).merge(count, examples)
            for code, document, path, count, examples in noticed.unmapped:
                self._unmapped.setdefault((code, document, path), _Seen()).merge(count, examples)

    def flush(self, session: Session, now: datetime) -> None:
        """Add to the rows what was noticed, in the caller's transaction, and begin anew."""
        noticed = self.take()
        for shadow_id, count, differed in noticed.shadows:
            values = {"id": shadow_id, "count": count, "differed": differed}
            session.execute(_COUNT_SHADOW, values)
        if noticed.differing:
            rows = _json(("id", "path", "kind", "count", "examples"), noticed.differing)
            session.execute(_ADD_DIFFERENCES, {"rows": rows, "now": now})
        if noticed.unmapped:
            rows = _json(("partner", "document", "path", "count", "examples"), noticed.unmapped)
            session.execute(_ADD_UNMAPPED, {"rows": rows, "now": now, "most": _FIELDS_MOST})


def _json(names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    return msgspec.json.encode([dict(zip(names, row, strict=True)) for row in rows]).decode()


_COUNT_SHADOW = text(
    "UPDATE partner_bundle SET shadow_count = shadow_count + :count,"
    " shadow_differing = shadow_differing + :differed WHERE id = :id AND state = 'SHADOW'"
)
_EXAMPLES = """
    ARRAY(SELECT DISTINCT e FROM unnest({old} || excluded.examples) AS e ORDER BY e LIMIT 5)
"""
_ADD_DIFFERENCES = text(
    f"""
    INSERT INTO bundle_difference (partner_bundle_id, path, kind, count, examples, first_at, last_at)
    SELECT n.id, n.path, n.kind, n.count, n.examples, :now, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS n (id bigint, path text, kind text, count bigint, examples text[])
    JOIN partner_bundle b ON b.id = n.id AND b.state = 'SHADOW'
    ON CONFLICT (partner_bundle_id, path, kind) DO UPDATE
    SET count = bundle_difference.count + excluded.count, last_at = excluded.last_at,
        examples = {_EXAMPLES.format(old="bundle_difference.examples")}
    """  # noqa: S608 - our own text.
)
_ADD_UNMAPPED = text(
    f"""
    INSERT INTO unmapped_field (partner_code, document, path, count, examples, first_at, last_at)
    SELECT n.partner, n.document, n.path, n.count, n.examples, :now, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS n (partner text, document text, path text, count bigint, examples text[])
    WHERE EXISTS (SELECT 1 FROM unmapped_field u WHERE u.partner_code = n.partner
            AND u.document = n.document AND u.path = n.path)
        OR (SELECT count(*) FROM unmapped_field u WHERE u.partner_code = n.partner) < :most
    ON CONFLICT (partner_code, document, path) DO UPDATE
    SET count = unmapped_field.count + excluded.count, last_at = excluded.last_at,
        examples = {_EXAMPLES.format(old="unmapped_field.examples")}
    """  # noqa: S608 - our own text.
)
