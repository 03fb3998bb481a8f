"""The tables of the spine: from a file of the CIS to a notice on a phone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Substring search over hundreds of thousands of points needs trigrams.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "ack",
        sa.Column("partner_code", sa.Text(), nullable=False),
        sa.Column("ack_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("partner_ref", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partner_code", "ack_id", name=op.f("pk_ack")),
    )
    op.create_index("ix_ack_order_id", "ack", ["order_id", "occurred_at"], unique=False)
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"], unique=False)
    op.create_index("ix_audit_entry_subject", "audit_entry", ["subject", "at"], unique=False)
    op.create_table(
        "code_value",
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name_fi", sa.Text(), nullable=False),
        sa.Column("name_sv", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("list_name", "code", name=op.f("pk_code_value")),
    )
    op.create_table(
        "customer",
        sa.Column("cis_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("language_assumed", sa.Boolean(), nullable=False),
        sa.Column("personal_safety_ban", sa.Boolean(), nullable=False),
        sa.Column("priority_flag", sa.Boolean(), nullable=False),
        sa.Column("preferred_channel", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cis_id", name=op.f("pk_customer")),
    )
    op.create_table(
        "delivery_receipt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_receipt")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_delivery_receipt_dedupe_key")),
    )
    op.create_index(
        "ix_delivery_receipt_attempt_id", "delivery_receipt", ["attempt_id"], unique=False
    )
    op.create_index(
        "ix_delivery_receipt_waiting",
        "delivery_receipt",
        ["id"],
        unique=False,
        postgresql_where=sa.text("verdict = 'WAITING'"),
    )
    op.create_table(
        "drainer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drainer")),
    )
    op.create_table(
        "file_sighting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.BigInteger(), nullable=False),
        sa.Column("unchanged_since_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_file_sighting")),
    )
    op.create_table(
        "inbound_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("business_key", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interpreted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("remote_name", sa.Text(), nullable=True),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_message")),
        sa.UniqueConstraint(
            "source", "body_hash", name=op.f("uq_inbound_message_source_body_hash")
        ),
    )
    op.create_index(
        "ix_inbound_message_business_key", "inbound_message", ["business_key"], unique=False
    )
    op.create_index(
        "ix_inbound_message_held",
        "inbound_message",
        ["kind", "reason_code"],
        unique=False,
        postgresql_where=sa.text("state = 'HELD'"),
    )
    op.create_index(
        "ix_inbound_message_message_id", "inbound_message", ["source", "message_id"], unique=False
    )
    op.create_index(
        "ix_inbound_message_received_at", "inbound_message", ["received_at"], unique=False
    )
    op.create_index(
        "ix_inbound_message_refused",
        "inbound_message",
        ["source"],
        unique=False,
        postgresql_where=sa.text("state = 'REJECTED' AND quarantined_at IS NULL"),
    )
    op.create_index(
        "ix_inbound_message_waiting",
        "inbound_message",
        ["kind", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'STORED'"),
    )
    op.create_table(
        "lane",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sends", sa.Boolean(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("in_flight_count", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lane")),
    )
    op.create_table(
        "meter",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("maker", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column("multiplier", sa.Numeric(precision=12, scale=4), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_comm_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_meter")),
    )
    op.create_index(op.f("ix_meter_gsrn"), "meter", ["gsrn"], unique=False)
    op.create_table(
        "meter_model",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("phases", sa.Integer(), nullable=False),
        sa.Column("ct", sa.Boolean(), nullable=False),
        sa.Column("max_fuse_a", sa.Integer(), nullable=True),
        sa.Column("order_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("mass_ok", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_meter_model")),
    )
    op.create_table(
        "meter_placement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("meter_number", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("installed_by_order", sa.Text(), nullable=True),
        sa.Column("removed_by_order", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_placement")),
    )
    op.create_index("ix_meter_placement_gsrn", "meter_placement", ["gsrn"], unique=False)
    op.create_index(
        "ix_meter_placement_meter_number", "meter_placement", ["meter_number"], unique=False
    )
    op.create_table(
        "meter_reading",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("meter_number", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("ack_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_reading")),
    )
    op.create_index(
        "ix_meter_reading_meter_number", "meter_reading", ["meter_number", "read_at"], unique=False
    )
    op.create_index(
        "uq_meter_reading_ack",
        "meter_reading",
        ["ack_id", "meter_number", "register", "read_at"],
        unique=True,
    )
    op.create_table(
        "metering_point",
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("dso_code", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subtype", sa.Text(), nullable=True),
        sa.Column("remote_connectable", sa.Boolean(), nullable=True),
        sa.Column("street_name", sa.Text(), nullable=True),
        sa.Column("house_number", sa.Text(), nullable=True),
        sa.Column("staircase", sa.Text(), nullable=True),
        sa.Column("apartment", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("post_office", sa.Text(), nullable=True),
        sa.Column("municipality_code", sa.Text(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("dwelling", sa.Text(), nullable=True),
        sa.Column("transformer", sa.Text(), nullable=True),
        sa.Column("feeder", sa.Text(), nullable=True),
        sa.Column("phases", sa.Integer(), nullable=True),
        sa.Column("main_fuse_a", sa.Integer(), nullable=True),
        sa.Column("ct_ratio", sa.Text(), nullable=True),
        sa.Column("meter_place", sa.Text(), nullable=True),
        sa.Column("access_note", sa.Text(), nullable=True),
        sa.Column("key_info", sa.Text(), nullable=True),
        sa.Column("annual_fee_cents", sa.BigInteger(), nullable=True),
        sa.Column("linked_gsrn", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("gsrn", name=op.f("pk_metering_point")),
    )
    op.create_index("ix_metering_point_dso_code", "metering_point", ["dso_code"], unique=False)
    op.create_index(
        "ix_metering_point_municipality_code", "metering_point", ["municipality_code"], unique=False
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("outage_id", sa.BigInteger(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("sent_to", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("segments", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suppress_reason", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("resent_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notice_dedupe_key")),
    )
    op.create_index("ix_notice_contact_id", "notice", ["contact_id"], unique=False)
    op.create_index(
        "ix_notice_created_at", "notice", ["created_at"], unique=False, postgresql_using="brin"
    )
    op.create_index("ix_notice_gsrn", "notice", ["gsrn", "created_at"], unique=False)
    op.create_index("ix_notice_order_id", "notice", ["order_id"], unique=False)
    op.create_index(op.f("ix_notice_provider_ref"), "notice", ["provider_ref"], unique=False)
    op.create_table(
        "order_type",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name_fi", sa.Text(), nullable=False),
        sa.Column("name_sv", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("for_removal", sa.Boolean(), nullable=False),
        sa.Column("takes_new_meter", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_order_type")),
    )
    op.create_table(
        "outage",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage")),
    )
    op.create_index(
        "ix_outage_open",
        "outage",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.create_index("uq_outage_source", "outage", ["source", "source_ref"], unique=True)
    op.create_table(
        "outbox_item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("last_error_class", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_item")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_item_dedupe_key")),
    )
    op.create_index("ix_outbox_item_business_key", "outbox_item", ["business_key"], unique=False)
    op.create_index(
        "ix_outbox_item_claimed",
        "outbox_item",
        ["lease"],
        unique=False,
        postgresql_where=sa.text("state = 'CLAIMED'"),
    )
    op.create_index(
        "ix_outbox_item_due",
        "outbox_item",
        ["lane", "next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.create_index(
        "ix_outbox_item_head",
        "outbox_item",
        ["lane", "order_key", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('READY', 'CLAIMED')"),
    )
    op.create_index(
        "ix_outbox_item_ready",
        "outbox_item",
        ["lane", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.create_index(
        "ix_outbox_item_waiting",
        "outbox_item",
        ["lane", "state", "created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('UNKNOWN', 'DEAD', 'HELD')"),
    )
    op.create_table(
        "partner",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("order_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sees_key_info", sa.Boolean(), nullable=False),
        sa.Column("key_generation", sa.Integer(), nullable=False),
        sa.Column("oldest_key_generation", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_partner")),
    )
    op.create_table(
        "payload_blob",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_payload_blob")),
    )
    op.create_table(
        "point_search",
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("haystack", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("gsrn", name=op.f("pk_point_search")),
    )
    op.create_index(
        "ix_point_search_haystack",
        "point_search",
        ["haystack"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"haystack": "gin_trgm_ops"},
    )
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index("ix_run_process", "run", ["process", "started_at"], unique=False)
    op.create_index("ix_run_started_at", "run", ["started_at"], unique=False)
    op.create_index("ix_run_state", "run", ["state", "started_at"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("every_s", sa.Double(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedule")),
    )
    op.create_table(
        "staff_account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_account")),
        sa.UniqueConstraint("username", name=op.f("uq_staff_account_username")),
    )
    op.create_table(
        "work_order_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("states", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_order_change")),
    )
    op.create_index(
        "ix_work_order_change_order_id", "work_order_change", ["order_id", "id"], unique=False
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("outbox_item_id", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("next_lookup_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbox_item_id"],
            ["outbox_item.id"],
            name=op.f("fk_attempt_outbox_item_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_outbox_item_id", "attempt", ["outbox_item_id"], unique=False)
    op.create_index(
        "ix_attempt_unknown",
        "attempt",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("outcome = 'UNKNOWN'"),
    )
    op.create_table(
        "contact",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bounce_count", sa.Integer(), nullable=False),
        sa.Column("quiet_from", sa.Time(), nullable=True),
        sa.Column("quiet_to", sa.Time(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.cis_id"], name=op.f("fk_contact_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sa.UniqueConstraint(
            "customer_id", "kind", "value", name=op.f("uq_contact_customer_id_kind_value")
        ),
    )
    op.create_index("ix_contact_value", "contact", ["value"], unique=False)
    op.create_table(
        "inbound_chunk",
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_message_id"],
            ["inbound_message.id"],
            name=op.f("fk_inbound_chunk_inbound_message_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inbound_message_id", "seq", name=op.f("pk_inbound_chunk")),
    )
    op.create_table(
        "inbound_finding",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_message_id"],
            ["inbound_message.id"],
            name=op.f("fk_inbound_finding_inbound_message_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_finding")),
    )
    op.create_index(
        "ix_inbound_finding_inbound_message_id",
        "inbound_finding",
        ["inbound_message_id"],
        unique=False,
    )
    op.create_index("ix_inbound_finding_order_id", "inbound_finding", ["order_id"], unique=False)
    op.create_table(
        "occupancy",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("moved_in_on", sa.Date(), nullable=False),
        sa.Column("moved_out_on", sa.Date(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.cis_id"], name=op.f("fk_occupancy_customer_id")
        ),
        sa.ForeignKeyConstraint(["gsrn"], ["metering_point.gsrn"], name=op.f("fk_occupancy_gsrn")),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_occupancy")),
    )
    op.create_index("ix_occupancy_customer_id", "occupancy", ["customer_id"], unique=False)
    op.create_index("ix_occupancy_gsrn", "occupancy", ["gsrn", "moved_in_on"], unique=False)
    op.create_table(
        "outage_point",
        sa.Column("outage_id", sa.BigInteger(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("off_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("on_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["outage_id"], ["outage.id"], name=op.f("fk_outage_point_outage_id")
        ),
        sa.PrimaryKeyConstraint("outage_id", "gsrn", name=op.f("pk_outage_point")),
    )
    op.create_index("ix_outage_point_gsrn", "outage_point", ["gsrn", "off_at"], unique=False)
    op.create_table(
        "route_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("order_type_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("municipality_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("models", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("mass", sa.Boolean(), nullable=True),
        sa.Column("partner_code", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("active_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_code"], ["partner.code"], name=op.f("fk_route_rule_partner_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_rule")),
        sa.UniqueConstraint("name", name=op.f("uq_route_rule_name")),
    )
    op.create_table(
        "step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("payload_hash", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_step_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step")),
    )
    op.create_index("ix_step_keys", "step", ["keys"], unique=False, postgresql_using="gin")
    op.create_index("ix_step_run_id", "step", ["run_id", "id"], unique=False)
    op.create_table(
        "work_order",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("order_type_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("base_state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("mass_id", sa.Text(), nullable=True),
        sa.Column("gsrn", sa.Text(), nullable=False),
        sa.Column("municipality_code", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("old_meter_number", sa.Text(), nullable=True),
        sa.Column("required_model", sa.Text(), nullable=True),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("presence_required", sa.Boolean(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("key_info", sa.Text(), nullable=True),
        sa.Column("partner_code", sa.Text(), nullable=True),
        sa.Column("partner_ref", sa.Text(), nullable=True),
        sa.Column("route_rule_id", sa.BigInteger(), nullable=True),
        sa.Column("route_reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("inbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_code"], ["partner.code"], name=op.f("fk_work_order_partner_code")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_work_order")),
    )
    op.create_index("ix_work_order_gsrn", "work_order", ["gsrn"], unique=False)
    op.create_index(
        "ix_work_order_parked",
        "work_order",
        ["state", "state_at"],
        unique=False,
        postgresql_where=sa.text(
            "state IN ('RECEIVED','VALIDATED','NO_ROUTE','REJECTED','PARTNER_REJECTED')"
        ),
    )
    op.create_index(
        "ix_work_order_partner_ref",
        "work_order",
        ["partner_ref"],
        unique=False,
        postgresql_where=sa.text("partner_ref IS NOT NULL"),
    )
    op.create_table(
        "preference",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("night_ok", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_preference_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preference")),
    )
    op.create_index(
        "uq_preference_contact_topic_point",
        "preference",
        ["contact_id", "topic", sa.literal_column("coalesce(gsrn, '')")],
        unique=True,
    )
    op.create_table(
        "preference_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("gsrn", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_preference_change_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preference_change")),
    )
    op.create_index(
        op.f("ix_preference_change_contact_id"), "preference_change", ["contact_id"], unique=False
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f("ix_preference_change_contact_id"), table_name="preference_change")
    op.drop_table("preference_change")
    op.drop_index("uq_preference_contact_topic_point", table_name="preference")
    op.drop_table("preference")
    op.drop_index(
        "ix_work_order_partner_ref",
        table_name="work_order",
        postgresql_where=sa.text("partner_ref IS NOT NULL"),
    )
    op.drop_index(
        "ix_work_order_parked",
        table_name="work_order",
        postgresql_where=sa.text(
            "state IN ('RECEIVED','VALIDATED','NO_ROUTE','REJECTED','PARTNER_REJECTED')"
        ),
    )
    op.drop_index("ix_work_order_gsrn", table_name="work_order")
    op.drop_table("work_order")
    op.drop_index("ix_step_run_id", table_name="step")
    op.drop_index("ix_step_keys", table_name="step", postgresql_using="gin")
    op.drop_table("step")
    op.drop_table("route_rule")
    op.drop_index("ix_outage_point_gsrn", table_name="outage_point")
    op.drop_table("outage_point")
    op.drop_index("ix_occupancy_gsrn", table_name="occupancy")
    op.drop_index("ix_occupancy_customer_id", table_name="occupancy")
    op.drop_table("occupancy")
    op.drop_index("ix_inbound_finding_order_id", table_name="inbound_finding")
    op.drop_index("ix_inbound_finding_inbound_message_id", table_name="inbound_finding")
    op.drop_table("inbound_finding")
    op.drop_table("inbound_chunk")
    op.drop_index("ix_contact_value", table_name="contact")
    op.drop_table("contact")
    op.drop_index(
        "ix_attempt_unknown", table_name="attempt", postgresql_where=sa.text("outcome = 'UNKNOWN'")
    )
    op.drop_index("ix_attempt_outbox_item_id", table_name="attempt")
    op.drop_table("attempt")
    op.drop_index("ix_work_order_change_order_id", table_name="work_order_change")
    op.drop_table("work_order_change")
    op.drop_table("staff_account")
    op.drop_table("schedule")
    op.drop_index("ix_run_state", table_name="run")
    op.drop_index("ix_run_started_at", table_name="run")
    op.drop_index("ix_run_process", table_name="run")
    op.drop_table("run")
    op.drop_index(
        "ix_point_search_haystack",
        table_name="point_search",
        postgresql_using="gin",
        postgresql_ops={"haystack": "gin_trgm_ops"},
    )
    op.drop_table("point_search")
    op.drop_table("payload_blob")
    op.drop_table("partner")
    op.drop_index(
        "ix_outbox_item_waiting",
        table_name="outbox_item",
        postgresql_where=sa.text("state IN ('UNKNOWN', 'DEAD', 'HELD')"),
    )
    op.drop_index(
        "ix_outbox_item_ready",
        table_name="outbox_item",
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.drop_index(
        "ix_outbox_item_head",
        table_name="outbox_item",
        postgresql_where=sa.text("state IN ('READY', 'CLAIMED')"),
    )
    op.drop_index(
        "ix_outbox_item_due",
        table_name="outbox_item",
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.drop_index(
        "ix_outbox_item_claimed",
        table_name="outbox_item",
        postgresql_where=sa.text("state = 'CLAIMED'"),
    )
    op.drop_index("ix_outbox_item_business_key", table_name="outbox_item")
    op.drop_table("outbox_item")
    op.drop_index("uq_outage_source", table_name="outage")
    op.drop_index("ix_outage_open", table_name="outage", postgresql_where=sa.text("state = 'OPEN'"))
    op.drop_table("outage")
    op.drop_table("order_type")
    op.drop_index(op.f("ix_notice_provider_ref"), table_name="notice")
    op.drop_index("ix_notice_order_id", table_name="notice")
    op.drop_index("ix_notice_gsrn", table_name="notice")
    op.drop_index("ix_notice_created_at", table_name="notice", postgresql_using="brin")
    op.drop_index("ix_notice_contact_id", table_name="notice")
    op.drop_table("notice")
    op.drop_index("ix_metering_point_municipality_code", table_name="metering_point")
    op.drop_index("ix_metering_point_dso_code", table_name="metering_point")
    op.drop_table("metering_point")
    op.drop_index("uq_meter_reading_ack", table_name="meter_reading")
    op.drop_index("ix_meter_reading_meter_number", table_name="meter_reading")
    op.drop_table("meter_reading")
    op.drop_index("ix_meter_placement_meter_number", table_name="meter_placement")
    op.drop_index("ix_meter_placement_gsrn", table_name="meter_placement")
    op.drop_table("meter_placement")
    op.drop_table("meter_model")
    op.drop_index(op.f("ix_meter_gsrn"), table_name="meter")
    op.drop_table("meter")
    op.drop_table("lane")
    op.drop_index(
        "ix_inbound_message_waiting",
        table_name="inbound_message",
        postgresql_where=sa.text("state = 'STORED'"),
    )
    op.drop_index(
        "ix_inbound_message_refused",
        table_name="inbound_message",
        postgresql_where=sa.text("state = 'REJECTED' AND quarantined_at IS NULL"),
    )
    op.drop_index("ix_inbound_message_received_at", table_name="inbound_message")
    op.drop_index("ix_inbound_message_message_id", table_name="inbound_message")
    op.drop_index(
        "ix_inbound_message_held",
        table_name="inbound_message",
        postgresql_where=sa.text("state = 'HELD'"),
    )
    op.drop_index("ix_inbound_message_business_key", table_name="inbound_message")
    op.drop_table("inbound_message")
    op.drop_table("file_sighting")
    op.drop_table("drainer")
    op.drop_index(
        "ix_delivery_receipt_waiting",
        table_name="delivery_receipt",
        postgresql_where=sa.text("verdict = 'WAITING'"),
    )
    op.drop_index("ix_delivery_receipt_attempt_id", table_name="delivery_receipt")
    op.drop_table("delivery_receipt")
    op.drop_table("customer")
    op.drop_table("code_value")
    op.drop_index("ix_audit_entry_subject", table_name="audit_entry")
    op.drop_index("ix_audit_entry_at", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_index(
        "uq_alarm_open", table_name="alarm", postgresql_where=sa.text("closed_at IS NULL")
    )
    op.drop_table("alarm")
    op.drop_index("ix_ack_order_id", table_name="ack")
    op.drop_table("ack")
