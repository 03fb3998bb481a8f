"""Routes of providers, rate limits, the stop, the budget, another channel, and letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "provider_route",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("rate_per_s", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", _AT, nullable=True),
        sa.Column("open_until", _AT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_sent_at", _AT, nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_provider_route")),
    )
    op.create_table(
        "provider_route_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("rate_per_s", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_route_change")),
    )
    op.create_index(
        "ix_provider_route_change_route", "provider_route_change", ["route", "id"], unique=False
    )
    op.create_table(
        "rate_bucket",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("refilled_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_bucket")),
    )
    op.create_table(
        "sending_stop",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("keep_service", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stopped_by", sa.Text(), nullable=False),
        sa.Column("stopped_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_sending_stop")),
    )
    op.create_table(
        "spend_hour",
        sa.Column("hour_at", _AT, nullable=False),
        sa.Column("millicents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour_at", name=op.f("pk_spend_hour")),
    )
    op.create_table(
        "budget_raise",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("extra_cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raised_by", sa.Text(), nullable=False),
        sa.Column("raised_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_raise")),
    )
    op.create_index("ix_budget_raise_on_day", "budget_raise", ["on_day"], unique=False)
    op.create_table(
        "letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("nameless", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expires_at", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("printed_at", _AT, nullable=True),
        sa.Column("printed_by", sa.Text(), nullable=True),
        sa.Column("posted_at", _AT, nullable=True),
        sa.Column("posted_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_letter_dedupe_key")),
    )
    op.create_index(
        "ix_letter_state",
        "letter",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state <> 'POSTED'"),
    )
    op.create_index("ix_letter_notice_id", "letter", ["notice_id"], unique=False)
    op.create_index("ix_letter_gsrn", "letter", ["gsrn"], unique=False)
    op.add_column("lane", sa.Column("rate_per_s", sa.Integer(), nullable=True))
    op.add_column("outbox_item", sa.Column("route", sa.Text(), nullable=True))
    op.add_column("attempt", sa.Column("route", sa.Text(), nullable=True))
    op.add_column(
        "notice", sa.Column("cost_millicents", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("notice", sa.Column("fallback_of", sa.BigInteger(), nullable=True))
    op.add_column("notice", sa.Column("aftercare_at", _AT, nullable=True))
    op.create_index(
        "uq_notice_fallback_of",
        "notice",
        ["fallback_of"],
        unique=True,
        postgresql_where=sa.text("fallback_of IS NOT NULL"),
    )
    op.create_index(
        "ix_notice_aftercare",
        "notice",
        ["id"],
        unique=False,
        postgresql_where=sa.text(
            "aftercare_at IS NULL AND topic IN ('SAFETY', 'PLANNED', 'COMPENSATION')"
        ),
    )
    op.create_index(
        "ix_attempt_resolved",
        "attempt",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("resolved_by IS NOT NULL"),
    )
    # What sending changes in a row is known to no index and has room beside it, so that it changes
    # in place. Rows that are there keep their pages.
    op.execute("ALTER TABLE notice SET (fillfactor = 50)")
    op.execute("ALTER TABLE attempt SET (fillfactor = 50)")
    op.drop_index("ix_notice_provider_ref", table_name="notice")
    op.drop_index("ix_attempt_unknown", table_name="attempt")
    op.create_index(
        "ix_attempt_in_doubt",
        "attempt",
        ["next_lookup_at"],
        unique=False,
        postgresql_where=sa.text("next_lookup_at IS NOT NULL"),
    )
    op.execute(
        "UPDATE attempt SET next_lookup_at = '9999-01-01 00:00+00'"
        " WHERE outcome = 'UNKNOWN' AND resolved_by IS NULL AND next_lookup_at IS NULL"
    )
    # What nobody looked at so far is too old to be told now.
    op.execute(
        "UPDATE notice SET aftercare_at = now() WHERE topic IN ('SAFETY', 'PLANNED', 'COMPENSATION')"
    )
    # One call to the e-mail provider carries a thousand, so a hundred under way would be a crawl.
    op.execute(
        "UPDATE lane SET in_flight_count = 2000 WHERE name = 'email' AND in_flight_count = 100"
    )
    # What goes by one provider so far goes on by it.
    op.execute(
        "INSERT INTO provider_route (code, channel, adapter, account, weight, active, failures,"
        " changed_by, changed_at)"
        " SELECT code, channel, adapter, code, 100, true, 0, 'system:setup', now()"
        " FROM (VALUES ('twilio', 'SMS', 'twilio'), ('sendgrid', 'EMAIL', 'sendgrid'))"
        " AS r (code, channel, adapter) WHERE EXISTS (SELECT 1 FROM lane WHERE name = 'sms')"
    )
    op.execute(
        "UPDATE outbox_item SET route = CASE lane WHEN 'sms' THEN 'twilio' ELSE 'sendgrid' END"
        " WHERE lane IN ('sms', 'email') AND state = 'UNKNOWN'"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "UPDATE attempt SET next_lookup_at = NULL WHERE next_lookup_at = '9999-01-01 00:00+00'"
    )
    op.drop_index("ix_attempt_in_doubt", table_name="attempt")
    op.create_index(
        "ix_attempt_unknown",
        "attempt",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("outcome = 'UNKNOWN'"),
    )
    op.create_index("ix_notice_provider_ref", "notice", ["provider_ref"], unique=False)
    op.execute("ALTER TABLE attempt RESET (fillfactor)")
    op.execute("ALTER TABLE notice RESET (fillfactor)")
    op.drop_index("ix_attempt_resolved", table_name="attempt")
    op.drop_index("ix_notice_aftercare", table_name="notice")
    op.drop_index("uq_notice_fallback_of", table_name="notice")
    op.drop_column("notice", "aftercare_at")
    op.drop_column("notice", "fallback_of")
    op.drop_column("notice", "cost_millicents")
    op.drop_column("attempt", "route")
    op.drop_column("outbox_item", "route")
    op.drop_column("lane", "rate_per_s")
    for table in (
        "letter",
        "budget_raise",
        "spend_hour",
        "sending_stop",
        "rate_bucket",
        "provider_route_change",
        "provider_route",
    ):
        op.drop_table(table)
