"""Mass orders: their files, the working table between file and orders, and waivers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "mass_order",
        sa.Column("mass_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wave", sa.Text(), nullable=True),
        sa.Column("area_name", sa.Text(), nullable=True),
        sa.Column("contract_ref", sa.Text(), nullable=True),
        sa.Column("allowed_models", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("planned_from_on", sa.Date(), nullable=True),
        sa.Column("planned_to_on", sa.Date(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("todo", sa.Text(), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("mass_id", name=op.f("pk_mass_order")),
    )
    op.create_index("ix_mass_order_created_at", "mass_order", ["created_at"])
    op.create_table(
        "mass_file",
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("mass_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("declared_count", sa.Integer(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("same_count", sa.Integer(), nullable=False),
        sa.Column("rejected_count", sa.Integer(), nullable=False),
        sa.Column("refused_count", sa.Integer(), nullable=False),
        sa.Column("staged_count", sa.Integer(), nullable=False),
        sa.Column("done_seq", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_message_id"],
            ["inbound_message.id"],
            name=op.f("fk_mass_file_inbound_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["mass_id"], ["mass_order.mass_id"], name=op.f("fk_mass_file_mass_id")
        ),
        sa.PrimaryKeyConstraint("inbound_message_id", name=op.f("pk_mass_file")),
    )
    op.create_index("ix_mass_file_mass_id", "mass_file", ["mass_id"])
    op.create_index(
        "ix_mass_file_unfinished",
        "mass_file",
        ["state"],
        postgresql_where=sa.text("state IN ('READING', 'HELD', 'READY')"),
    )
    op.create_table(
        "mass_stage",
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("item_no", sa.Integer(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("source_hash", sa.BigInteger(), nullable=False),
        sa.Column("municipality_code", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("partner_code", sa.Text(), nullable=True),
        sa.Column("route_rule_id", sa.BigInteger(), nullable=True),
        sa.Column("payload_hash", sa.Text(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("key_info", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("inbound_message_id", "seq", name=op.f("pk_mass_stage")),
        # What is in it can be made again from the file, so it need not survive a crash.
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "mass_waiver",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("mass_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["work_order.order_id"],
            name=op.f("fk_mass_waiver_order_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", "system", name=op.f("pk_mass_waiver")),
    )
    op.create_index("ix_mass_waiver_mass_id", "mass_waiver", ["mass_id"])
    op.add_column("work_order", sa.Column("source_hash", sa.BigInteger(), nullable=True))
    # Quick: nothing has a mass_id yet.
    op.create_index(
        "ix_work_order_mass_id",
        "work_order",
        ["mass_id", "state"],
        postgresql_where=sa.text("mass_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_work_order_mass_id", table_name="work_order")
    op.drop_column("work_order", "source_hash")
    for table in ("mass_waiver", "mass_stage", "mass_file", "mass_order"):
        op.drop_table(table)
