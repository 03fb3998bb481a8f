"""Files from other environments: compared, kept until a second person lets them in, let in at once.

Letting in is one transaction: all that is due, or nothing. The same file again finds nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.environment_diff import Change, Standing, compare, fingerprint, to_rows
from app.domain.states import IMPORT_MOVES, ImportState, check_move
from app.models.environment_import import EnvironmentImport
from app.services import audit
from app.services.environments import signed_export
from app.services.environments.kind import Act, ImportBlocked
from app.services.environments.kinds import KINDS
from app.services.environments.signed_export import Export, FileRefused, Kinds
from app.settings import Settings

_NOTE_MOST = 300


class ImportRefused(Exception):
    """An act that the state of things does not allow; code says why.

    NO_IMPORT, NOT_WAITING, SAME_PERSON (somebody else has to let it in), CHANGED_MEANWHILE (the
    difference is another one than was looked at), BLOCKED, NOTHING_DUE; or why a record cannot be
    let in, then about says which one.
    """

    def __init__(self, code: str, about: str = "") -> None:
        super().__init__(f"{code} {about}".strip())
        self.code = code
        self.about = about


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that was read; import_id None: there is nothing in it that is not here."""

    export: Export
    difference: list[Change]
    import_id: int | None


def export(session: Session, settings: Settings, now: datetime, *, by: str) -> bytes:
    """Everything that travels, as one signed file; who took it is recorded."""
    kinds = {kind.name: kind.read(session) for kind in KINDS}
    counts = {name: len(records) for name, records in kinds.items()}
    body = signed_export.write(settings, kinds, now, by=by)
    detail = {"records": counts, "sha256": hashlib.sha256(body).hexdigest()}
    audit.record(
        session, by, "ENVIRONMENT_EXPORTED", f"environment:{settings.environment}", detail, now
    )
    return body


def compare_file(session: Session, settings: Settings, body: bytes) -> Brought:
    """What a file would change; nothing is kept. Raises: FileRefused."""
    file = signed_export.read(settings, body)
    return Brought(file, difference(session, settings, file.kinds), None)


def difference(session: Session, settings: Settings, kinds: Kinds) -> list[Change]:
    """What records of a file would change here and now."""
    changes: list[Change] = []
    known = {kind.name for kind in KINDS}
    for kind in KINDS:
        # A kind that the file does not have at all says nothing; an empty one says that there is none.
        if kind.name in kinds:
            changes += kind.difference(session, kinds[kind.name], settings)
    for name in sorted(kinds.keys() - known):
        for key, record in sorted(kinds[name].items()):
            change = compare(
                name, key, None, record, standing=Standing.SKIPPED, reason="KIND_UNKNOWN"
            )
            if change is not None:
                changes.append(change)
    return changes


def bring(session: Session, settings: Settings, body: bytes, now: datetime, *, by: str) -> Brought:
    """Keep a file for a second person, unless nothing of it is due. Raises: FileRefused."""
    brought = compare_file(session, settings, body)
    file = brought.export
    if not any(one.standing in (Standing.DUE, Standing.BLOCKED) for one in brought.difference):
        return brought
    session.execute(_LOCK)
    known = session.execute(
        select(EnvironmentImport).where(
            EnvironmentImport.digest == file.digest,
            EnvironmentImport.state == ImportState.WAITING,
        )
    ).scalar_one_or_none()
    if known is not None:
        return Brought(file, brought.difference, known.id)
    row = EnvironmentImport(
        digest=file.digest,
        content=body.decode(),
        from_environment=file.environment,
        from_address=file.address,
        exported_at=file.exported_at,
        exported_by=file.exported_by,
        state=ImportState.WAITING,
        difference=to_rows(brought.difference),
        brought_by=by,
        brought_at=now,
    )
    session.add(row)
    session.flush()
    detail = {"from": file.environment, "digest": file.digest, **_counts(brought.difference)}
    audit.record(session, by, "ENVIRONMENT_BROUGHT", f"environment-import:{row.id}", detail, now)
    return Brought(file, brought.difference, row.id)


def note_refused(
    session: Session, body: bytes, refused: FileRefused, now: datetime, *, by: str
) -> None:
    """Somebody brought a file that is not taken: who, which one, and why."""
    digest = hashlib.sha256(body).hexdigest()
    detail = {"code": refused.code, "sha256": digest, "bytes": len(body)}
    audit.record(session, by, "ENVIRONMENT_REFUSED", "environment-import:none", detail, now)


def look(session: Session, settings: Settings, row: EnvironmentImport) -> list[Change]:
    """What a waiting file would change now; of one that is over, what it changed.

    Raises: FileRefused (the trust in it has ended).
    """
    file = signed_export.read(settings, row.content.encode())
    return difference(session, settings, file.kinds)


def approve(
    session: Session, settings: Settings, import_id: int, seen: str, now: datetime, *, by: str
) -> list[Change]:
    """Let a file in, all of it at once; seen: the fingerprint of the difference that was looked at.

    Raises: ImportRefused, FileRefused -> nothing has changed.
    """
    session.execute(_LOCK)
    row = _waiting(session, import_id)
    if row.brought_by == by:
        raise ImportRefused("SAME_PERSON")
    file = signed_export.read(settings, row.content.encode())
    changes = difference(session, settings, file.kinds)
    if fingerprint(changes) != seen:
        raise ImportRefused("CHANGED_MEANWHILE")
    blocked = [one for one in changes if one.standing == Standing.BLOCKED]
    if blocked:
        raise ImportRefused(blocked[0].reason or "BLOCKED", f"{blocked[0].kind} {blocked[0].key}")
    if not any(one.standing == Standing.DUE for one in changes):
        raise ImportRefused("NOTHING_DUE")
    act = Act(settings, row.brought_by, now)
    try:
        for kind in KINDS:
            due = [one for one in changes if one.kind == kind.name and one.standing == Standing.DUE]
            kind.apply(session, file.kinds.get(kind.name, {}), due, act)
    except ImportBlocked as error:
        raise ImportRefused(error.code, f"{error.kind} {error.key}") from None
    _move(row, ImportState.APPLIED)
    row.difference = to_rows(changes)
    row.decided_by, row.decided_at = by, now
    detail = {"from": file.environment, "digest": file.digest, **_counts(changes)}
    audit.record(session, by, "ENVIRONMENT_LET_IN", f"environment-import:{row.id}", detail, now)
    return changes


def reject(session: Session, import_id: int, note: str, now: datetime, *, by: str) -> None:
    """Let a file not in; it stays in the list. Raises: ImportRefused."""
    row = _waiting(session, import_id)
    _move(row, ImportState.REJECTED)
    row.decided_by, row.decided_at, row.note = by, now, note[:_NOTE_MOST] or None
    detail = {"note": row.note}
    audit.record(session, by, "ENVIRONMENT_REJECTED", f"environment-import:{row.id}", detail, now)


def _waiting(session: Session, import_id: int) -> EnvironmentImport:
    row = session.get(EnvironmentImport, import_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise ImportRefused("NO_IMPORT")
    if row.state != ImportState.WAITING:
        raise ImportRefused("NOT_WAITING")
    return row


def _move(row: EnvironmentImport, state: ImportState) -> None:
    check_move(IMPORT_MOVES, row.state, state)
    row.state = state


def _counts(changes: Sequence[Change]) -> dict[str, Any]:
    counts = Counter(f"{one.kind} {one.what} {one.standing}" for one in changes)
    return {"changes": json.loads(json.dumps(counts))}


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('environment imports', 0))")
