"""The texts that customers read: the shipped ones, and what a set of texts must be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.failure_reasons import FAILURE_REASONS
from app.domain.languages import Language
from app.domain.message_source import parse_message
from app.domain.message_text import MessageSet, TemplateError, placeholders, render, render_sms
from app.domain.notice_types import NoticeType
from app.domain.notice_values import short_address, values_for
from app.domain.sample_facts import Sample, sample_values
from app.domain.sms_text import Encoding

# Agreed in the message catalogue: it says more than fits into one part.
LONG = {(NoticeType.FAULT_RESTORED, Language.SV)}
FI, SV, EN = Language.FI, Language.SV, Language.EN
NOON = datetime(2025, 11, 24, 8, 15, tzinfo=UTC)
MESSAGES = Path(__file__).parents[2] / "templates" / "messages"


@pytest.mark.parametrize(
    ("kind", "language", "text"),
    [
        (
            "METER_SWAP_STARTED",
            FI,
            "Verkkoyhtiö: Mittarinvaihto alkoi klo 10.15, Koivutie 12 A 3. "
            "Sähköt ovat poikki noin 20 min. Ilmoitamme, kun työ on valmis.",
        ),
        (
            "METER_SWAP_STARTED",
            SV,
            "Verkkoyhtiö: Mätarbytet började kl. 10.15, Koivutie 12 A 3. "
            "Strömmen är bruten ca 20 min. Vi meddelar när arbetet är klart.",
        ),
        (
            "METER_SWAP_STARTED",
            EN,
            "Verkkoyhtiö: Meter replacement started at 10:15, Koivutie 12 A 3. "
            "Power is off about 20 min. We will message you when it is done.",
        ),
        (
            "METER_SWAP_DONE",
            FI,
            "Verkkoyhtiö: Mittarinvaihto valmis klo 10.15, Koivutie 12 A 3. Sähköt on kytketty. "
            "Jos sähköä ei ole, tarkista pääkytkin tai soita 010 123 4567.",
        ),
        (
            "METER_SWAP_DONE",
            SV,
            "Verkkoyhtiö: Mätarbytet klart kl. 10.15, Koivutie 12 A 3. Strömmen är påkopplad. "
            "Saknar du ström, kontrollera huvudbrytaren eller ring 010 123 4567.",
        ),
        (
            "METER_SWAP_DONE",
            EN,
            "Verkkoyhtiö: Meter replacement done at 10:15, Koivutie 12 A 3. Power is on. "
            "If you have no power, check the main switch or call 010 123 4567.",
        ),
        (
            "METER_SWAP_FAILED",
            FI,
            "Verkkoyhtiö: Mittarinvaihtoa (Koivutie 12 A 3) ei voitu tehdä 24.11.: "
            "ketään ei tavattu. Vanha mittari jäi käyttöön. Ilmoitamme uuden ajan.",
        ),
        (
            "METER_SWAP_FAILED",
            SV,
            "Verkkoyhtiö: Mätarbytet (Koivutie 12 A 3) kunde inte göras 24.11.: "
            "ingen anträffades. Den gamla mätaren är kvar. Vi meddelar en ny tid.",
        ),
        (
            "METER_SWAP_FAILED",
            EN,
            "Verkkoyhtiö: The meter replacement (Koivutie 12 A 3) could not be done 24 Nov: "
            "nobody was met. The old meter stays in use. We will send a new time.",
        ),
    ],
)
def test_the_shipped_text_messages_read_as_agreed(kind: str, language: Language, text: str) -> None:
    assert render_sms(shipped(kind), language, values(language)).body == text


@pytest.mark.parametrize("takes_replies", [True, False])
@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", list(NoticeType))
def test_req_25_a_usual_text_is_one_part_and_the_longest_one_two_at_most(
    kind: NoticeType, language: Language, takes_replies: bool
) -> None:
    sizes = {
        sample: render_sms(
            shipped(kind),
            language,
            sample_values(kind, language, sample, brand="Verkkoyhtiö", phone="010 123 4567"),
            takes_replies=takes_replies,
        ).size
        for sample in Sample
    }
    assert {size.encoding for size in sizes.values()} == {Encoding.GSM7}
    assert sizes[Sample.TYPICAL].parts == (2 if (kind, language) in LONG and takes_replies else 1)
    assert sizes[Sample.WORST].parts <= 2
    assert sizes[Sample.WORST].units >= sizes[Sample.TYPICAL].units


@pytest.mark.parametrize(
    ("reason_code", "says", "not_said"),
    [
        (
            "TECH_NEUTRAL",
            "Sähköt palautetaan, kun vika on korjattu. Soita 010 123 4567.",
            "uuden ajan",
        ),
        ("DATA_DONE", "Uutta käyntiä ei tarvita", "Vanha mittari jäi"),
        ("WEATHER", "Vanha mittari jäi käyttöön. Ilmoitamme uuden ajan.", "Soita"),
        ("NOBODY_KNOWS", "Vanha mittari jäi käyttöön. Ilmoitamme uuden ajan.", "Soita"),
    ],
)
def test_a_failed_visit_is_not_told_to_end_in_what_it_does_not(
    reason_code: str, says: str, not_said: str
) -> None:
    body = render_sms(shipped("METER_SWAP_FAILED"), FI, values(FI, reason_code=reason_code)).body
    assert says in body
    assert not_said not in body


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (FI, "Sähkökatko alkoi klo 22.10 24.11., Koivutie"),
        (SV, "Elavbrott sedan kl. 22.10 24.11., Koivutie"),
        (EN, "Power cut since 22:10 24 Nov, Koivutie"),
    ],
)
def test_the_day_of_a_cut_that_began_yesterday_follows_its_time(
    language: Language, words: str
) -> None:
    facts = {"off_at": "2026-11-24T22:10:00+02:00", "event_at": "2026-11-25T06:00:00+02:00"}
    filled = values_for(
        NoticeType.STATUS_OUTAGE,
        language,
        facts,
        brand="Verkkoyhtiö",
        phone="010 123 4567",
        address="Koivutie 3",
    )
    assert words in render_sms(shipped("STATUS_OUTAGE"), language, filled).body


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("reason_code", FAILURE_REASONS)
def test_req_25_every_reason_of_a_failed_visit_fits_into_two_parts(
    reason_code: str, language: Language
) -> None:
    filled = values(language, reason_code=reason_code, address="Vanhankirkonkylänmäentie 128 B 112")
    assert render_sms(shipped("METER_SWAP_FAILED"), language, filled).size.parts <= 2


@pytest.mark.parametrize("language", list(Language))
def test_lengths_are_those_of_the_message_catalogue(language: Language) -> None:
    expected = {
        "METER_SWAP_STARTED": {FI: 124, SV: 123, EN: 129},
        "METER_SWAP_DONE": {FI: 144, SV: 148, EN: 141},
    }
    for kind, lengths in expected.items():
        sms = render_sms(shipped(kind), language, values(language))
        assert sms.size.units == lengths[language]


@pytest.mark.parametrize("language", list(Language))
def test_under_a_safety_ban_the_text_speaks_of_your_metering_point(language: Language) -> None:
    hidden = values(language, address=None)
    body = render_sms(shipped("METER_SWAP_STARTED"), language, hidden).body
    assert "Koivutie" not in body
    assert hidden["addr"] in {"käyttöpaikkasi", "din förbrukningsplats", "your metering point"}
    assert hidden["addr"] in body


def test_typographic_signs_in_an_address_do_not_make_the_text_dearer() -> None:
    sms = render_sms(
        shipped("METER_SWAP_STARTED"), FI, values(FI, address="Ka\u0308rkitie 1\u20133")
    )
    assert "Kärkitie 1-3" in sms.body
    assert sms.size.encoding is Encoding.GSM7


def test_a_letter_outside_the_alphabet_makes_two_parts_and_is_not_cut() -> None:
    sms = render_sms(shipped("METER_SWAP_STARTED"), FI, values(FI, address="Šakkitie 3"))
    assert (sms.size.encoding, sms.size.parts) == (Encoding.UCS2, 2)
    assert sms.body.endswith("kun työ on valmis.")


def test_an_unknown_reason_is_told_in_words_that_are_always_true() -> None:
    assert values(FI, reason_code="MOON_PHASE")["reason"] == "työ keskeytetty"


def test_what_is_filled_in_is_taken_literally_and_stays_on_one_line() -> None:
    text = render("((brand)): ((addr))!", {"brand": "((addr))", "addr": " a\r\nBcc: b\x00  c "})
    assert text == "((addr)): a Bcc: b c!"


def test_a_missing_value_is_an_error_and_a_superfluous_one_is_not() -> None:
    assert render("((t1))", {"t1": "10.15", "phone": "1"}) == "10.15"
    with pytest.raises(TemplateError, match=r"no value for \(\(addr\)\)"):
        render("((t1)) ((addr))", {"t1": "10.15"})


def test_brackets_around_a_placeholder_are_only_brackets() -> None:
    assert placeholders("(((addr)))") == {"addr"}
    assert render("(((addr)))", {"addr": "Koivutie"}) == "(Koivutie)"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("[sv]", "[no]"), "There is no text in sv."),
        (("[sv]", "[no]"), "no is none of our languages."),
        (
            ("((brand)): Mätarbytet", "((brand)): Mätarbytet ((week))"),
            "Placeholders in sv are not known for this kind: week.",
        ),
        (
            ("kl. ((t1)), ((addr))", "kl. ((t1))"),
            "The text message in sv lacks a placeholder: addr.",
        ),
        (("kl. ((t1)), ((addr))", "kl. ((t1)), ((addr)"), "brackets that are no placeholder"),
        (("Strömmen är bruten ca", "((addr)) ((phone))"), "have other placeholders"),
        (("noin 20 min. Ilmoitamme", "ks. https://verkko.fi"), "The text in fi has a link: "),
        (("noin 20 min. Ilmoitamme", "ks. verkko.fi nyt"), "The text in fi has a link: "),
        (('subject = "Mätarbytet', 'title = "Mätarbytet'), "The text in sv lacks sms, subject"),
        (('"cirka 20 min"]', "7]"), "The text in sv lacks sms, subject"),
        (("[fi]", "[fi"), "The file cannot be read"),
    ],
)
def test_a_set_of_texts_with_a_fault_is_not_usable(change: tuple[str, str], problem: str) -> None:
    source = (MESSAGES / "METER_SWAP_STARTED.toml").read_text(encoding="utf-8")
    assert change[0] in source
    with pytest.raises(TemplateError) as caught:
        parse_message(NoticeType.METER_SWAP_STARTED, source.replace(*change).encode())
    assert problem in str(caught.value)


def test_finnish_copied_into_another_language_is_noticed() -> None:
    source = (MESSAGES / "METER_SWAP_DONE.toml").read_text(encoding="utf-8")
    finnish = source.split("[fi]")[1].split("[sv]")[0]
    copied = f"[fi]{finnish}[sv]{finnish}[en]{finnish}"
    with pytest.raises(TemplateError, match="The texts in fi and sv are the same"):
        parse_message(NoticeType.METER_SWAP_DONE, copied.encode())


def test_a_file_in_another_encoding_is_refused() -> None:
    source = (MESSAGES / "METER_SWAP_DONE.toml").read_text(encoding="utf-8")
    with pytest.raises(TemplateError, match="cannot be read"):
        parse_message(NoticeType.METER_SWAP_DONE, source.encode("iso-8859-1"))


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        (("Koivutie", "12", "A", "3"), "Koivutie 12 A 3"),
        (("Koivutie", "12", None, None), "Koivutie 12"),
        (("Koivutie", None, None, None), "Koivutie"),
        ((None, "12", None, None), None),
    ],
)
def test_an_address_is_written_as_on_a_letter(
    parts: tuple[str | None, ...], address: str | None
) -> None:
    assert short_address(*parts) == address


@pytest.mark.parametrize(
    ("off", "on", "words"),
    [
        ("2026-11-24T00:15:00+00:00", "2026-11-24T02:20:00+00:00", ("Viime yönä", "I natt")),
        ("2026-11-24T20:15:00+00:00", "2026-11-25T04:20:00+00:00", ("Viime yönä", "I natt")),
        # Whoever works at night sleeps by day.
        (
            *("2026-11-24T08:15:00+00:00", "2026-11-24T10:20:00+00:00"),
            ("Hiljaisena aikana", "Under tysta timmar"),
        ),
    ],
)
def test_a_cut_by_day_is_not_said_to_have_been_last_night(
    off: str, on: str, words: tuple[str, str]
) -> None:
    facts = {"off_at": off, "on_at": on, "duration_s": 7_500}
    for language, said in zip((FI, SV), words, strict=True):
        filled = values_for(
            NoticeType.MORNING_SUMMARY, language, facts, brand="b", phone="p", address="a"
        )
        assert render_sms(shipped("MORNING_SUMMARY"), language, filled).body.startswith(
            f"b: {said}"
        )


def shipped(kind: str) -> MessageSet:
    """The texts of one kind as they are shipped."""
    return parse_message(NoticeType(kind), (MESSAGES / f"{kind}.toml").read_bytes())


def values(
    language: Language,
    *,
    address: str | None = "Koivutie 12 A 3",
    reason_code: str = "CUS_ABSENT",
    happened_at: datetime = NOON,
) -> dict[str, str]:
    """Usual values for every placeholder of a meter swap's texts."""
    facts = {"happened_at": happened_at.isoformat(), "reason_code": reason_code}
    return {
        name: value
        for kind in (NoticeType.METER_SWAP_STARTED, NoticeType.METER_SWAP_DONE, FAILED)
        for name, value in values_for(
            kind, language, facts, brand="Verkkoyhtiö", phone="010 123 4567", address=address
        ).items()
    }


FAILED = NoticeType.METER_SWAP_FAILED
