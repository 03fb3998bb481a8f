"""Replies of customers, what waits for customer service, and planned visits with their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _make_replies()
    _make_visits()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in (
        "visit_answer",
        "visit",
        "customer_report",
        "pending_question",
        "inbound_sms",
        "reply_case",
    ):
        op.drop_table(table)


def _make_replies() -> None:
    op.create_table(
        "reply_case",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column(
            "notice_ids", postgresql.ARRAY(sa.BigInteger()), server_default="{}", nullable=False
        ),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("opened_at", _AT, nullable=False),
        sa.Column("last_at", _AT, nullable=False),
        sa.Column("answered_at", _AT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("closed_at", _AT, nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply_case")),
    )
    op.create_index(
        "uq_reply_case_open",
        "reply_case",
        ["number"],
        unique=True,
        postgresql_where=sa.text("state <> 'CLOSED'"),
    )
    op.create_index("ix_reply_case_state", "reply_case", ["state", "id"], unique=False)
    op.create_index("ix_reply_case_gsrn", "reply_case", ["gsrn"], unique=False)
    op.create_table(
        "inbound_sms",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=False),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("media_count", sa.Integer(), nullable=False),
        sa.Column("received_at", _AT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _AT, nullable=False),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("handled_at", _AT, nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("answer_type", sa.Text(), nullable=True),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["reply_case.id"], name=op.f("fk_inbound_sms_case_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_sms")),
        sa.UniqueConstraint("sid", name=op.f("uq_inbound_sms_sid")),
    )
    op.create_index(
        "ix_inbound_sms_waiting",
        "inbound_sms",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    op.create_index(
        "ix_inbound_sms_from_number", "inbound_sms", ["from_number", "id"], unique=False
    )
    op.create_index("ix_inbound_sms_gsrn", "inbound_sms", ["gsrn", "received_at"], unique=False)
    op.create_index("ix_inbound_sms_case_id", "inbound_sms", ["case_id"], unique=False)
    op.create_table(
        "pending_question",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_pending_question")),
    )
    op.create_table(
        "customer_report",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("reported_at", _AT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("inbound_sms_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_sms_id"], ["inbound_sms.id"], name=op.f("fk_customer_report_inbound_sms_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_report")),
        sa.UniqueConstraint("inbound_sms_id", name=op.f("uq_customer_report_inbound_sms_id")),
    )
    op.create_index(
        "ix_customer_report_gsrn", "customer_report", ["gsrn", "reported_at"], unique=False
    )


def _make_visits() -> None:
    op.create_table(
        "visit",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("from_at", _AT, nullable=False),
        sa.Column("to_at", _AT, nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("told_from_at", _AT, nullable=True),
        sa.Column("told_to_at", _AT, nullable=True),
        sa.Column("told_at", _AT, nullable=True),
        sa.Column("reminded_from_at", _AT, nullable=True),
        sa.Column("updated_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_visit")),
    )
    op.create_index("ix_visit_from_at", "visit", ["from_at"], unique=False)
    op.create_table(
        "visit_answer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("from_at", _AT, nullable=False),
        sa.Column("to_at", _AT, nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("inbound_sms_id", sa.BigInteger(), nullable=True),
        sa.Column("at", _AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_sms_id"], ["inbound_sms.id"], name=op.f("fk_visit_answer_inbound_sms_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit_answer")),
    )
    op.create_index("ix_visit_answer_order_id", "visit_answer", ["order_id", "id"], unique=False)
