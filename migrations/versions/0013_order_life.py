"""Meters in stock and deliveries of them, serial mismatches, and requests about orders under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_PARKED = "state IN ('RECEIVED','VALIDATED','NO_ROUTE','REJECTED','PARTNER_REJECTED'{})"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("meter", sa.Column("stock_code", sa.Text(), nullable=True))
    op.add_column("meter", sa.Column("stock_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("meter", sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("partner", sa.Column("stock_since_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "order_type",
        sa.Column("replaces_meter", sa.Boolean(), server_default="true", nullable=False),
    )
    op.execute(
        "UPDATE order_type SET replaces_meter = false"
        " WHERE code IN ('UUA', 'LIS', 'POI', 'HUO', 'KYT', 'KAT', 'SIN')"
    )
    op.create_index(
        "ix_meter_serial", "meter", ["serial"], postgresql_where=sa.text("serial IS NOT NULL")
    )
    op.create_index(
        "ix_meter_stock",
        "meter",
        ["stock_code", "state", "model"],
        postgresql_where=sa.text("stock_at IS NOT NULL"),
    )
    op.create_table(
        "meter_delivery",
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=True),
        sa.Column("stock_code", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_message_id"],
            ["inbound_message.id"],
            name=op.f("fk_meter_delivery_inbound_message_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inbound_message_id", name=op.f("pk_meter_delivery")),
    )
    op.create_index("ix_meter_delivery_delivery_id", "meter_delivery", ["source", "delivery_id"])
    op.create_index("ix_meter_delivery_received_at", "meter_delivery", ["received_at"])
    op.create_table(
        "meter_delivery_item",
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["inbound_message_id"],
            ["meter_delivery.inbound_message_id"],
            name=op.f("fk_meter_delivery_item_inbound_message_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inbound_message_id", "place", name=op.f("pk_meter_delivery_item")),
    )
    op.create_index("ix_meter_delivery_item_number", "meter_delivery_item", ["number"])
    op.create_table(
        "serial_mismatch",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("partner_code", sa.Text(), nullable=False),
        sa.Column("ack_id", sa.Text(), nullable=False),
        sa.Column("meter_number", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["work_order.order_id"],
            name=op.f("fk_serial_mismatch_order_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_serial_mismatch")),
    )
    op.create_index(
        "ix_serial_mismatch_open",
        "serial_mismatch",
        ["opened_at"],
        postgresql_where=sa.text("state <> 'SETTLED'"),
    )
    op.create_index("ix_serial_mismatch_meter_number", "serial_mismatch", ["meter_number"])
    op.create_table(
        "order_request",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("key_info", sa.Text(), nullable=True),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["work_order.order_id"],
            name=op.f("fk_order_request_order_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", "revision", name=op.f("pk_order_request")),
    )
    op.create_index(
        "ix_order_request_waiting",
        "order_request",
        ["asked_at"],
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    op.drop_index("ix_work_order_parked", table_name="work_order")
    op.create_index(
        "ix_work_order_parked",
        "work_order",
        ["state", "state_at"],
        postgresql_where=sa.text(_PARKED.format(",'RETURNED'")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_work_order_parked", table_name="work_order")
    op.create_index(
        "ix_work_order_parked",
        "work_order",
        ["state", "state_at"],
        postgresql_where=sa.text(_PARKED.format("")),
    )
    for table in ("order_request", "serial_mismatch", "meter_delivery_item", "meter_delivery"):
        op.drop_table(table)
    op.drop_index("ix_meter_stock", table_name="meter")
    op.drop_index("ix_meter_serial", table_name="meter")
    op.drop_column("order_type", "replaces_meter")
    op.drop_column("partner", "stock_since_at")
    for column in ("delivered_at", "stock_at", "stock_code"):
        op.drop_column("meter", column)
