"""Planned cuts: who planned and approved them, and what was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "planned_cut",
        sa.Column("outage_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announce_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("short_reason", sa.Text(), nullable=True),
        sa.Column("short_by", sa.Text(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wanted_from_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wanted_to_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wanted_why", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outage_id"], ["outage.id"], name=op.f("fk_planned_cut_outage_id")
        ),
        sa.PrimaryKeyConstraint("outage_id", name=op.f("pk_planned_cut")),
    )
    op.create_table(
        "planned_cut_finding",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("outage_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["outage_id"],
            ["planned_cut.outage_id"],
            name=op.f("fk_planned_cut_finding_outage_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_cut_finding")),
    )
    op.create_index(
        "ix_planned_cut_finding_outage_id", "planned_cut_finding", ["outage_id"], unique=False
    )
    op.add_column(
        "partner", sa.Column("plans_cuts", sa.Boolean(), server_default="false", nullable=False)
    )
    op.create_index("ix_metering_point_transformer", "metering_point", ["transformer"])
    op.create_index("ix_metering_point_feeder", "metering_point", ["feeder"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_metering_point_feeder", table_name="metering_point")
    op.drop_index("ix_metering_point_transformer", table_name="metering_point")
    op.drop_column("partner", "plans_cuts")
    op.drop_index("ix_planned_cut_finding_outage_id", table_name="planned_cut_finding")
    op.drop_table("planned_cut_finding")
    op.drop_table("planned_cut")
