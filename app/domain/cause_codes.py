"""Why power is cut: the codes that the DMS and planners use, and what customers read."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.languages import Names

FAULT_CAUSES: Mapping[str, Names] = {
    "TREE": Names("puu linjalla", "träd på ledningen", "tree on the line"),
    "STORM": Names("myrskyvaurio", "stormskada", "storm damage"),
    "SNOW": Names("lumikuorma", "snölast", "snow load"),
    "LIGHTNING": Names("salama", "åska", "lightning"),
    "CABLE": Names("kaapelivaurio", "kabelskada", "cable damage"),
    "DIGGING": Names("kaivuutyö", "grävarbete", "digging work"),
    "TRANSFORMER": Names("muuntajavika", "transformatorfel", "transformer fault"),
    "ANIMAL": Names("eläin", "djur", "animal"),
    "VANDALISM": Names("ilkivalta", "skadegörelse", "vandalism"),
    "UNKNOWN": Names("syy selviää", "orsaken utreds", "cause being investigated"),
}
PLANNED_CAUSES: Mapping[str, Names] = {
    "MAINTENANCE": Names("verkon huolto", "nätunderhåll", "network maintenance"),
    "BUILDING": Names("verkon rakentaminen", "nätbyggnad", "network building"),
    "CLEARING": Names("puiden raivaus", "trädröjning", "tree clearing"),
    "METER_WORK": Names("mittarityö", "mätararbete", "meter work"),
}

_ALL = {**FAULT_CAUSES, **PLANNED_CAUSES}


def cause_shown(code: str | None) -> Names:
    """What customers read; without a code the cause is still being looked for."""
    return _ALL.get(code or "UNKNOWN", FAULT_CAUSES["UNKNOWN"])
