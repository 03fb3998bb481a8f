"""Faults: what the DMS and meters said, storms' cadence, and whom to call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("outage", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "storm",
        sa.Column("bulletin_every_s", sa.Float(), server_default="3600", nullable=False),
    )
    op.create_table(
        "dms_statement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("outage_id", sa.BigInteger(), nullable=True),
        sa.Column("parent_ref", sa.Text(), nullable=True),
        sa.Column("split_ref", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outage_id"], ["outage.id"], name=op.f("fk_dms_statement_outage_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dms_statement")),
    )
    op.create_index(
        "uq_dms_statement_version",
        "dms_statement",
        ["source_ref", "version"],
        unique=True,
        postgresql_where=sa.text("verdict IN ('APPLIED', 'STALE')"),
    )
    for column in ("parent_ref", "split_ref", "outage_id"):
        op.create_index(f"ix_dms_statement_{column}", "dms_statement", [column], unique=False)
    op.create_table(
        "meter_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("meter_number", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_event")),
        sa.UniqueConstraint("gsrn", "code", "at", name=op.f("uq_meter_event_gsrn_code_at")),
    )
    op.create_table(
        "call_list_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("outage_id", sa.BigInteger(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("off_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.cis_id"], name=op.f("fk_call_list_entry_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["outage_id"], ["outage.id"], name=op.f("fk_call_list_entry_outage_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_list_entry")),
        sa.UniqueConstraint(
            "outage_id",
            "gsrn",
            "customer_id",
            name=op.f("uq_call_list_entry_outage_id_gsrn_customer_id"),
        ),
    )
    op.create_index(
        "ix_call_list_entry_open",
        "call_list_entry",
        ["added_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'DONE'"),
    )
    op.create_index(
        "ix_call_list_entry_customer_id", "call_list_entry", ["customer_id"], unique=False
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("call_list_entry")
    op.drop_table("meter_event")
    op.drop_table("dms_statement")
    op.drop_column("storm", "bulletin_every_s")
    op.drop_column("outage", "confirmed_at")
