"""Every run of every process and each of its steps, with the payloads by their hash."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str, Strs


class Run(Model):
    """One run of a process; lease names the worker, so that a killed run is seen as such."""

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_started_at", "started_at"),
        Index("ix_run_process", "process", "started_at"),
        Index("ix_run_state", "state", "started_at"),
    )

    id: Mapped[Id]
    process: Mapped[Str]
    trigger: Mapped[Str]
    subject: Mapped[Str | None]
    state: Mapped[Str]
    counts: Mapped[Json]
    error: Mapped[Str | None]
    lease: Mapped[Big | None]
    started_at: Mapped[At]
    ended_at: Mapped[At | None]


class Step(Model):
    """One thing that a run did, findable by any business key."""

    __tablename__ = "step"
    __table_args__ = (
        Index("ix_step_run_id", "run_id", "id"),
        Index("ix_step_keys", "keys", postgresql_using="gin"),
    )

    id: Mapped[Id]
    run_id: Mapped[Big] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    name: Mapped[Str]
    state: Mapped[Str]
    # Order ids, GSRNs, meter numbers, batch and partner references.
    keys: Mapped[Strs]
    detail: Mapped[Str | None]
    error_class: Mapped[Str | None]
    payload_hash: Mapped[Str | None]
    started_at: Mapped[At]
    duration_ms: Mapped[int]


class PayloadBlob(Model):
    """What went in or out of a step, stored once per content."""

    __tablename__ = "payload_blob"

    hash: Mapped[Str] = mapped_column(primary_key=True)
    media_type: Mapped[Str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[At]
