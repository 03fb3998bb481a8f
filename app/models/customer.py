"""Customers, how to reach them, and what they want to hear."""

from __future__ import annotations

from datetime import time

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str, Strs


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
    """One phone number (E.164) or e-mail address (lower case) of a customer.

    Or of somebody who helps the customer (a third party): then third_party_name is set, and the
    contact can be used once that person has confirmed it.
    """

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("customer_id", "kind", "value"),
        Index("ix_contact_value", "value"),
        Index("ix_contact_invalid", "id", postgresql_where=text("state = 'INVALID'")),
        Index(
            "ix_contact_welcome",
            "welcome_due_at",
            postgresql_where=text("welcome_due_at IS NOT NULL"),
        ),
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
    # Whether it hears of every topic that nobody has chosen anything about.
    enrolled: Mapped[bool] = mapped_column(default=False, server_default="false")
    # Why the CIS's word is not enough for it: SHARED with another customer. A code clears it.
    doubt: Mapped[Str | None]
    # Who removed it: what a person removed, the CIS does not bring back.
    removed_by: Mapped[Str | None]
    third_party_name: Mapped[Str | None]
    approved_by: Mapped[Str | None]
    approved_at: Mapped[At | None]
    # The only metering points that it may hear of; None means all of the customer's.
    only_gsrns: Mapped[Strs | None]
    # Came from the CIS and may have to be told that it is enrolled; None once that is decided.
    welcome_due_at: Mapped[At | None]


class Preference(Model):
    """What somebody chose for a contact on one topic, where it differs from the contact's default.

    The row of a point (gsrn) beats the general one, which beats Contact.enrolled. Its past is in
    PreferenceChange.
    """

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
    night_ok: Mapped[bool | None]
    # True when the choice was taken back, so that the default counts again.
    ended: Mapped[bool] = mapped_column(default=False, server_default="false")
    source: Mapped[Str]
    legal_basis: Mapped[Str]
    changed_by: Mapped[Str]
    changed_at: Mapped[At]


class ContactChange(Model):
    """Append-only history of a contact itself: added, confirmed, quiet hours, language, removed."""

    __tablename__ = "contact_change"

    id: Mapped[Id]
    contact_id: Mapped[Big] = mapped_column(ForeignKey("contact.id"), index=True)
    # ADDED, VERIFIED, REMOVED, ENROLLED, QUIET_HOURS, LANGUAGE, POINTS, THIRD_PARTY_ADDED, DOUBTED.
    what: Mapped[Str]
    old_value: Mapped[Str | None]
    new_value: Mapped[Str | None]
    source: Mapped[Str]
    legal_basis: Mapped[Str]
    changed_by: Mapped[Str]
    changed_at: Mapped[At]


class ContactIssue(Model):
    """Contact data of the CIS that a person has to look at, with both values where there are two."""

    __tablename__ = "contact_issue"
    __table_args__ = (
        UniqueConstraint("customer_id", "kind", "their_kind", "their_value"),
        Index("ix_contact_issue_open", "opened_at", postgresql_where=text("state = 'OPEN'")),
        Index("ix_contact_issue_contact_id", "contact_id"),
    )

    id: Mapped[Id]
    customer_id: Mapped[Str] = mapped_column(ForeignKey("customer.cis_id"))
    # CONFLICT (the CIS has another value than the customer confirmed), SHARED, UNREADABLE.
    kind: Mapped[Str]
    # Our own contact that it is about, if there is one.
    contact_id: Mapped[Big | None] = mapped_column(ForeignKey("contact.id"))
    their_kind: Mapped[Str]
    their_value: Mapped[Str]
    # OPEN or SETTLED.
    state: Mapped[Str]
    resolution: Mapped[Str | None]
    opened_at: Mapped[At]
    settled_at: Mapped[At | None]
    settled_by: Mapped[Str | None]
