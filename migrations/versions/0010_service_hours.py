"""What was counted of each hour for the public figures, and where visits that ended are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "service_hour",
        sa.Column("hour_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hour_at", name=op.f("pk_service_hour")),
    )
    op.create_index(
        "ix_ack_visit_end",
        "ack",
        ["occurred_at"],
        postgresql_where=sa.text("type IN ('COMPLETED', 'FAILED') AND verdict = 'APPLIED'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_ack_visit_end", table_name="ack")
    op.drop_table("service_hour")
