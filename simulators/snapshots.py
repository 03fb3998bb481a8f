"""Lists of what a system has, for reconciliation: true, or as wrong as its faults ask.

A list lies by itself: what the system really has stays as it is, so that its ledger shows whether a
repair did anything twice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from simulators.exchange import problem
from simulators.faults import Faults

Record = dict[str, Any]
MEDIA_TYPE = "application/x-ndjson"
_FIELDS_THAT_LIE = ("meterNumber", "newMeterNumber", "finalState", "state")


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that the system has: what its list says of it, and since when it is so."""

    record: Record
    at: str


def make_list(
    name: str, kept: Iterable[Kept], faults: Faults, now: datetime, since: datetime | None = None
) -> Iterator[bytes]:
    """The lines of a list of what there is, or of what has changed since then."""
    lines = [
        json.dumps(record, ensure_ascii=False).encode() + b"\n"
        for record in _records(kept, faults, now, since)
    ]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    head = {
        "snapshot": f"{name}-{now:%Y%m%dT%H%M%S.%fZ}",
        "list": name,
        "kind": "FULL" if since is None else "DELTA",
        "takenAt": _stamp(now),
        "count": len(lines) + (1 if faults.snapshot_broken == "count" else 0),
        "sha256": "0" * 64 if faults.snapshot_broken == "digest" else digest,
    }
    if since is not None:
        head["since"] = _stamp(since)
    yield json.dumps(head).encode() + b"\n"
    yield from lines[: len(lines) // 2] if faults.snapshot_broken == "half" else lines


async def answer_list(
    request: web.Request, token: str, name: str, kept: Iterable[Kept], faults: Faults
) -> web.Response:
    """GET …/snapshot, with ?since= for what changed only."""
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return problem(401, "Unknown token", {"WWW-Authenticate": "Bearer"})
    since = None
    if "since" in request.query:
        try:
            since = datetime.fromisoformat(request.query["since"])
        except ValueError:
            return problem(400, "since is no time")
        if since.tzinfo is None:
            return problem(400, "since has no offset")
    lines = make_list(name, list(kept), faults, datetime.now(UTC), since)
    # Whole, so that what goes wrong with answers goes wrong with this one too.
    return web.Response(body=b"".join(lines), content_type=MEDIA_TYPE)


def _records(
    kept: Iterable[Kept], faults: Faults, now: datetime, since: datetime | None
) -> Iterator[Record]:
    old_at = _stamp(now - timedelta(seconds=faults.snapshot_age_s)) if faults.snapshot_age_s else ""
    for one in kept:
        if since is not None and one.at <= _stamp(since):
            continue
        # A list of yesterday that says it is of today.
        if old_at and one.at > old_at:
            continue
        name = str(one.record["id"])
        if _share(name, faults.seed) < faults.snapshot_lose_ratio:
            continue
        if _share(name, faults.seed + 1) < faults.snapshot_change_ratio:
            yield _changed(one.record)
        else:
            yield one.record
    for number in range(faults.snapshot_add_count):
        yield {"id": f"GHOST-{number + 1}", "version": 1}


def _changed(record: Record) -> Record:
    """The same thing, otherwise."""
    for field in _FIELDS_THAT_LIE:
        if record.get(field):
            other = "CANCELLED" if field == "state" else f"{record[field]}-X"
            return {**record, field: other}
    return {**record, "version": int(record.get("version") or 1) + 1}


def _share(name: str, seed: int) -> float:
    """Where a thing stands between 0 and 1, always at the same place for the same seed."""
    return zlib.crc32(f"{seed} {name}".encode()) / 2**32


def _stamp(at: datetime) -> str:
    """As the ledgers write times, so that both compare as text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
