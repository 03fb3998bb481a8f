"""Outages of every kind, and announcements: what is to be told to many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "storm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("municipality_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storm")),
    )
    op.create_table(
        "notice_point",
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name=op.f("fk_notice_point_notice_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("notice_id", "gsrn", name=op.f("pk_notice_point")),
    )
    op.create_index("ix_notice_point_gsrn", "notice_point", ["gsrn"], unique=False)
    op.create_table(
        "announcement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("outage_id", sa.BigInteger(), nullable=True),
        sa.Column("corrects_id", sa.BigInteger(), nullable=True),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("not_before_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expected_count", sa.Integer(), nullable=True),
        sa.Column("told_count", sa.Integer(), nullable=False),
        sa.Column("suppressed_count", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["announcement.id"], name=op.f("fk_announcement_corrects_id")
        ),
        sa.ForeignKeyConstraint(
            ["outage_id"], ["outage.id"], name=op.f("fk_announcement_outage_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcement")),
        sa.UniqueConstraint(
            "type", "subject", "occurrence", name=op.f("uq_announcement_type_subject_occurrence")
        ),
    )
    op.create_index("ix_announcement_created_at", "announcement", ["created_at"], unique=False)
    op.create_index(
        "ix_announcement_held",
        "announcement",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'HELD'"),
    )
    op.create_index("ix_announcement_outage_id", "announcement", ["outage_id"], unique=False)
    op.create_index(
        "ix_announcement_pending",
        "announcement",
        ["priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_table(
        "outage_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("outage_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["outage_id"], ["outage.id"], name=op.f("fk_outage_event_outage_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage_event")),
    )
    op.create_index("ix_outage_event_outage_id", "outage_event", ["outage_id", "id"], unique=False)
    op.add_column("notice", sa.Column("announcement_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "notice", sa.Column("point_count", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column(
        "notice", sa.Column("must_reach", sa.Boolean(), server_default="false", nullable=False)
    )
    op.create_index("ix_notice_announcement_id", "notice", ["announcement_id"], unique=False)
    op.create_index("ix_notice_outage_id", "notice", ["outage_id", "contact_id"], unique=False)
    op.add_column("outage", sa.Column("source_version", sa.BigInteger(), nullable=True))
    op.add_column("outage", sa.Column("cause_code", sa.Text(), nullable=True))
    op.add_column("outage", sa.Column("etr_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outage", sa.Column("etr_confidence", sa.Text(), nullable=True))
    op.add_column("outage", sa.Column("etr_set_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outage", sa.Column("planned_from_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outage", sa.Column("planned_to_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outage", sa.Column("feeder", sa.Text(), nullable=True))
    op.add_column("outage", sa.Column("transformer", sa.Text(), nullable=True))
    op.add_column("outage", sa.Column("parent_id", sa.BigInteger(), nullable=True))
    op.add_column("outage", sa.Column("storm_id", sa.BigInteger(), nullable=True))
    op.add_column("outage", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_outage_current",
        "outage",
        ["kind", "state"],
        unique=False,
        postgresql_where=sa.text(
            "state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'CANCELLED', 'ENDED')"
        ),
    )
    op.create_index("ix_outage_parent_id", "outage", ["parent_id"], unique=False)
    op.create_index("ix_outage_started_at", "outage", ["kind", "started_at"], unique=False)
    op.create_index("ix_outage_storm_id", "outage", ["storm_id"], unique=False)
    op.create_foreign_key(op.f("fk_outage_parent_id"), "outage", "outage", ["parent_id"], ["id"])
    op.create_foreign_key(op.f("fk_outage_storm_id"), "outage", "storm", ["storm_id"], ["id"])
    op.create_index(
        "ix_outage_point_off",
        "outage_point",
        ["gsrn"],
        unique=False,
        postgresql_where=sa.text("on_at IS NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(
        "ix_outage_point_off", table_name="outage_point", postgresql_where=sa.text("on_at IS NULL")
    )
    op.drop_constraint(op.f("fk_outage_storm_id"), "outage", type_="foreignkey")
    op.drop_constraint(op.f("fk_outage_parent_id"), "outage", type_="foreignkey")
    op.drop_index("ix_outage_storm_id", table_name="outage")
    op.drop_index("ix_outage_started_at", table_name="outage")
    op.drop_index("ix_outage_parent_id", table_name="outage")
    op.drop_index(
        "ix_outage_current",
        table_name="outage",
        postgresql_where=sa.text(
            "state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'CANCELLED', 'ENDED')"
        ),
    )
    op.drop_column("outage", "closed_at")
    op.drop_column("outage", "storm_id")
    op.drop_column("outage", "parent_id")
    op.drop_column("outage", "transformer")
    op.drop_column("outage", "feeder")
    op.drop_column("outage", "planned_to_at")
    op.drop_column("outage", "planned_from_at")
    op.drop_column("outage", "etr_set_at")
    op.drop_column("outage", "etr_confidence")
    op.drop_column("outage", "etr_at")
    op.drop_column("outage", "cause_code")
    op.drop_column("outage", "source_version")
    op.drop_index("ix_notice_outage_id", table_name="notice")
    op.drop_index("ix_notice_announcement_id", table_name="notice")
    op.drop_column("notice", "must_reach")
    op.drop_column("notice", "point_count")
    op.drop_column("notice", "announcement_id")
    op.drop_index("ix_outage_event_outage_id", table_name="outage_event")
    op.drop_table("outage_event")
    op.drop_index(
        "ix_announcement_pending",
        table_name="announcement",
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.drop_index("ix_announcement_outage_id", table_name="announcement")
    op.drop_index(
        "ix_announcement_held",
        table_name="announcement",
        postgresql_where=sa.text("state = 'HELD'"),
    )
    op.drop_index("ix_announcement_created_at", table_name="announcement")
    op.drop_table("announcement")
    op.drop_index("ix_notice_point_gsrn", table_name="notice_point")
    op.drop_table("notice_point")
    op.drop_table("storm")
