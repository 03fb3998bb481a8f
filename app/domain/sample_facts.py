"""Facts to try texts with: what is usual, and what makes a text as long as it can get.

The editor shows every text with both, and the tests hold the shipped ones to their parts (REQ-25).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from app.domain.cause_codes import FAULT_CAUSES, PLANNED_CAUSES
from app.domain.failure_reasons import FAILURE_REASONS
from app.domain.languages import Language, Names
from app.domain.notice_types import NOTICE_RULES, NoticeType, Topic
from app.domain.notice_values import values_for


class Sample(StrEnum):
    """Which facts a text is tried with."""

    TYPICAL = "TYPICAL"
    WORST = "WORST"


def sample_values(
    kind: NoticeType, language: Language, sample: Sample, *, brand: str, phone: str
) -> dict[str, str]:
    """A value for every placeholder that texts of this kind may hold."""
    facts = dict(_FACTS[sample])
    for name, longest in (("cause_code", _causes(kind)), ("reason_code", FAILURE_REASONS)):
        if sample is Sample.WORST:
            facts[name] = max(longest, key=lambda code: _shown_length(longest[code], language))
    if NOTICE_RULES[kind].topic is Topic.PLANNED and sample is Sample.TYPICAL:
        facts["cause_code"] = "MAINTENANCE"
    if kind is NoticeType.MORNING_SUMMARY and sample is Sample.TYPICAL:
        facts |= _LAST_NIGHT
    facts |= {name: names.in_language(language) for name, names in _WORDS[sample].items()}
    return values_for(kind, language, facts, brand=brand, phone=phone, address=_ADDRESS[sample])


def _causes(kind: NoticeType) -> Mapping[str, Names]:
    return PLANNED_CAUSES if NOTICE_RULES[kind].topic is Topic.PLANNED else FAULT_CAUSES


def _shown_length(reason: Any, language: Language) -> int:
    names: Names = getattr(reason, "shown", reason)
    return len(names.in_language(language))


_ADDRESS = {
    Sample.TYPICAL: "Koivutie 12 A 3",
    Sample.WORST: "Vanhankirkonkylänmäentie 128 B 112",
}
_LAST_NIGHT = {"off_at": "2026-11-24T00:15:00+00:00", "on_at": "2026-11-24T02:20:00+00:00"}
_FACTS: Mapping[Sample, Mapping[str, Any]] = {
    Sample.TYPICAL: {
        "event_at": "2026-11-24T08:15:00+00:00",
        "happened_at": "2026-11-24T08:15:00+00:00",
        "from_at": "2026-11-24T06:00:00+00:00",
        "to_at": "2026-11-24T10:00:00+00:00",
        "off_at": "2026-11-24T08:15:00+00:00",
        "on_at": "2026-11-24T10:20:00+00:00",
        "etr_at": "2026-11-24T16:00:00+00:00",
        "old_etr_at": "2026-11-24T14:00:00+00:00",
        "told_at": "2026-11-24T08:15:00+00:00",
        "duration_s": 7_500,
        "cause_code": "TREE",
        "reason_code": "CUS_ABSENT",
        "count": "120",
        "order_no": "LT-20261",
        "week": "48",
        "on": "2026-11-24",
        "meter": "65340012",
        "code": "482913",
        "words": "Asentaja tulee huomenna klo 9. Ilmoitamme, jos aika muuttuu.",
        "rule": "Työtilaukset tunnissa",
        "value": "12",
        "limit": "100",
    },
    # Everything is on two days, so that times carry their day.
    Sample.WORST: {
        "event_at": "2026-11-24T20:15:00+00:00",
        "happened_at": "2026-11-24T20:15:00+00:00",
        "from_at": "2026-11-24T20:00:00+00:00",
        "to_at": "2026-11-25T10:00:00+00:00",
        "off_at": "2026-11-23T20:15:00+00:00",
        "on_at": "2026-11-24T20:15:00+00:00",
        "etr_at": "2026-11-24T20:00:00+00:00",
        "old_etr_at": "2026-11-25T20:00:00+00:00",
        "told_at": "2026-11-23T20:15:00+00:00",
        "duration_s": 11 * 86_400 + 23 * 3_600,
        "count": "1 400",
        "order_no": "LT-2026-0012345",
        "week": "48/2026",
        "on": "2026-11-24",
        "meter": "6999000012345678",
        "code": "482913",
        "words": "Asentajamme käy mittarilla huomenna klo 9.00-11.00, ja sähköt ovat poikki noin"
        " 20 minuuttia. Ilmoitamme heti, jos aika vielä muuttuu. Avaattehan portin ajoissa?",
        "rule": "Työtilaukset tunnissa arkisin klo 7-16, massavaihdot",
        "value": "1400.5",
        "limit": "10000",
        "sites": "1 Vanhankirkonkylänmäentie 128 B 112, 2 Keskikoskenrannantie 55 A 12,"
        " 3 Rantatie 5, 4 Mökkitie 140 B, 5 Kauppakatu 2 C 41",
    },
}
# What reads otherwise in each language.
_WORDS: Mapping[Sample, Mapping[str, Names]] = {
    Sample.TYPICAL: {
        "event": Names("lauennut", "utlösts", "raised"),
        "area": Names("Ikaalinen", "Ikalis", "Ikaalinen"),
        "reason": Names("muuntaja puuttuu", "transformator saknas", "transformer missing"),
        "active": Names(
            "toinen numero, sähköposti", "annat nummer, e-post", "other number, e-mail"
        ),
        "sites": Names(
            "1 Koivutie 12 A 3, 2 Rantatie 5",
            "1 Björkvägen 12 A 3, 2 Strandvägen 5",
            "1 Koivutie 12 A 3, 2 Rantatie 5",
        ),
    },
    Sample.WORST: {
        "event": Names("päättynyt", "upphört", "cleared"),
        "area": Names(
            "Pohjois-Savon eteläosa", "Södra delen av Norra Savolax", "Southern North Savo"
        ),
        "reason": Names(
            "muuntajan toimitus myöhässä",
            "leveransen av transformatorn försenad",
            "late delivery of the transformer",
        ),
        "active": Names(
            "numerot, jotka päättyvät 567 ja 890, sähköposti",
            "numren som slutar på 567 och 890, e-post",
            "numbers ending in 567 and 890, e-mail",
        ),
    },
}
