"""The national code lists that our messages use, named as in the Datahub.

Source: the public code lists of Fingrid Datahub (AE physical status, AG metering point type,
AQ subtype, AC contact method, AD contact kind, AB customer kind, AL contact person, AN reason,
BS load control).
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.languages import Names

CONNECTED = "AE01"
DISCONNECTED = "AE02"
UNDER_CONSTRUCTION = "AE03"
REMOVED_FROM_USE = "AE04"
DELETED = "AE05"
CLOSED_STATUSES = frozenset({REMOVED_FROM_USE, DELETED})

FAULT_COMMUNICATION = "AL05"
METER_REMOVED = "AN04"

DATAHUB_CODES: Mapping[str, Mapping[str, Names]] = {
    "AB": {
        "AB01": Names("Yritys", "Företag", "Company"),
        "AB02": Names("Kuluttaja", "Konsument", "Consumer"),
    },
    "AC": {
        "AC01": Names("Sähköinen", "Elektronisk", "Electronic"),
        "AC02": Names("Muu", "Annan", "Other"),
    },
    "AD": {
        "AD01": Names("Puhelin", "Telefon", "Phone"),
        "AD02": Names("Sähköposti", "E-post", "E-mail"),
    },
    "AE": {
        CONNECTED: Names("Kytketty", "Inkopplad", "Connected"),
        DISCONNECTED: Names("Katkaistu", "Frånkopplad", "Disconnected"),
        UNDER_CONSTRUCTION: Names("Rakenteilla", "Under uppförande", "Under construction"),
        REMOVED_FROM_USE: Names("Poistettu käytöstä", "Tagen ur bruk", "Removed from use"),
        DELETED: Names("Poistettu", "Borttagen", "Deleted"),
    },
    "AG": {
        "AG01": Names("Kulutus", "Förbrukning", "Consumption"),
        "AG02": Names("Tuotanto", "Produktion", "Production"),
    },
    "AL": {
        FAULT_COMMUNICATION: Names("Vikaviestintä", "Felkommunikation", "Fault communication"),
    },
    "AN": {
        METER_REMOVED: Names("Mittari poistettu", "Mätaren borttagen", "Meter removed"),
    },
    "AQ": {
        "AQ01": Names("Tavallinen", "Vanlig", "Normal"),
        "AQ02": Names("Kiinteistö", "Fastighet", "Property"),
        "AQ03": Names("Omakäyttö", "Egenförbrukning", "Own use"),
        "AQ04": Names("Virtuaalinen", "Virtuell", "Virtual"),
    },
    "BS": {
        "BS01": Names("Kuormanohjaus 1", "Laststyrning 1", "Load control 1"),
        "BS02": Names("Kuormanohjaus 2", "Laststyrning 2", "Load control 2"),
        "BS03": Names("Kuormanohjaus 3", "Laststyrning 3", "Load control 3"),
        "BS04": Names("Kuormanohjaus 4", "Laststyrning 4", "Load control 4"),
    },
}
