"""What the DMS said about its outages, version by version, and what became of each."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str


class DmsStatement(Model):
    """One version of one outage as the DMS stated it: a whole snapshot, never a change.

    The newest version is the truth; older ones that came later are kept and never applied.
    """

    __tablename__ = "dms_statement"
    __table_args__ = (
        Index(
            "uq_dms_statement_version",
            "source_ref",
            "version",
            unique=True,
            postgresql_where=text("verdict IN ('APPLIED', 'STALE')"),
        ),
        # An outage may be named as the whole, or as the former whole, before it is known itself.
        Index("ix_dms_statement_parent_ref", "parent_ref"),
        Index("ix_dms_statement_split_ref", "split_ref"),
        Index("ix_dms_statement_outage_id", "outage_id"),
    )

    id: Mapped[Id]
    source_ref: Mapped[Str]
    version: Mapped[Big]
    kind: Mapped[Str]
    body_hash: Mapped[Str]
    payload: Mapped[Json]
    # APPLIED, STALE or CONFLICT; what could not be taken at all is in the message's findings.
    verdict: Mapped[Str]
    stated_at: Mapped[At]
    received_at: Mapped[At]
    inbound_message_id: Mapped[Big]
    outage_id: Mapped[Big | None] = mapped_column(ForeignKey("outage.id"))
    parent_ref: Mapped[Str | None]
    split_ref: Mapped[Str | None]
