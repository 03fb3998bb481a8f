"""Orders of new connections, and who follows an area."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "connection_order",
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("held_stage", sa.Text(), nullable=True),
        sa.Column("stage_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage_dates", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("target_week", sa.Text(), nullable=True),
        sa.Column("promised_week", sa.Text(), nullable=True),
        sa.Column("delay_reason", sa.Text(), nullable=True),
        sa.Column("delayed", sa.Boolean(), nullable=False),
        sa.Column("visit_from_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("visit_to_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("energise_from_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("energise_to_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("meter_number", sa.Text(), nullable=True),
        sa.Column("street_name", sa.Text(), nullable=True),
        sa.Column("house_number", sa.Text(), nullable=True),
        sa.Column("staircase", sa.Text(), nullable=True),
        sa.Column("apartment", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("post_office", sa.Text(), nullable=True),
        sa.Column("municipality_code", sa.Text(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("haystack", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.cis_id"], name=op.f("fk_connection_order_customer_id")
        ),
        sa.PrimaryKeyConstraint("order_no", name=op.f("pk_connection_order")),
    )
    op.create_index("ix_connection_order_customer_id", "connection_order", ["customer_id"])
    op.create_index("ix_connection_order_gsrn", "connection_order", ["gsrn"])
    op.create_index("ix_connection_order_stage", "connection_order", ["stage", "stage_at"])
    op.create_index(
        "ix_connection_order_delayed",
        "connection_order",
        ["stage_at"],
        postgresql_where=sa.text("delayed"),
    )
    op.create_index(
        "ix_connection_order_haystack",
        "connection_order",
        ["haystack"],
        postgresql_using="gin",
        postgresql_ops={"haystack": "gin_trgm_ops"},
    )
    op.create_table(
        "connection_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_no"], ["connection_order.order_no"], name=op.f("fk_connection_event_order_no")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_event")),
        sa.UniqueConstraint(
            "order_no", "version", name=op.f("uq_connection_event_order_no_version")
        ),
    )
    op.create_table(
        "area_subscription",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("municipality_code", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contact.id"],
            name=op.f("fk_area_subscription_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_area_subscription")),
        sa.UniqueConstraint(
            "contact_id",
            "municipality_code",
            name=op.f("uq_area_subscription_contact_id_municipality_code"),
        ),
    )
    op.create_index(
        "ix_area_subscription_current",
        "area_subscription",
        ["municipality_code"],
        postgresql_where=sa.text("stopped_at IS NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("area_subscription")
    op.drop_table("connection_event")
    op.drop_table("connection_order")
