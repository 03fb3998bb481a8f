"""Moves of orders to other partners on the pages."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.route_move import RouteMove


def moves(session: Session, limit: int) -> list[RouteMove]:
    """The last moves, the newest first."""
    statement = select(RouteMove).order_by(RouteMove.id.desc()).limit(limit)
    return list(session.execute(statement.execution_options(populate_existing=True)).scalars())
