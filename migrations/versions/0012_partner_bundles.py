"""Versions of partners' bundles, differences of shadows, and fields that no rule reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_TEXTS = postgresql.ARRAY(sa.Text())


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "partner_bundle",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("partner_code", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("valid_from", _AT, nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", _AT, nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("proposed_at", _AT, nullable=True),
        sa.Column("proposed_from", _AT, nullable=True),
        sa.Column("activated_by", sa.Text(), nullable=True),
        sa.Column("activated_at", _AT, nullable=True),
        sa.Column("retired_at", _AT, nullable=True),
        sa.Column("shadow_at", _AT, nullable=True),
        sa.Column("shadow_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shadow_differing", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_code"], ["partner.code"], name=op.f("fk_partner_bundle_partner_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_bundle")),
        sa.UniqueConstraint(
            "partner_code",
            "document",
            "direction",
            "version",
            name=op.f("uq_partner_bundle_partner_code_document_direction_version"),
        ),
    )
    key = ["partner_code", "document", "direction"]
    op.create_index(
        "uq_partner_bundle_shadow",
        "partner_bundle",
        key,
        unique=True,
        postgresql_where=sa.text("state = 'SHADOW'"),
    )
    op.create_index(
        "ix_partner_bundle_in_force",
        "partner_bundle",
        [*key, "valid_from"],
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "bundle_difference",
        sa.Column("partner_bundle_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("examples", _TEXTS, nullable=False),
        sa.Column("first_at", _AT, nullable=False),
        sa.Column("last_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_bundle_id"],
            ["partner_bundle.id"],
            name=op.f("fk_bundle_difference_partner_bundle_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "partner_bundle_id", "path", "kind", name=op.f("pk_bundle_difference")
        ),
    )
    op.create_table(
        "unmapped_field",
        sa.Column("partner_code", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("examples", _TEXTS, nullable=False),
        sa.Column("first_at", _AT, nullable=False),
        sa.Column("last_at", _AT, nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("accepted_at", _AT, nullable=True),
        sa.PrimaryKeyConstraint("partner_code", "document", "path", name=op.f("pk_unmapped_field")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("unmapped_field", "bundle_difference", "partner_bundle"):
        op.drop_table(table)
