"""Metering points as the network sees them: known ones, and those behind a feeder or transformer."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models.metering_point import MeteringPoint

_KNOWN = text("SELECT gsrn FROM metering_point WHERE gsrn = ANY(:gsrns)")


def known(session: Session, gsrns: Iterable[str]) -> frozenset[str]:
    """Those of the numbers that are points of ours."""
    return frozenset(session.execute(_KNOWN, {"gsrns": list(gsrns)}).scalars())


def behind(
    session: Session, *, feeder: str | None = None, transformer: str | None = None
) -> list[str]:
    """The points that hang on a transformer, else those of a feeder; in the order of their numbers."""
    statement = select(MeteringPoint.gsrn).order_by(MeteringPoint.gsrn)
    if transformer is not None:
        statement = statement.where(MeteringPoint.transformer == transformer)
    elif feeder is not None:
        statement = statement.where(MeteringPoint.feeder == feeder)
    else:
        return []
    return list(session.execute(statement).scalars())


def transformer_of(session: Session, gsrn: str) -> str | None:
    """The transformer that a point hangs on, where that is known."""
    return session.execute(
        select(MeteringPoint.transformer).where(MeteringPoint.gsrn == gsrn)
    ).scalar_one_or_none()
