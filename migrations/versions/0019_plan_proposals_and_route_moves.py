"""Who proposed a version of the rollout's plan, and orders that are given to another partner."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("rollout_plan", sa.Column("proposed_by", sa.Text(), nullable=True))
    op.add_column(
        "rollout_plan", sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "route_move",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("set_number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expected_count", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_order_id", sa.Text(), nullable=False),
        sa.Column("moved_count", sa.Integer(), nullable=False),
        sa.Column("kept_count", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["set_number"],
            ["rule_set.number"],
            name=op.f("fk_route_move_set_number"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_move")),
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_route_move_open ON route_move ((1))"
        " WHERE state IN ('PROPOSED', 'APPROVED')"
    )
    # Its runs have had this name all along, so the process has shown none.
    op.execute("UPDATE process SET run_name = 'partner files' WHERE lane = 'partner_files'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE process SET run_name = 'drain partner_files' WHERE lane = 'partner_files'")
    op.drop_table("route_move")
    op.drop_column("rollout_plan", "proposed_at")
    op.drop_column("rollout_plan", "proposed_by")
