"""Alarms: opened once per kind and subject, seen again, closed when it is over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


def open_alarm(session: Session, kind: str, subject: str, detail: str, now: datetime) -> None:
    """Open an alarm, or note that it is still so."""
    session.execute(
        text(
            "INSERT INTO alarm (kind, subject, detail, opened_at, last_seen_at)"
            " VALUES (:kind, :subject, :detail, :now, :now)"
            " ON CONFLICT (kind, subject) WHERE closed_at IS NULL"
            " DO UPDATE SET last_seen_at = excluded.last_seen_at, detail = excluded.detail"
        ),
        {"kind": kind, "subject": subject, "detail": detail, "now": now},
    )


def close_alarm(session: Session, kind: str, subject: str, now: datetime) -> None:
    """Close the alarm if it is open."""
    session.execute(
        text(
            "UPDATE alarm SET closed_at = :now"
            " WHERE kind = :kind AND subject = :subject AND closed_at IS NULL"
        ),
        {"kind": kind, "subject": subject, "now": now},
    )


def close_unseen(session: Session, kind: str, subject: str, since: datetime, now: datetime) -> None:
    """Close the alarm if nobody has seen since then that it is still so."""
    session.execute(
        text(
            "UPDATE alarm SET closed_at = :now WHERE kind = :kind AND subject = :subject"
            " AND closed_at IS NULL AND last_seen_at < :since"
        ),
        {"kind": kind, "subject": subject, "since": since, "now": now},
    )


def open_subjects(session: Session, kind: str) -> set[str]:
    """What open alarms of this kind are about."""
    statement = text("SELECT subject FROM alarm WHERE kind = :kind AND closed_at IS NULL")
    return set(session.execute(statement, {"kind": kind}).scalars())
