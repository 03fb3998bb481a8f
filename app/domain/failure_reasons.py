"""Why a visit failed: the codes that installers report, what customers read, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.languages import Names


class NextStep(StrEnum):
    """What the company does after a failed visit."""

    BOOK = "BOOK"
    REVISIT = "REVISIT"
    BOOK_AGAIN = "BOOK_AGAIN"
    CUSTOMER_SERVICE = "CUSTOMER_SERVICE"
    OWNERS_ELECTRICIAN = "OWNERS_ELECTRICIAN"
    OWN_TECHNICIAN = "OWN_TECHNICIAN"
    SPECIALIST = "SPECIALIST"
    NEW_REVISION = "NEW_REVISION"
    FAULT_DESK = "FAULT_DESK"
    METERING_TASK = "METERING_TASK"
    MANUAL_CHECK = "MANUAL_CHECK"
    CIS_CORRECTION = "CIS_CORRECTION"
    CLOSE_AFTER_CHECK = "CLOSE_AFTER_CHECK"
    STOCK_ALARM = "STOCK_ALARM"
    RESCHEDULE = "RESCHEDULE"
    TWO_PERSONS = "TWO_PERSONS"


# What customers are told after the reason; {phone} is that of customer service.
_COMES_AGAIN = Names(
    "Vanha mittari jäi käyttöön. Ilmoitamme uuden ajan.",
    "Den gamla mätaren är kvar. Vi meddelar en ny tid.",
    "The old meter stays in use. We will send a new time.",
)
_POWER_STAYS_OFF = Names(
    "Sähköt palautetaan, kun vika on korjattu. Soita {phone}.",
    "Strömmen kopplas på när felet är avhjälpt. Ring {phone}.",
    "Power returns once the fault is repaired. Call {phone}.",
)
_NOTHING_TO_DO = Names(
    "Uutta käyntiä ei tarvita, ellemme ilmoita siitä.",
    "Inget nytt besök behövs om vi inte meddelar det.",
    "No other visit is needed unless we tell you.",
)


@dataclass(frozen=True, slots=True)
class FailureReason:
    """One reason.

    shown: the words inside METER_SWAP_FAILED; then: what follows them there. counts_as_installed: the new meter hangs, so the
    order is complete. leaves_power_off: the power stays off after the visit.
    """

    code: str
    shown: Names
    next_step: NextStep
    counts_as_installed: bool = False
    leaves_power_off: bool = False
    then: Names = _COMES_AGAIN


_REASONS = (
    FailureReason(
        "ACC_LOCKED",
        Names("lukittu portti tai tila", "låst grind eller utrymme", "locked gate or room"),
        NextStep.BOOK,
    ),
    FailureReason(
        "ACC_BLOCKED",
        Names("pääsy mittarille estynyt", "mätaren kunde inte nås", "meter not reachable"),
        NextStep.REVISIT,
    ),
    FailureReason(
        "ACC_DOG",
        Names("kotieläin esti työn", "djur hindrade arbetet", "animal on site"),
        NextStep.REVISIT,
    ),
    FailureReason(
        "CUS_ABSENT",
        Names("ketään ei tavattu", "ingen anträffades", "nobody was met"),
        NextStep.BOOK_AGAIN,
    ),
    FailureReason(
        "CUS_REFUSED",
        Names("vaihto kiellettiin", "bytet förbjöds", "replacement refused"),
        NextStep.CUSTOMER_SERVICE,
    ),
    FailureReason(
        "CUS_CRITICAL",
        Names("aika ei sovi kohteelle", "tiden passar inte", "time not suitable"),
        NextStep.BOOK,
    ),
    FailureReason(
        "TECH_BOARD",
        Names(
            "mittauskeskus vaatii korjausta",
            "mätarcentralen kräver reparation",
            "meter board needs repair",
        ),
        NextStep.OWNERS_ELECTRICIAN,
    ),
    FailureReason(
        "TECH_SPACE",
        Names("asennustila ei riitä", "utrymmet räcker inte", "not enough space"),
        NextStep.OWN_TECHNICIAN,
    ),
    FailureReason(
        "TECH_ASBESTOS",
        Names("asbesti, erikoistyö", "asbest, specialarbete", "asbestos, special work"),
        NextStep.SPECIALIST,
    ),
    FailureReason(
        "TECH_MODEL",
        Names("väärä mittarityyppi", "fel mätartyp", "wrong meter type"),
        NextStep.NEW_REVISION,
    ),
    FailureReason(
        "TECH_NEUTRAL",
        Names(
            "vaarallinen vika, sähköt katkaistu",
            "farligt fel, strömmen bruten",
            "dangerous fault, power cut off",
        ),
        NextStep.FAULT_DESK,
        leaves_power_off=True,
        then=_POWER_STAYS_OFF,
    ),
    FailureReason(
        "TECH_NOCOMM",
        Names(
            "mittari vaihdettu, yhteys puuttuu",
            "mätaren bytt, förbindelse saknas",
            "meter replaced, no connection yet",
        ),
        NextStep.METERING_TASK,
        counts_as_installed=True,
    ),
    FailureReason(
        "DATA_METER",
        Names("tietojen tarkistus", "uppgifter kontrolleras", "details being checked"),
        NextStep.MANUAL_CHECK,
    ),
    FailureReason(
        "DATA_ADDR",
        Names("kohdetta ei löytynyt", "platsen hittades inte", "site not found"),
        NextStep.CIS_CORRECTION,
    ),
    FailureReason(
        "DATA_DONE",
        Names("mittari jo vaihdettu", "mätaren redan bytt", "meter already replaced"),
        NextStep.CLOSE_AFTER_CHECK,
        then=_NOTHING_TO_DO,
    ),
    FailureReason(
        "LOG_STOCK",
        Names("mittari puuttui", "mätare saknades", "meter not available"),
        NextStep.STOCK_ALARM,
    ),
    FailureReason(
        "LOG_DAMAGED",
        Names("mittari puuttui", "mätare saknades", "meter not available"),
        NextStep.STOCK_ALARM,
    ),
    FailureReason("WEATHER", Names("sääolot", "väder", "weather"), NextStep.RESCHEDULE),
    FailureReason("TIME", Names("aikataulu", "tidtabell", "schedule"), NextStep.RESCHEDULE),
    FailureReason(
        "SAFETY",
        Names("työ keskeytetty", "arbetet avbröts", "work interrupted"),
        NextStep.TWO_PERSONS,
    ),
    FailureReason(
        "OUTAGE",
        Names("alueella sähkökatko", "elavbrott i området", "power cut in the area"),
        NextStep.RESCHEDULE,
    ),
)

FAILURE_REASONS: Mapping[str, FailureReason] = {reason.code: reason for reason in _REASONS}

# What a customer reads when the partner used a code that we do not know: true in every case.
UNKNOWN_REASON = FAILURE_REASONS["SAFETY"]
UNKNOWN_REASON_SHOWN = UNKNOWN_REASON.shown


def then_after(reason_code: str | None) -> Names:
    """What follows from a failed visit: a new time, no power until something is repaired, or nothing."""
    return FAILURE_REASONS.get(reason_code or "", UNKNOWN_REASON).then
