"""Staff accounts, without anything secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.staff_account import StaffAccount


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as administrators see it."""

    id: int
    username: str
    display_name: str
    role: str
    active: bool
    locked_until: datetime | None
    last_login_at: datetime | None


def all_accounts(session: Session) -> list[AccountRow]:
    """Every account, the active ones first, by name."""
    statement = select(
        StaffAccount.id,
        StaffAccount.username,
        StaffAccount.display_name,
        StaffAccount.role,
        StaffAccount.active,
        StaffAccount.locked_until,
        StaffAccount.last_login_at,
    ).order_by(StaffAccount.active.desc(), StaffAccount.display_name)
    return [AccountRow(*row) for row in session.execute(statement)]
