"""What keeps a set of texts from being used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.languages import Language
from app.domain.message_checks import (
    FaultCode,
    TextFault,
    check_message,
    reply_words,
    required_in_sms,
)
from app.domain.message_text import MessageSet, MessageText
from app.domain.notice_types import NoticeType
from app.domain.notice_values import placeholders_of
from app.services.message_templates import SHIPPED

FI, SV, EN = Language.FI, Language.SV, Language.EN
STARTED, RESTORED = NoticeType.FAULT_STARTED, NoticeType.FAULT_RESTORED


@pytest.mark.parametrize("kind", NoticeType)
def test_the_shipped_texts_have_no_fault(kind: NoticeType) -> None:
    assert list(check_message(kind, SHIPPED.by_type[kind])) == []
    assert required_in_sms(kind) <= placeholders_of(kind)


def test_req_24_a_missing_language_is_a_fault() -> None:
    texts = {FI: SHIPPED.by_type[STARTED][FI], EN: SHIPPED.by_type[STARTED][EN]}
    assert list(check_message(STARTED, texts)) == [TextFault(FaultCode.LANGUAGE_MISSING, (SV,))]


@pytest.mark.parametrize("part", ["sms", "subject", "email_lines"])
def test_req_24_finnish_sent_as_swedish_is_a_fault(part: str) -> None:
    finnish = getattr(SHIPPED.by_type[STARTED][FI], part)
    assert TextFault(FaultCode.LANGUAGES_EQUAL, (FI, SV)) in faults(STARTED, SV, **{part: finnish})


def test_req_24_a_copy_that_differs_only_in_spaces_and_capitals_is_a_fault_too() -> None:
    copied = SHIPPED.by_type[STARTED][FI].sms.replace("Sähkökatko", " SÄHKÖKATKO ")
    assert codes(STARTED, SV, sms=copied) == {FaultCode.LANGUAGES_EQUAL}


def test_req_24_placeholders_must_match_in_all_languages() -> None:
    sms = SHIPPED.by_type[STARTED][EN].sms + " Call ((phone))."
    assert faults(STARTED, EN, sms=sms) == [
        TextFault(FaultCode.PLACEHOLDERS_DIFFER, (FI, EN), ("phone",)),
        TextFault(FaultCode.PLACEHOLDERS_DIFFER, (SV, EN), ("phone",)),
    ]


@pytest.mark.parametrize(
    ("sms", "expected"),
    [
        ("((brand)): out ((addr)) ((t1)) ((week))", (FaultCode.PLACEHOLDER_UNKNOWN, ("week",))),
        ("((brand)): Power is out", (FaultCode.PLACEHOLDER_REQUIRED, ("addr", "t1"))),
        ("((brand)): ((addr)) ((t1)) ((Addr))", (FaultCode.BRACKETS_LOOSE, ())),
        ("((brand)): ((addr)) ((t1)) ((addr)", (FaultCode.BRACKETS_LOOSE, ())),
        ("Power out at ((addr)) ((t1))", (FaultCode.PLACEHOLDER_REQUIRED, ("brand",))),
    ],
)
def test_placeholders_are_known_whole_and_complete(
    sms: str, expected: tuple[FaultCode, tuple[str, ...]]
) -> None:
    assert expected in {(fault.code, fault.what) for fault in faults(STARTED, EN, sms=sms)}


@pytest.mark.parametrize(
    "words",
    ["see https://verkko.example", "see www.verkko.example", "see verkko.fi", "see VERKKO.COM/x"],
)
def test_req_28_no_text_has_a_link(words: str) -> None:
    assert FaultCode.LINK in codes(STARTED, EN, subject=words)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (FI, "Kerro vahvistuskoodi tai koodisi"),
        (FI, "Anna pankkitunnuksesi"),
        (SV, "Uppge koden"),
        (EN, "Tell us your password"),
        (EN, "Tell us the code and your PIN"),
    ],
)
def test_req_28_no_text_asks_for_codes(language: Language, words: str) -> None:
    assert FaultCode.CODE_ASKED in codes(STARTED, language, subject=words)


def test_req_28_the_brand_is_in_every_text_message() -> None:
    for kind in NoticeType:
        assert "brand" in required_in_sms(kind)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (FI, "Vastaa tähän"),
        (FI, "peru vastaamalla"),
        (FI, "Lopeta: SEIS"),
        (SV, "Svara oss"),
        (SV, "Avsluta: STOPP"),
        (EN, "Please reply"),
        (EN, "Text OUT to us"),
        (EN, "End: STOP"),
    ],
)
def test_req_29_what_leaves_from_a_name_asks_for_no_answer(language: Language, words: str) -> None:
    sms = f"{SHIPPED.by_type[STARTED][language].sms} {words}."
    assert FaultCode.REPLY_ONE_WAY in codes(STARTED, language, sms=sms)


@pytest.mark.parametrize(
    "words",
    [
        "Tilaus vastaanotettu",
        "ota yhteys vastaavaan asentajaan",
        "Status messages",
        "no power",
        "ei",
    ],
)
def test_req_29_words_that_only_look_like_it_are_let_through(words: str) -> None:
    assert reply_words(words) == ()


def test_req_29_a_text_that_asks_for_an_answer_needs_a_variant_for_a_name() -> None:
    assert codes(RESTORED, EN, sms_one_way=None) == {
        FaultCode.ONE_WAY_MISSING,
        FaultCode.PLACEHOLDERS_DIFFER,
    }


def test_req_29_the_variant_asks_for_no_answer_and_keeps_the_phone() -> None:
    sms = SHIPPED.by_type[RESTORED][EN].sms
    assert FaultCode.REPLY_ONE_WAY in codes(RESTORED, EN, sms_one_way=sms)
    without = "((brand)): power restored at ((t2)), ((addr)), ((dur))."
    found = faults(RESTORED, EN, sms_one_way=without)
    assert TextFault(FaultCode.PLACEHOLDER_REQUIRED, (EN,), ("phone",)) in found


def test_req_29_a_variant_that_would_never_leave_is_a_fault() -> None:
    one_way = SHIPPED.by_type[STARTED][EN].sms + " Call ((phone))."
    assert FaultCode.ONE_WAY_NEEDLESS in codes(STARTED, EN, sms_one_way=one_way)


def test_req_29_nobody_answers_e_mails_either() -> None:
    assert codes(
        RESTORED, EN, email_lines=("The power is back. Reply OUT if not, ((phone)).",)
    ) == {FaultCode.REPLY_ONE_WAY}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (FI, "Katso tarjouksemme"),
        (FI, "Nyt alennuksessa"),
        (SV, "Se våra erbjudanden"),
        (SV, "Nu med rabatt"),
        (EN, "See our offer"),
        (EN, "Big Discounts"),
        (EN, "On SALE now"),
    ],
)
def test_req_30_no_text_advertises(language: Language, words: str) -> None:
    shipped = SHIPPED.by_type[STARTED][language]
    found = codes(STARTED, language, email_lines=(*shipped.email_lines, words))
    assert found == {FaultCode.MARKETING}


def test_every_fault_reads_as_a_sentence() -> None:
    for code in FaultCode:
        assert TextFault(code, (FI, SV), ("x",)).sentence().endswith(".")


def faults(kind: NoticeType, language: Language, **changes: object) -> list[TextFault]:
    """What is wrong with the shipped texts after a change of one language."""
    shipped = SHIPPED.by_type[kind]
    changed: dict[Language, MessageText] = dict(shipped)
    changed[language] = replace(shipped[language], **changes)  # type: ignore[arg-type]
    texts: MessageSet = changed
    return list(check_message(kind, texts))


def codes(kind: NoticeType, language: Language, **changes: object) -> set[FaultCode]:
    """The codes of what is wrong."""
    return {fault.code for fault in faults(kind, language, **changes)}
