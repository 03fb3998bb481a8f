"""Why a connection is delayed: the codes that the CIS uses, and what customers read."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.languages import Names

OTHER = "OTHER"

DELAY_REASONS: Mapping[str, Names] = {
    "PERMIT": Names("lupaa odotetaan", "tillstånd inväntas", "waiting for a permit"),
    "MATERIAL": Names("materiaalia odotetaan", "material inväntas", "waiting for material"),
    "GRID": Names("verkkoa vahvistetaan", "nätet förstärks", "the network is being strengthened"),
    "FROST": Names("maa on jäässä", "marken är frusen", "the ground is frozen"),
    "WEATHER": Names("sääolot", "väderförhållanden", "weather"),
    "CONTRACTOR": Names(
        "urakoitsijan aikataulu", "entreprenörens tidtabell", "contractor's schedule"
    ),
    "CUSTOMER": Names(
        "asiakkaan tietoja odotetaan", "uppgifter inväntas", "waiting for your details"
    ),
    OTHER: Names("aikataulu muuttui", "tidtabellen ändrades", "the schedule changed"),
}


def delay_shown(code: str | None) -> Names:
    """What customers read; a delay without a reason that we know is one of the schedule."""
    return DELAY_REASONS.get(code or OTHER, DELAY_REASONS[OTHER])
