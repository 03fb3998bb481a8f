"""Code lists kept as data, so that a new code needs no release."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import Str, Strs


class OrderType(Model):
    """A kind of work order (DOMAIN: order type codes), with its name in three languages."""

    __tablename__ = "order_type"

    code: Mapped[Str] = mapped_column(primary_key=True)
    name_fi: Mapped[Str]
    name_sv: Mapped[Str]
    name_en: Mapped[Str]
    for_removal: Mapped[bool] = mapped_column(default=False)
    takes_new_meter: Mapped[bool] = mapped_column(default=True)
    # Customers are told of it as a meter replacement; of other work there are no texts.
    replaces_meter: Mapped[bool] = mapped_column(default=True, server_default="true")
    active: Mapped[bool] = mapped_column(default=True)


class MeterModel(Model):
    """A meter model, what it fits and for which order types it may be ordered."""

    __tablename__ = "meter_model"

    model: Mapped[Str] = mapped_column(primary_key=True)
    maker: Mapped[Str]
    phases: Mapped[int]
    ct: Mapped[bool] = mapped_column(default=False)
    max_fuse_a: Mapped[int | None]
    order_types: Mapped[Strs]
    mass_ok: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)


class CodeValue(Model):
    """One value of a national or internal code list, such as Datahub's AE01."""

    __tablename__ = "code_value"

    list_name: Mapped[Str] = mapped_column(primary_key=True)
    code: Mapped[Str] = mapped_column(primary_key=True)
    name_fi: Mapped[Str]
    name_sv: Mapped[Str]
    name_en: Mapped[Str]
    active: Mapped[bool] = mapped_column(default=True)
