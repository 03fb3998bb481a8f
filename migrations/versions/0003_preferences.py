"""Preferences as deviations from a default, confirmed contacts, and customers at the portal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


# What the CIS enrolled stood in rows of one topic; from here on it is a fact of the contact, and rows
# say only what somebody chose.
_ENROL = """
    UPDATE contact k SET enrolled = coalesce(
        (SELECT p.enabled FROM preference p WHERE p.contact_id = k.id AND p.topic = 'METER_SWAP'
            AND p.gsrn IS NULL AND p.source = 'CIS'),
        k.source = 'CIS' AND c.preferred_channel <> 'NONE')
    FROM customer c WHERE c.cis_id = k.customer_id
"""
_FORGET_DEFAULTS = "DELETE FROM preference WHERE source = 'CIS' AND gsrn IS NULL"
_WRITE_DEFAULTS = """
    INSERT INTO preference (contact_id, gsrn, topic, enabled, night_ok, source, legal_basis,
        changed_at)
    SELECT k.id, NULL, 'METER_SWAP', k.enrolled, false, 'CIS', 'CONTRACT', now() FROM contact k
    WHERE k.state <> 'REMOVED' AND k.third_party_name IS NULL
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "customer_session",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("contact_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_customer_session_token_hash")),
    )
    op.create_index("ix_customer_session_seen_at", "customer_session", ["seen_at"], unique=False)
    op.create_table(
        "daily_task",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_daily_task")),
    )
    op.create_table(
        "one_time_code",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("redacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_code")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_code_token_hash")),
    )
    op.create_index("ix_one_time_code_created_at", "one_time_code", ["created_at"], unique=False)
    op.create_index(
        "ix_one_time_code_readable",
        "one_time_code",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("notice_id IS NOT NULL AND redacted_at IS NULL"),
    )
    op.create_index("ix_one_time_code_value", "one_time_code", ["value"], unique=False)
    op.create_table(
        "rate_count",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "since", name=op.f("pk_rate_count")),
    )
    op.create_index("ix_rate_count_until", "rate_count", ["until"], unique=False)
    op.create_table(
        "contact_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_contact_change_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_change")),
    )
    op.create_index(
        op.f("ix_contact_change_contact_id"), "contact_change", ["contact_id"], unique=False
    )
    op.create_table(
        "contact_issue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("their_kind", sa.Text(), nullable=False),
        sa.Column("their_value", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_contact_issue_contact_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.cis_id"], name=op.f("fk_contact_issue_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_issue")),
        sa.UniqueConstraint(
            "customer_id",
            "kind",
            "their_kind",
            "their_value",
            name=op.f("uq_contact_issue_customer_id_kind_their_kind_their_value"),
        ),
    )
    op.create_index("ix_contact_issue_contact_id", "contact_issue", ["contact_id"], unique=False)
    op.create_index(
        "ix_contact_issue_open",
        "contact_issue",
        ["opened_at"],
        unique=False,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.add_column(
        "contact", sa.Column("enrolled", sa.Boolean(), server_default="false", nullable=False)
    )
    op.add_column("contact", sa.Column("doubt", sa.Text(), nullable=True))
    op.add_column("contact", sa.Column("removed_by", sa.Text(), nullable=True))
    op.add_column("contact", sa.Column("third_party_name", sa.Text(), nullable=True))
    op.add_column("contact", sa.Column("approved_by", sa.Text(), nullable=True))
    op.add_column("contact", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("contact", sa.Column("only_gsrns", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("contact", sa.Column("welcome_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_contact_welcome",
        "contact",
        ["welcome_due_at"],
        unique=False,
        postgresql_where=sa.text("welcome_due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_contact_invalid",
        "contact",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'INVALID'"),
    )
    op.add_column(
        "inbound_message", sa.Column("body_removed_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("preference_change", sa.Column("night_ok", sa.Boolean(), nullable=True))
    op.add_column(
        "preference_change",
        sa.Column("ended", sa.Boolean(), server_default="false", nullable=False),
    )
    op.execute(_ENROL)
    op.execute(_FORGET_DEFAULTS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_WRITE_DEFAULTS)
    op.drop_column("preference_change", "ended")
    op.drop_column("preference_change", "night_ok")
    op.drop_column("inbound_message", "body_removed_at")
    op.drop_index(
        "ix_contact_invalid", table_name="contact", postgresql_where=sa.text("state = 'INVALID'")
    )
    op.drop_index(
        "ix_contact_welcome",
        table_name="contact",
        postgresql_where=sa.text("welcome_due_at IS NOT NULL"),
    )
    op.drop_column("contact", "welcome_due_at")
    op.drop_column("contact", "only_gsrns")
    op.drop_column("contact", "approved_at")
    op.drop_column("contact", "approved_by")
    op.drop_column("contact", "third_party_name")
    op.drop_column("contact", "removed_by")
    op.drop_column("contact", "doubt")
    op.drop_column("contact", "enrolled")
    op.drop_index(
        "ix_contact_issue_open",
        table_name="contact_issue",
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.drop_index("ix_contact_issue_contact_id", table_name="contact_issue")
    op.drop_table("contact_issue")
    op.drop_index(op.f("ix_contact_change_contact_id"), table_name="contact_change")
    op.drop_table("contact_change")
    op.drop_index("ix_rate_count_until", table_name="rate_count")
    op.drop_table("rate_count")
    op.drop_index("ix_one_time_code_value", table_name="one_time_code")
    op.drop_index(
        "ix_one_time_code_readable",
        table_name="one_time_code",
        postgresql_where=sa.text("notice_id IS NOT NULL AND redacted_at IS NULL"),
    )
    op.drop_index("ix_one_time_code_created_at", table_name="one_time_code")
    op.drop_table("one_time_code")
    op.drop_table("daily_task")
    op.drop_index("ix_customer_session_seen_at", table_name="customer_session")
    op.drop_table("customer_session")
