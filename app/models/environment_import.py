"""Files from other environments: what they would change, who brought them, who let them in."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from app.db import Model
from app.models.columns import At, Id, JsonList, Str


class EnvironmentImport(Model):
    """One signed file; it changes nothing before a second person has let it in."""

    __tablename__ = "environment_import"
    __table_args__ = (
        # The same file waits once, however often it is brought.
        Index(
            "uq_environment_import_waiting",
            "digest",
            unique=True,
            postgresql_where=text("state = 'WAITING'"),
        ),
    )

    id: Mapped[Id]
    digest: Mapped[Str]
    # As it was signed, so that it is checked again before it is let in.
    content: Mapped[Str]
    from_environment: Mapped[Str]
    from_address: Mapped[Str]
    exported_at: Mapped[At]
    exported_by: Mapped[Str]
    state: Mapped[Str]
    # The difference as its bringer and the second person saw it, or as it was let in.
    difference: Mapped[JsonList]
    brought_by: Mapped[Str]
    brought_at: Mapped[At]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    note: Mapped[Str | None]
