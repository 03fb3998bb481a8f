"""Files from other environments, as a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.environment_import import EnvironmentImport


def newest(session: Session, most: int) -> Sequence[EnvironmentImport]:
    """The files that were brought last, those that wait first."""
    statement = select(EnvironmentImport).order_by(
        EnvironmentImport.state != "WAITING", EnvironmentImport.id.desc()
    )
    return session.execute(statement.limit(most)).scalars().all()


def find(session: Session, import_id: int) -> EnvironmentImport | None:
    """One file, read afresh."""
    return session.get(EnvironmentImport, import_id, populate_existing=True)


def newer_let_in(session: Session, row: EnvironmentImport) -> datetime | None:
    """When the newest file was taken that is let in from there and newer than this one, if any is.

    An old file carried here again is signed as well as it was then; who lets it in should know.
    """
    found: datetime | None = session.execute(
        select(func.max(EnvironmentImport.exported_at)).where(
            EnvironmentImport.state == "APPLIED",
            EnvironmentImport.from_environment == row.from_environment,
            EnvironmentImport.exported_at > row.exported_at,
        )
    ).scalar_one()
    return found


def count_waiting(session: Session) -> int:
    """Files that wait for a second person."""
    statement = select(func.count()).where(EnvironmentImport.state == "WAITING")
    return session.execute(statement).scalar_one()
