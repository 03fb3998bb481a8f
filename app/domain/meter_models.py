"""The meter models that a new installation starts with; the database's list is the one in force."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeterModelDef:
    """A meter model, what it fits, and the order types that may ask for it.

    ct: measures through current transformers. max_fuse_a: the largest main fuse in amperes, None
    where it does not matter. mass_ok: the mass installer may hang it.
    """

    model: str
    maker: str
    phases: int
    ct: bool
    max_fuse_a: int | None
    order_types: frozenset[str]
    mass_ok: bool


_SINGLE = frozenset({"MVY", "MVV", "UUA", "LIS"})
_MASS = _SINGLE | {"MVM"}
_NONE: frozenset[str] = frozenset()

DEFAULT_METER_MODELS = (
    MeterModelDef("6511", "Aidon", 1, False, 63, _MASS, True),
    MeterModelDef("6534", "Aidon", 3, False, 63, _MASS, True),
    # Current transformers and high voltage are work for an electrician of the region.
    MeterModelDef("6550", "Aidon", 3, True, None, _SINGLE, False),
    MeterModelDef("6560", "Aidon", 3, True, None, _SINGLE, False),
    # The generation that is being replaced: known, but nobody may order one.
    MeterModelDef("5511", "Aidon", 1, False, 63, _NONE, False),
    MeterModelDef("5530", "Aidon", 3, False, 63, _NONE, False),
    MeterModelDef("5550", "Aidon", 3, True, None, _NONE, False),
)
