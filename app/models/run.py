"""Every run of every process and each of its steps, with the payloads by their hash."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, Sequence, text
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
    """One thing that a run did, findable by any business key; partitioned by month."""

    __tablename__ = "step"
    __table_args__ = (
        Index("ix_step_run_id", "run_id", "id"),
        Index("ix_step_keys", "keys", postgresql_using="gin"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )

    # From one sequence for all partitions, and never given by anybody else: alone it tells steps apart.
    id: Mapped[Big] = mapped_column(
        Sequence("step_id_seq"), primary_key=True, server_default=text("nextval('step_id_seq')")
    )
    run_id: Mapped[Big] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    name: Mapped[Str]
    state: Mapped[Str]
    # Order ids, GSRNs, meter numbers, batch and partner references.
    keys: Mapped[Strs]
    detail: Mapped[Str | None]
    error_class: Mapped[Str | None]
    payload_hash: Mapped[Str | None]
    started_at: Mapped[At] = mapped_column(primary_key=True)
    duration_ms: Mapped[int]


class PayloadBlob(Model):
    """What went in or out of a step, stored once per content."""

    __tablename__ = "payload_blob"
    __table_args__ = (Index("ix_payload_blob_created_at", "created_at"),)

    hash: Mapped[Str] = mapped_column(primary_key=True)
    media_type: Mapped[Str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    # When it was last used, to the day: the newest step that names it decides how long it is kept.
    created_at: Mapped[At]
