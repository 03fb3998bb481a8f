"""Customers, how to reach them, and what they want to hear."""

from __future__ import annotations

from datetime import time

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class Customer(Model):
    """A party with contracts; cis_id is its name in the CIS."""

    __tablename__ = "customer"

    cis_id: Mapped[Str] = mapped_column(primary_key=True)
    version: Mapped[Big]
    kind: Mapped[Str]
    name: Mapped[Str]
    language: Mapped[Str]
    # True when the CIS gave no language and we assumed Finnish; shown to staff, never hidden.
    language_assumed: Mapped[bool] = mapped_column(default=False)
    personal_safety_ban: Mapped[bool] = mapped_column(default=False)
    priority_flag: Mapped[bool] = mapped_column(default=False)
    preferred_channel: Mapped[Str]
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[At]


class Contact(Model):
    """One phone number (E.164) or e-mail address (lower case) of a customer."""

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("customer_id", "kind", "value"),
        Index("ix_contact_value", "value"),
    )

    id: Mapped[Id]
    customer_id: Mapped[Str] = mapped_column(ForeignKey("customer.cis_id"))
    kind: Mapped[Str]
    value: Mapped[Str]
    state: Mapped[Str]
    source: Mapped[Str]
    verified_at: Mapped[At | None]
    bounce_count: Mapped[int] = mapped_column(default=0)
    quiet_from: Mapped[time | None]
    quiet_to: Mapped[time | None]
    language: Mapped[Str | None]
    created_at: Mapped[At]


class Preference(Model):
    """What a contact wants on one topic now; its past is in PreferenceChange."""

    __tablename__ = "preference"
    __table_args__ = (
        Index(
            "uq_preference_contact_topic_point",
            "contact_id",
            "topic",
            text("coalesce(gsrn, '')"),
            unique=True,
        ),
    )

    id: Mapped[Id]
    contact_id: Mapped[Big] = mapped_column(ForeignKey("contact.id"))
    gsrn: Mapped[Str | None]
    topic: Mapped[Str]
    enabled: Mapped[bool]
    night_ok: Mapped[bool] = mapped_column(default=False)
    source: Mapped[Str]
    legal_basis: Mapped[Str]
    changed_at: Mapped[At]


class PreferenceChange(Model):
    """Append-only history of preferences: who changed what, when and on which ground."""

    __tablename__ = "preference_change"

    id: Mapped[Id]
    contact_id: Mapped[Big] = mapped_column(ForeignKey("contact.id"), index=True)
    gsrn: Mapped[Str | None]
    topic: Mapped[Str]
    enabled: Mapped[bool]
    source: Mapped[Str]
    legal_basis: Mapped[Str]
    changed_by: Mapped[Str]
    changed_at: Mapped[At]
