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

    def flush(self, session: Session, now: datetime) -> None:
        """Add to the rows what was noticed, in the caller's transaction, and begin anew."""
        with self._lock:
            differing, self._differing = self._differing, {}
            shadows, self._shadows = self._shadows, {}
            unmapped, self._unmapped = self._unmapped, {}
        for shadow_id, (count, differed) in sorted(shadows.items()):
            values = {"id": shadow_id, "count": count, "differed": differed}
            session.execute(_COUNT_SHADOW, values)
        if differing:
            rows = [
                {"id": place[0], "path": place[1], "kind": place[2], **_counts(seen)}
                for place, seen in sorted(differing.items())
            ]
            session.execute(_ADD_DIFFERENCES, {"rows": _json(rows), "now": now})
        if unmapped:
            rows = [
                {"partner": place[0], "document": place[1], "path": place[2], **_counts(seen)}
                for place, seen in sorted(unmapped.items())
            ]
            session.execute(_ADD_UNMAPPED, {"rows": _json(rows), "now": now, "most": _FIELDS_MOST})


def _counts(seen: _Seen) -> dict[str, Any]:
    return {"count": seen.count, "examples": seen.examples}


def _json(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


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
