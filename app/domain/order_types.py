"""The order types that a new installation starts with; the database's list is the one in force."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.languages import Names


@dataclass(frozen=True, slots=True)
class OrderTypeDef:
    """A kind of work order.

    for_removal: the work takes the metering point out of use, so a closed point is no obstacle.
    takes_new_meter: the work hangs a new meter, so its completion must name one. replaces_meter:
    customers are told of it as a meter replacement; of other kinds of work there are no texts.
    """

    code: str
    name: Names
    for_removal: bool = False
    takes_new_meter: bool = True
    replaces_meter: bool = True


DEFAULT_ORDER_TYPES = (
    OrderTypeDef("MVM", Names("Massavaihto", "Massbyte", "Mass meter replacement")),
    OrderTypeDef(
        "MVY", Names("Yksittäinen mittarinvaihto", "Enskilt mätarbyte", "Single meter replacement")
    ),
    OrderTypeDef(
        "MVV",
        Names(
            "Viallisen mittarin vaihto", "Byte av felaktig mätare", "Replacement of a faulty meter"
        ),
    ),
    OrderTypeDef(
        "UUA",
        Names("Uusi asennus", "Ny installation", "First meter of a new connection"),
        replaces_meter=False,
    ),
    OrderTypeDef(
        "LIS", Names("Lisämittaus", "Extra mätning", "Extra metering"), replaces_meter=False
    ),
    OrderTypeDef(
        "POI",
        Names("Mittarin poisto", "Borttagning av mätare", "Meter removal"),
        for_removal=True,
        takes_new_meter=False,
        replaces_meter=False,
    ),
    OrderTypeDef(
        "HUO",
        Names("Huolto tai tarkastus", "Service eller granskning", "Maintenance visit"),
        takes_new_meter=False,
        replaces_meter=False,
    ),
    OrderTypeDef(
        "KYT",
        Names("Kytkentä paikan päällä", "Inkoppling på plats", "Connect on site"),
        takes_new_meter=False,
        replaces_meter=False,
    ),
    OrderTypeDef(
        "KAT",
        Names("Katkaisu paikan päällä", "Frånkoppling på plats", "Disconnect on site"),
        takes_new_meter=False,
        replaces_meter=False,
    ),
    OrderTypeDef(
        "SIN",
        Names(
            "Sinetöinti, sulake- tai kerroinmuutos",
            "Plombering, ändring av säkring eller koefficient",
            "Re-sealing, fuse or multiplier change",
        ),
        takes_new_meter=False,
        replaces_meter=False,
    ),
)
