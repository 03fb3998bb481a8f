"""What we answer when something is not as it should be: our codes, IEC reply codes and texts.

A code is an ERROR (not taken in), WARN (taken in, somebody should look) or INFO (for the record).
`holds_billing` marks the checks of an acknowledgement after which the bill waits for a person
(REQ-20), while everything else goes on.
Source: IEC 61968-100 for the reply codes; the codes of our own are described in docs/domain.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.languages import Names


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"


class RejectCode(StrEnum):
    """Our code for one thing that is not as it should be."""

    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    XML_MALFORMED = "XML_MALFORMED"
    XML_SCHEMA = "XML_SCHEMA"
    XML_VERSION = "XML_VERSION"
    HDR_MISSING = "HDR_MISSING"
    FIELD_MISSING = "FIELD_MISSING"
    FIELD_INVALID = "FIELD_INVALID"
    TYPE_UNKNOWN = "TYPE_UNKNOWN"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    MODEL_NOT_FOR_TYPE = "MODEL_NOT_FOR_TYPE"
    GSRN_INVALID = "GSRN_INVALID"
    POINT_CLOSED = "POINT_CLOSED"
    METER_POINT_MISMATCH = "METER_POINT_MISMATCH"
    WINDOW_INVALID = "WINDOW_INVALID"
    DUE_IN_PAST = "DUE_IN_PAST"
    LANGUAGE_ASSUMED = "LANGUAGE_ASSUMED"
    CONTACT_INVALID = "CONTACT_INVALID"
    DUPLICATE = "DUPLICATE"
    STALE_REVISION = "STALE_REVISION"
    REVISION_CONFLICT = "REVISION_CONFLICT"
    STAGE_BACK = "STAGE_BACK"
    CANCEL_TOO_LATE = "CANCEL_TOO_LATE"
    CANCEL_UNKNOWN = "CANCEL_UNKNOWN"
    MASS_COUNT = "MASS_COUNT"
    MASS_DUP_ITEM = "MASS_DUP_ITEM"
    MASS_PARTIAL = "MASS_PARTIAL"
    NO_ROUTE = "NO_ROUTE"
    PARTNER_REJECTED = "PARTNER_REJECTED"
    PARTNER_DOWN = "PARTNER_DOWN"
    ACK_UNKNOWN_ORDER = "ACK_UNKNOWN_ORDER"
    ACK_NOT_YOURS = "ACK_NOT_YOURS"
    ACK_OUT_OF_ORDER = "ACK_OUT_OF_ORDER"
    REASON_UNKNOWN = "REASON_UNKNOWN"
    READING_MISSING = "READING_MISSING"
    READING_LOW = "READING_LOW"
    READING_JUMP = "READING_JUMP"
    MULTIPLIER_CHANGED = "MULTIPLIER_CHANGED"
    METER_NOT_IN_STOCK = "METER_NOT_IN_STOCK"
    METER_ALREADY_INSTALLED = "METER_ALREADY_INSTALLED"
    TIME_IN_FUTURE = "TIME_IN_FUTURE"
    GPS_FAR = "GPS_FAR"
    POINTS_UNKNOWN = "POINTS_UNKNOWN"
    CAUSE_UNKNOWN = "CAUSE_UNKNOWN"
    REVISION_WAITS = "REVISION_WAITS"
    CANCEL_ASKED = "CANCEL_ASKED"
    METER_SERIAL_MISMATCH = "METER_SERIAL_MISMATCH"
    METER_STATE = "METER_STATE"
    MISMATCH_SETTLED = "MISMATCH_SETTLED"
    STOCK_UNKNOWN = "STOCK_UNKNOWN"


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """What one code means: its reply code, its weight, its short text."""

    iec: str
    severity: Severity
    text: Names
    holds_billing: bool = False


_ERROR, _WARN, _INFO = Severity.ERROR, Severity.WARN, Severity.INFO

REJECT_CODES: Mapping[RejectCode, CodeInfo] = {
    RejectCode.FILE_TOO_LARGE: CodeInfo(
        "3.1", _ERROR, Names("Tiedosto on liian suuri", "Filen är för stor", "File is too large")
    ),
    RejectCode.FILE_UNREADABLE: CodeInfo(
        "1.8",
        _ERROR,
        Names("Tiedostoa ei voi lukea", "Filen kan inte läsas", "File cannot be read"),
    ),
    RejectCode.XML_MALFORMED: CodeInfo(
        "1.8", _ERROR, Names("Virheellinen XML", "Felaktig XML", "XML is not well-formed")
    ),
    RejectCode.XML_SCHEMA: CodeInfo(
        "1.8",
        _ERROR,
        Names("Ei vastaa skeemaa", "Motsvarar inte schemat", "Does not match the schema"),
    ),
    RejectCode.XML_VERSION: CodeInfo(
        "1.9",
        _ERROR,
        Names("Tuntematon skeemaversio", "Okänd schemaversion", "Unknown schema version"),
    ),
    RejectCode.HDR_MISSING: CodeInfo(
        "1.5",
        _ERROR,
        Names("Otsaketieto puuttuu", "Uppgift saknas i huvudet", "Header field is missing"),
    ),
    RejectCode.FIELD_MISSING: CodeInfo(
        "1.7",
        _ERROR,
        Names(
            "Pakollinen tieto puuttuu",
            "Obligatorisk uppgift saknas",
            "A mandatory field is missing",
        ),
    ),
    RejectCode.FIELD_INVALID: CodeInfo(
        "1.7",
        _ERROR,
        Names("Tiedon arvo ei kelpaa", "Ogiltigt värde", "A field has an invalid value"),
    ),
    RejectCode.TYPE_UNKNOWN: CodeInfo(
        "2.5",
        _ERROR,
        Names("Tuntematon tyyppikoodi", "Okänd typkod", "Unknown order type"),
    ),
    RejectCode.MODEL_UNKNOWN: CodeInfo(
        "2.4",
        _ERROR,
        Names("Tuntematon mittarimalli", "Okänd mätarmodell", "Unknown meter model"),
    ),
    RejectCode.MODEL_NOT_FOR_TYPE: CodeInfo(
        "2.4",
        _ERROR,
        Names(
            "Mittarimalli ei sovi työhön",
            "Mätarmodellen passar inte för arbetet",
            "Meter model does not fit the work",
        ),
    ),
    RejectCode.GSRN_INVALID: CodeInfo(
        "2.12",
        _ERROR,
        Names(
            "Virheellinen käyttöpaikan GSRN",
            "Felaktigt GSRN för förbrukningsplatsen",
            "Metering point GSRN is invalid",
        ),
    ),
    RejectCode.POINT_CLOSED: CodeInfo(
        "2.12",
        _ERROR,
        Names(
            "Käyttöpaikka on poistettu käytöstä",
            "Förbrukningsplatsen är tagen ur bruk",
            "Metering point is out of use",
        ),
    ),
    RejectCode.METER_POINT_MISMATCH: CodeInfo(
        "2.13",
        _WARN,
        Names(
            "Vanha mittari ei ole tällä käyttöpaikalla",
            "Den gamla mätaren hör inte till förbrukningsplatsen",
            "The old meter is not at this metering point",
        ),
        holds_billing=True,
    ),
    RejectCode.WINDOW_INVALID: CodeInfo(
        "1.7",
        _ERROR,
        Names(
            "Aikaikkuna päättyy ennen alkuaan",
            "Tidsfönstret slutar före sin början",
            "The time window ends before it begins",
        ),
    ),
    RejectCode.DUE_IN_PAST: CodeInfo(
        "0.3",
        _WARN,
        Names("Määräpäivä on mennyt", "Förfallodagen har passerat", "The due day has passed"),
    ),
    RejectCode.LANGUAGE_ASSUMED: CodeInfo(
        "0.3",
        _INFO,
        Names(
            "Kieli puuttui, oletettiin suomi",
            "Språk saknades, finska antogs",
            "No language given, Finnish assumed",
        ),
    ),
    RejectCode.CONTACT_INVALID: CodeInfo(
        "2.22",
        _WARN,
        Names(
            "Yhteystieto ei kelpaa",
            "Kontaktuppgiften är ogiltig",
            "Contact detail cannot be used",
        ),
    ),
    RejectCode.DUPLICATE: CodeInfo(
        "0.3",
        _INFO,
        Names("Sama sanoma on jo saatu", "Redan mottaget", "Already received"),
    ),
    RejectCode.STALE_REVISION: CodeInfo(
        "0.3",
        _INFO,
        Names(
            "Uudempi versio on jo käytössä",
            "En nyare version är redan i bruk",
            "A newer revision is already in use",
        ),
    ),
    RejectCode.REVISION_CONFLICT: CodeInfo(
        "2.15",
        _ERROR,
        Names(
            "Versio on ristiriidassa aiemman kanssa",
            "Versionen strider mot en tidigare",
            "The revision contradicts an earlier one",
        ),
    ),
    RejectCode.STAGE_BACK: CodeInfo(
        "2.15",
        _ERROR,
        Names(
            "Vaihe palaisi taaksepäin",
            "Skedet skulle gå bakåt",
            "The stage would go back",
        ),
    ),
    RejectCode.CANCEL_TOO_LATE: CodeInfo(
        "6.1",
        _ERROR,
        Names(
            "Työ on jo alkanut, peruutus myöhässä",
            "Arbetet har redan börjat, för sent att annullera",
            "Work has begun, too late to cancel",
        ),
        holds_billing=True,
    ),
    RejectCode.CANCEL_UNKNOWN: CodeInfo(
        "2.15",
        _WARN,
        Names(
            "Peruttavaa työtilausta ei tunneta",
            "Arbetsordern som annulleras är okänd",
            "The order to cancel is not known",
        ),
    ),
    RejectCode.MASS_COUNT: CodeInfo(
        "1.7",
        _ERROR,
        Names("Rivien määrä ei täsmää", "Antalet rader stämmer inte", "Item count does not match"),
    ),
    RejectCode.MASS_DUP_ITEM: CodeInfo(
        "2.15",
        _ERROR,
        Names("Rivi esiintyy kahdesti", "Raden förekommer två gånger", "Item occurs twice"),
    ),
    RejectCode.MASS_PARTIAL: CodeInfo(
        "0.2",
        _WARN,
        Names("Osa riveistä hylättiin", "En del av raderna avvisades", "Some items were rejected"),
    ),
    RejectCode.NO_ROUTE: CodeInfo(
        "6.2",
        _WARN,
        Names(
            "Mikään reitityssääntö ei sovi",
            "Ingen routningsregel passar",
            "No routing rule fits",
        ),
    ),
    RejectCode.PARTNER_REJECTED: CodeInfo(
        "5.3",
        _ERROR,
        Names("Kumppani hylkäsi tilauksen", "Partnern avvisade ordern", "Partner refused it"),
    ),
    RejectCode.PARTNER_DOWN: CodeInfo(
        "4.1",
        _WARN,
        Names("Kumppani ei vastaa", "Partnern svarar inte", "Partner does not answer"),
    ),
    RejectCode.ACK_UNKNOWN_ORDER: CodeInfo(
        "2.15",
        _ERROR,
        Names(
            "Kuitattua työtilausta ei tunneta",
            "Den kvitterade arbetsordern är okänd",
            "The acknowledged order is not known",
        ),
    ),
    RejectCode.ACK_NOT_YOURS: CodeInfo(
        "2.15",
        _ERROR,
        Names(
            "Työtilaus on toisen kumppanin",
            "Arbetsordern hör till en annan partner",
            "The order belongs to another partner",
        ),
    ),
    RejectCode.ACK_OUT_OF_ORDER: CodeInfo(
        "0.3",
        _INFO,
        Names(
            "Kuittaus ei sovi työn kulkuun",
            "Kvittensen passar inte in i arbetets gång",
            "The acknowledgement does not fit the course of the work",
        ),
    ),
    RejectCode.REASON_UNKNOWN: CodeInfo(
        "1.7",
        _WARN,
        Names("Tuntematon syykoodi", "Okänd orsakskod", "Unknown reason code"),
    ),
    RejectCode.READING_MISSING: CodeInfo(
        "1.7",
        _WARN,
        Names("Loppulukema puuttuu", "Slutavläsning saknas", "The final reading is missing"),
        holds_billing=True,
    ),
    RejectCode.READING_LOW: CodeInfo(
        "5.3",
        _WARN,
        Names(
            "Lukema on pienempi kuin edellinen",
            "Avläsningen är lägre än den föregående",
            "The reading is lower than the last one",
        ),
        holds_billing=True,
    ),
    RejectCode.READING_JUMP: CodeInfo(
        "5.3",
        _WARN,
        Names(
            "Lukema on kasvanut epäuskottavasti",
            "Avläsningen har ökat osannolikt mycket",
            "The reading has grown implausibly",
        ),
        holds_billing=True,
    ),
    RejectCode.MULTIPLIER_CHANGED: CodeInfo(
        "2.4",
        _WARN,
        Names(
            "Kerroin ei ole odotettu",
            "Koefficienten är inte den väntade",
            "The multiplier is not the expected one",
        ),
        holds_billing=True,
    ),
    RejectCode.METER_NOT_IN_STOCK: CodeInfo(
        "2.4",
        _WARN,
        Names(
            "Mittari ei ole kumppanin varastossa",
            "Mätaren finns inte i partnerns lager",
            "The meter is not in the partner's stock",
        ),
        holds_billing=True,
    ),
    RejectCode.METER_ALREADY_INSTALLED: CodeInfo(
        "2.4",
        _WARN,
        Names(
            "Mittari on jo asennettu muualle",
            "Mätaren är redan installerad på annat håll",
            "The meter is already installed elsewhere",
        ),
        holds_billing=True,
    ),
    RejectCode.TIME_IN_FUTURE: CodeInfo(
        "1.7",
        _WARN,
        Names("Aika on tulevaisuudessa", "Tiden ligger i framtiden", "The time is in the future"),
        holds_billing=True,
    ),
    RejectCode.GPS_FAR: CodeInfo(
        "0.3",
        _WARN,
        Names(
            "Työ kuitattiin kaukana käyttöpaikalta",
            "Arbetet kvitterades långt från förbrukningsplatsen",
            "The work was reported far from the metering point",
        ),
        holds_billing=True,
    ),
    RejectCode.POINTS_UNKNOWN: CodeInfo(
        "2.12",
        _WARN,
        Names(
            "Käyttöpaikkaa ei tunneta",
            "Förbrukningsplatsen är okänd",
            "Metering points are not known",
        ),
    ),
    RejectCode.CAUSE_UNKNOWN: CodeInfo(
        "1.7",
        _WARN,
        Names("Tuntematon vian syy", "Okänd felorsak", "Unknown cause of the fault"),
    ),
    RejectCode.REVISION_WAITS: CodeInfo(
        "6.2",
        _WARN,
        Names(
            "Työ on käynnissä, muutos odottaa käynnin loppua",
            "Arbetet pågår, ändringen väntar på att besöket slutar",
            "Work is going on, the change waits for the visit's end",
        ),
    ),
    RejectCode.CANCEL_ASKED: CodeInfo(
        "6.2",
        _WARN,
        Names(
            "Työ on käynnissä, asentajaa on pyydetty keskeyttämään",
            "Arbetet pågår, montören har ombetts avbryta",
            "Work is going on, the installer was asked to stop",
        ),
    ),
    RejectCode.METER_SERIAL_MISMATCH: CodeInfo(
        "2.4",
        _WARN,
        Names(
            "Mittarin sarjanumero ei täsmää",
            "Mätarens serienummer stämmer inte",
            "The meter's serial number does not match",
        ),
        holds_billing=True,
    ),
    RejectCode.METER_STATE: CodeInfo(
        "2.4",
        _ERROR,
        Names(
            "Mittarin tila ei salli tätä",
            "Mätarens tillstånd tillåter inte detta",
            "The meter's state does not allow this",
        ),
    ),
    RejectCode.MISMATCH_SETTLED: CodeInfo(
        "0.3",
        _INFO,
        Names(
            "Mittaria koskeva epäselvyys on ratkaistu",
            "Oklarheten om mätaren är löst",
            "The doubt about the meter is settled",
        ),
    ),
    RejectCode.STOCK_UNKNOWN: CodeInfo(
        "2.16",
        _ERROR,
        Names(
            "Vastaanottavaa varastoa ei tunneta",
            "Det mottagande lagret är okänt",
            "The receiving stock is not known",
        ),
    ),
}
