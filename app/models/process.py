"""Processes, what starts them, every single start, and changes that somebody listens for."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str


class Process(Model):
    """Something that runs: the work of a lane, or a chore; how it may run is set here."""

    __tablename__ = "process"

    code: Mapped[Str] = mapped_column(primary_key=True)
    # None: the shipped words, in the reader's language.
    name: Mapped[Str | None]
    description: Mapped[Str | None]
    # Under which name its runs are recorded.
    run_name: Mapped[Str] = mapped_column(unique=True)
    # Exactly one of the two: the lane that is rung, or the chore that the lane `processes` does.
    lane: Mapped[Str | None]
    chore: Mapped[Str | None]
    params: Mapped[Json]
    zone: Mapped[Str]
    environment: Mapped[Str]
    owner: Mapped[Str]
    log_level: Mapped[Str]
    overlap: Mapped[Str]
    # A lane that is stopped is paused, see lane.paused.
    stopped_by: Mapped[Str | None]
    stopped_at: Mapped[At | None]
    # Without it nobody would hear of the others' trouble.
    essential: Mapped[bool]
    created_at: Mapped[At]


class ProcessTrigger(Model):
    """One thing that starts a process; key says in short what is in spec."""

    __tablename__ = "process_trigger"
    __table_args__ = (
        UniqueConstraint("process_code", "kind", "key"),
        Index("ix_process_trigger_due", "next_at", postgresql_where=text("active")),
        Index("ix_process_trigger_topic", "topic", postgresql_where=text("active")),
    )

    id: Mapped[Id]
    process_code: Mapped[Str] = mapped_column(ForeignKey("process.code", ondelete="CASCADE"))
    kind: Mapped[Str]
    key: Mapped[Str]
    spec: Mapped[Json]
    # The table whose changes concern it; the database's own triggers look here.
    topic: Mapped[Str | None]
    active: Mapped[bool]
    next_at: Mapped[At | None]
    last_at: Mapped[At | None]
    created_by: Mapped[Str]
    created_at: Mapped[At]


class ProcessStart(Model):
    """One cause for a process to run; dedupe_key lets each cause count once."""

    __tablename__ = "process_start"
    __table_args__ = (
        UniqueConstraint("dedupe_key"),
        Index("ix_process_start_process", "process_code", "id"),
        Index(
            "ix_process_start_open",
            "process_code",
            "id",
            postgresql_where=text("state IN ('WAITING', 'RUNNING')"),
        ),
        # Two workers can never run at once what may run once only.
        Index(
            "uq_process_start_alone",
            "process_code",
            unique=True,
            postgresql_where=text("state = 'RUNNING' AND alone"),
        ),
    )

    id: Mapped[Id]
    process_code: Mapped[Str] = mapped_column(ForeignKey("process.code", ondelete="CASCADE"))
    trigger_id: Mapped[Big | None] = mapped_column(
        ForeignKey("process_trigger.id", ondelete="SET NULL")
    )
    kind: Mapped[Str]
    dedupe_key: Mapped[Str]
    # Of an HTTP start: the SHA-256 of its body, so that a key used for something else is noticed.
    request_hash: Mapped[Str | None]
    cause: Mapped[Str]
    params: Mapped[Json]
    state: Mapped[Str]
    reason: Mapped[Str | None]
    asked_by: Mapped[Str]
    # The start whose keys a replay uses; its own otherwise.
    origin_id: Mapped[Big | None]
    alone: Mapped[bool]
    attempts: Mapped[int]
    lease: Mapped[Big | None]
    run_id: Mapped[Big | None]
    stop_asked_by: Mapped[Str | None]
    stop_asked_at: Mapped[At | None]
    created_at: Mapped[At]
    begun_at: Mapped[At | None]
    ended_at: Mapped[At | None]


class ProcessChange(Model):
    """A committed change of a row that a trigger listens for; taken away with what it starts."""

    __tablename__ = "process_change"

    id: Mapped[Id]
    topic: Mapped[Str]
    key: Mapped[Str]
    operation: Mapped[Str]
    state: Mapped[Str | None]
    at: Mapped[At]


class MailMessage(Model):
    """The ledger of a mailbox: a message is taken once, whichever way and how often it comes."""

    __tablename__ = "mail_message"
    __table_args__ = (UniqueConstraint("mailbox", "message_id", "content_hash"),)

    id: Mapped[Id]
    mailbox: Mapped[Str]
    message_id: Mapped[Str]
    # Of what is below the transport's headers, which differ from one delivery to the next.
    content_hash: Mapped[Str]
    inbound_message_id: Mapped[Big | None]
    taken_at: Mapped[At]
