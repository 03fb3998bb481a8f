"""The public status as one file: written while the database is up, read also when it is not (REQ-23).

The file is replaced in one step, so that a reader finds the old one or the new one, never half of one.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.public_status import build_snapshot
from app.services.public_cuts import find_cuts, find_storms

FILE_NAME = "status.json"


def take(session: Session, now: datetime) -> bytes:
    """The status as it is now."""
    snapshot = build_snapshot(find_cuts(session, now), find_storms(session), now)
    return json.dumps(snapshot, ensure_ascii=False, separators=(",", ":")).encode()


def publish(body: bytes, folder: Path, name: str = FILE_NAME) -> None:
    """Put a snapshot where the pages find it; raises OSError and leaves the old one then."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=".status-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        # Web processes may run as another user.
        os.chmod(draft, 0o644)
        os.replace(draft, folder / name)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
