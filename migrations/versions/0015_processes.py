"""Processes and their triggers, starts and changes; the ledger of mailboxes; alarm rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Writes only while an active trigger listens for the table, so that nobody else pays for it.
_NOTE_CHANGE = """
CREATE FUNCTION note_process_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line jsonb;
BEGIN
    IF EXISTS (SELECT 1 FROM process_trigger WHERE active AND topic = TG_TABLE_NAME) THEN
        line := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
        INSERT INTO process_change (topic, key, operation, state, at)
        VALUES (TG_TABLE_NAME, line ->> TG_ARGV[0], TG_OP, line ->> 'state', clock_timestamp());
    END IF;
    RETURN NULL;
END $$
"""
# Table, what names its rows, and which updates count. A file or a run is one when it is new or over.
_WATCHED = (
    ("partner", "code", "OLD.* IS DISTINCT FROM NEW.*"),
    ("route_rule", "id", "OLD.* IS DISTINCT FROM NEW.*"),
    ("meter_model", "model", "OLD.* IS DISTINCT FROM NEW.*"),
    ("order_type", "code", "OLD.* IS DISTINCT FROM NEW.*"),
    ("mass_order", "mass_id", "OLD.state IS DISTINCT FROM NEW.state"),
    ("message_version", "id", "OLD.state IS DISTINCT FROM NEW.state"),
    ("storm", "id", "OLD.* IS DISTINCT FROM NEW.*"),
)
_FILE_KINDS = "NEW.kind IN ('CIS_FILE', 'DMS_OUTAGES', 'MAIL_ATTACHMENT')"
_RUN_OVER = "OLD.state = 'RUNNING' AND NEW.state <> 'RUNNING'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "process",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("run_name", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("chore", sa.Text(), nullable=True),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("log_level", sa.Text(), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("stopped_by", sa.Text(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("essential", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_process")),
        sa.UniqueConstraint("run_name", name=op.f("uq_process_run_name")),
    )
    op.create_table(
        "process_trigger",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("process_code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_code"],
            ["process.code"],
            name=op.f("fk_process_trigger_process_code"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_trigger")),
        sa.UniqueConstraint(
            "process_code", "kind", "key", name=op.f("uq_process_trigger_process_code_kind_key")
        ),
    )
    op.create_index(
        "ix_process_trigger_due",
        "process_trigger",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "ix_process_trigger_topic",
        "process_trigger",
        ["topic"],
        unique=False,
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "process_start",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("process_code", sa.Text(), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("origin_id", sa.BigInteger(), nullable=True),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("stop_asked_by", sa.Text(), nullable=True),
        sa.Column("stop_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["process_code"],
            ["process.code"],
            name=op.f("fk_process_start_process_code"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["process_trigger.id"],
            name=op.f("fk_process_start_trigger_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_start")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_process_start_dedupe_key")),
    )
    op.create_index(
        "ix_process_start_open",
        "process_start",
        ["process_code", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('WAITING', 'RUNNING')"),
    )
    op.create_index(
        "ix_process_start_process", "process_start", ["process_code", "id"], unique=False
    )
    op.create_index(
        "uq_process_start_alone",
        "process_start",
        ["process_code"],
        unique=True,
        postgresql_where=sa.text("state = 'RUNNING' AND alone"),
    )
    op.create_table(
        "process_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_change")),
    )
    op.create_table(
        "mail_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_message")),
        sa.UniqueConstraint(
            "mailbox",
            "message_id",
            "content_hash",
            name=op.f("uq_mail_message_mailbox_message_id_content_hash"),
        ),
    )
    op.create_table(
        "alarm_rule",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("window_min", sa.Integer(), nullable=False),
        sa.Column("limit_value", sa.Double(), nullable=False),
        sa.Column("clear_value", sa.Double(), nullable=False),
        sa.Column("raise_after", sa.Integer(), nullable=False),
        sa.Column("clear_after", sa.Integer(), nullable=False),
        sa.Column("least_count", sa.Integer(), nullable=False),
        sa.Column("days", sa.Text(), nullable=False),
        sa.Column("from_time", sa.Time(), nullable=True),
        sa.Column("to_time", sa.Time(), nullable=True),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("recipients", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("to_webhook", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("raised", sa.Boolean(), nullable=False),
        sa.Column("raised_count", sa.Integer(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("last_value", sa.Double(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_alarm_rule")),
    )
    op.create_index(
        "ix_alarm_rule_due",
        "alarm_rule",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "ix_work_order_created_at", "work_order", ["created_at"], postgresql_using="brin"
    )
    op.execute(_NOTE_CHANGE)
    for table, key, counts in _WATCHED:
        _watch(table, "other", "INSERT OR DELETE", key)
        _watch(table, "update", "UPDATE", key, counts)
    _watch("inbound_message", "file", "INSERT", "id", _FILE_KINDS)
    _watch("run", "end", "UPDATE OF state", "id", _RUN_OVER)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, _, _ in _WATCHED:
        _unwatch(table, "other", "update")
    _unwatch("inbound_message", "file")
    _unwatch("run", "end")
    op.execute("DROP FUNCTION note_process_change()")
    op.drop_index("ix_work_order_created_at", table_name="work_order")
    for table in (
        "alarm_rule",
        "mail_message",
        "process_change",
        "process_start",
        "process_trigger",
        "process",
    ):
        op.drop_table(table)


def _watch(table: str, name: str, acts: str, key: str, counts: str | None = None) -> None:
    when = f"WHEN ({counts})" if counts else ""
    op.execute(
        f"CREATE TRIGGER process_{name} AFTER {acts} ON {table}"
        f" FOR EACH ROW {when} EXECUTE FUNCTION note_process_change('{key}')"
    )


def _unwatch(table: str, *names: str) -> None:
    for name in names:
        op.execute(f"DROP TRIGGER process_{name} ON {table}")
