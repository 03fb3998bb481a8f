"""Who did, saw or changed what."""

from __future__ import annotations

from sqlalchemy import Index, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Json, Str


class AuditEntry(Model):
    """One act of a person or of a partner; append-only, partitioned by month."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_subject", "subject", "at"),
        Index("ix_audit_entry_at", "at"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[Big] = mapped_column(
        Sequence("audit_entry_id_seq"),
        primary_key=True,
        server_default=text("nextval('audit_entry_id_seq')"),
    )
    at: Mapped[At] = mapped_column(primary_key=True)
    actor: Mapped[Str]
    action: Mapped[Str]
    subject: Mapped[Str]
    detail: Mapped[Json]
