"""What the order types are called; the database's list is the one in force."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.code_list import OrderType


def names(session: Session, language: str) -> dict[str, str]:
    """Code to name in one language."""
    column = {"fi": OrderType.name_fi, "sv": OrderType.name_sv, "en": OrderType.name_en}[language]
    return {row[0]: row[1] for row in session.execute(select(OrderType.code, column))}
