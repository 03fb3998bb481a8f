"""Routing rules: which partner gets which order."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Id, Str, Strs


class RouteRule(Model):
    """One rule; an empty list or None matches everything, the lowest priority number wins."""

    __tablename__ = "route_rule"

    id: Mapped[Id]
    name: Mapped[Str] = mapped_column(unique=True)
    priority: Mapped[int]
    order_type_codes: Mapped[Strs]
    municipality_codes: Mapped[Strs]
    models: Mapped[Strs]
    mass: Mapped[bool | None]
    partner_code: Mapped[Str] = mapped_column(ForeignKey("partner.code"))
    active: Mapped[bool] = mapped_column(default=True)
    active_from: Mapped[At]
    active_to: Mapped[At | None]
    version: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[Str]
    created_at: Mapped[At]
