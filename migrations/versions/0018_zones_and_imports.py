"""Zones with their lane runners, and files from other environments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "zone",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_generation", sa.Integer(), nullable=False),
        sa.Column("oldest_key_generation", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_zone")),
    )
    op.add_column("lane", sa.Column("zone", sa.Text(), server_default="central", nullable=False))
    op.execute(
        "INSERT INTO zone (code, name, key_generation, oldest_key_generation, active, created_at)"
        " VALUES ('central', 'Central', 1, 1, true, now())"
    )
    _add_runners()
    _add_imports()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("environment_import")
    op.drop_table("runner_claim")
    op.drop_table("lane_runner")
    op.drop_column("lane", "zone")
    op.drop_table("zone")


def _add_runners() -> None:
    op.create_table(
        "lane_runner",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("zone_code", sa.Text(), nullable=False),
        sa.Column("boot", sa.Uuid(), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock_offset_ms", sa.BigInteger(), nullable=False),
        sa.Column("open_count", sa.Integer(), nullable=False),
        sa.Column("unreported_count", sa.Integer(), nullable=False),
        sa.Column("missing_lanes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["zone_code"], ["zone.code"], name=op.f("fk_lane_runner_zone_code_zone")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane_runner")),
    )
    op.create_index("ix_lane_runner_lease", "lane_runner", ["lease"])
    op.create_table(
        "runner_claim",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("runner_id", sa.Uuid(), nullable=False),
        sa.Column("zone_code", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("outbox_item_id", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.Column("route", sa.Text(), nullable=True),
        sa.Column("cost_millicents", sa.BigInteger(), nullable=False),
        sa.Column("probe", sa.Boolean(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbox_item_id"],
            ["outbox_item.id"],
            name=op.f("fk_runner_claim_outbox_item_id_outbox_item"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["runner_id"], ["lane_runner.id"], name=op.f("fk_runner_claim_runner_id_lane_runner")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_runner_claim")),
    )
    op.create_index("ix_runner_claim_claim", "runner_claim", ["claim_id"])
    op.create_index("ix_runner_claim_item", "runner_claim", ["outbox_item_id"])
    op.create_index("ix_runner_claim_settled", "runner_claim", ["settled_at"])
    op.create_index(
        "ix_runner_claim_open",
        "runner_claim",
        ["runner_id"],
        postgresql_where=sa.text("settled_at IS NULL"),
    )


def _add_imports() -> None:
    op.create_table(
        "environment_import",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("from_environment", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exported_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("difference", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("brought_by", sa.Text(), nullable=False),
        sa.Column("brought_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environment_import")),
    )
    op.create_index(
        "uq_environment_import_waiting",
        "environment_import",
        ["digest"],
        unique=True,
        postgresql_where=sa.text("state = 'WAITING'"),
    )
