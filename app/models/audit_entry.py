"""Who did, saw or changed what."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.db import Model
from app.models.columns import At, Id, Json, Str


class AuditEntry(Model):
    """One act of a person or of a partner; append-only."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_subject", "subject", "at"),
        Index("ix_audit_entry_at", "at"),
    )

    id: Mapped[Id]
    at: Mapped[At]
    actor: Mapped[Str]
    action: Mapped[Str]
    subject: Mapped[Str]
    detail: Mapped[Json]
