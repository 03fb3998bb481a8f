"""Priority customers whom somebody has to call while they are without power (REQ-32)."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class CallListEntry(Model):
    """One customer at one metering point in one outage: who calls, and what came of it."""

    __tablename__ = "call_list_entry"
    __table_args__ = (
        UniqueConstraint("outage_id", "gsrn", "customer_id"),
        Index("ix_call_list_entry_open", "added_at", postgresql_where=text("state <> 'DONE'")),
        Index("ix_call_list_entry_customer_id", "customer_id"),
    )

    id: Mapped[Id]
    outage_id: Mapped[Big] = mapped_column(ForeignKey("outage.id"))
    gsrn: Mapped[Str]
    customer_id: Mapped[Str] = mapped_column(ForeignKey("customer.cis_id"))
    # OPEN, TAKEN or DONE.
    state: Mapped[Str]
    # The staff account that calls, as the audit trail names it.
    owner: Mapped[Str | None]
    outcome: Mapped[Str | None]
    off_at: Mapped[At]
    added_at: Mapped[At]
    taken_at: Mapped[At | None]
    done_at: Mapped[At | None]
