"""Staff accounts for the portal."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Id, Str


class StaffAccount(Model):
    """A local account with one role; failed log-ins lock it for a while."""

    __tablename__ = "staff_account"

    id: Mapped[Id]
    username: Mapped[Str] = mapped_column(unique=True)
    display_name: Mapped[Str]
    password_hash: Mapped[Str]
    role: Mapped[Str]
    language: Mapped[Str]
    failed_count: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[At | None]
    active: Mapped[bool] = mapped_column(default=True)
    # Grows with each change of password or role, which ends the sessions begun before.
    session_version: Mapped[int] = mapped_column(default=1)
    last_login_at: Mapped[At | None]
    created_at: Mapped[At]
