"""Versions of the routing rules, bounds of lanes, and replays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _version_the_rules()
    _bound_the_lanes()
    _add_replays()
    op.add_column("mass_stage", sa.Column("route_set_number", sa.Integer(), nullable=True))
    op.add_column("work_order", sa.Column("route_set_number", sa.Integer(), nullable=True))
    op.add_column("work_order", sa.Column("routed_at", sa.DateTime(timezone=True), nullable=True))
    # Orders without a route are few; version 0 has them looked at once more.
    op.execute(
        "UPDATE work_order SET route_set_number = 0, routed_at = state_at WHERE state = 'NO_ROUTE'"
    )
    op.create_index(
        "ix_work_order_no_route",
        "work_order",
        ["route_set_number", "routed_at"],
        postgresql_where=sa.text("state = 'NO_ROUTE'"),
    )
    op.create_index(
        "ix_work_order_unanswered",
        "work_order",
        ["partner_code", "state_at"],
        postgresql_where=sa.text("state = 'SENT'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_work_order_unanswered", table_name="work_order")
    op.drop_index("ix_work_order_no_route", table_name="work_order")
    op.drop_column("work_order", "routed_at")
    op.drop_column("work_order", "route_set_number")
    op.drop_column("mass_stage", "route_set_number")
    op.drop_table("replay")
    for column in ("rests_until", "day_count", "day_on", "hours", "day_cap"):
        op.drop_column("lane", column)
    op.drop_constraint(op.f("uq_route_rule_set_number_name"), "route_rule", type_="unique")
    op.drop_constraint(op.f("fk_route_rule_set_number"), "route_rule", type_="foreignkey")
    # Only the rules in force are what the older product would have had.
    op.execute(
        "DELETE FROM route_rule WHERE set_number NOT IN"
        " (SELECT number FROM rule_set WHERE state = 'ACTIVE')"
    )
    op.drop_column("route_rule", "set_number")
    op.add_column(
        "route_rule", sa.Column("version", sa.Integer(), nullable=False, server_default="1")
    )
    op.add_column(
        "route_rule",
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
    )
    op.alter_column("route_rule", "version", server_default=None)
    op.alter_column("route_rule", "active", server_default=None)
    op.create_unique_constraint(op.f("uq_route_rule_name"), "route_rule", ["name"])
    op.drop_table("rule_set")


def _version_the_rules() -> None:
    at = sa.DateTime(timezone=True)
    op.create_table(
        "rule_set",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=True),
        sa.Column("equals", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("authors", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", at, nullable=False),
        sa.Column("changed_at", at, nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=True),
        sa.Column("submitted_at", at, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", at, nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=True),
        sa.Column("activated_at", at, nullable=True),
        sa.Column("retired_at", at, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rule_set")),
    )
    op.execute("CREATE UNIQUE INDEX uq_rule_set_active ON rule_set ((1)) WHERE state = 'ACTIVE'")
    op.execute(
        "CREATE UNIQUE INDEX uq_rule_set_open ON rule_set ((1))"
        " WHERE state IN ('DRAFT', 'SUBMITTED')"
    )
    op.execute(
        "INSERT INTO rule_set (number, state, note, authors, created_at, changed_at, activated_at)"
        " SELECT 1, 'ACTIVE', '', ARRAY['system:setup'], now(), now(), now()"
        " WHERE EXISTS (SELECT 1 FROM route_rule)"
    )
    op.add_column("route_rule", sa.Column("set_number", sa.Integer(), nullable=True))
    # A rule that was switched off is one that has ended.
    op.execute(
        "UPDATE route_rule SET set_number = 1,"
        " active_to = CASE WHEN active THEN active_to ELSE least(active_to, now()) END"
    )
    op.alter_column("route_rule", "set_number", nullable=False)
    op.create_foreign_key(
        op.f("fk_route_rule_set_number"), "route_rule", "rule_set", ["set_number"], ["number"]
    )
    op.drop_constraint(op.f("uq_route_rule_name"), "route_rule", type_="unique")
    op.create_unique_constraint(
        op.f("uq_route_rule_set_number_name"), "route_rule", ["set_number", "name"]
    )
    op.drop_column("route_rule", "active")
    op.drop_column("route_rule", "version")


def _bound_the_lanes() -> None:
    for column in (
        sa.Column("day_cap", sa.Integer(), nullable=True),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.Column("day_on", sa.Date(), nullable=True),
        sa.Column("day_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("lane", column)


def _add_replays() -> None:
    at = sa.DateTime(timezone=True)
    op.create_table(
        "replay",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("choice", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("item_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("left_out", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", at, nullable=False),
        sa.Column("proposed_at", at, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", at, nullable=True),
        sa.Column("done_count", sa.Integer(), nullable=False),
        sa.Column("queued_count", sa.Integer(), nullable=False),
        sa.Column("done_at", at, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay")),
    )
    op.create_index(
        "ix_replay_unfinished",
        "replay",
        ["state"],
        postgresql_where=sa.text("state IN ('PREVIEWED', 'PROPOSED', 'APPROVED')"),
    )
    op.create_index("ix_replay_lane", "replay", ["lane", "id"])
