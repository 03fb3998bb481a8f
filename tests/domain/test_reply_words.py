"""What people answer to text messages, as they really type it, and what it must never be taken for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.languages import Language
from app.domain.reply_words import Reply, ReplyWord, parse_reply

STOPS = ("STOP", "SEIS", "STOPP", "LOPETA", "SLUTA")
WORDS = {
    ReplyWord.STOP: STOPS,
    ReplyWord.START: ("START", "ALOITA", "STARTA"),
    ReplyWord.OUTAGE: ("KATKO", "AVBROTT", "OUT"),
    ReplyWord.STATUS: ("TILA", "LÄGE", "LAGE", "STATUS"),
    ReplyWord.YES: ("OK", "KYLLÄ", "KYLLA", "JA", "YES"),
    ReplyWord.NO: ("EI", "NEJ", "NO"),
    ReplyWord.HELP: ("OHJE", "HJÄLP", "HJALP", "HELP"),
}
PLAIN = [(word, meaning) for meaning, words in WORDS.items() for word in words]


@pytest.mark.parametrize(("word", "meaning"), PLAIN)
@pytest.mark.parametrize(
    "shape",
    [
        "{0}",
        "  {0}\n",
        "{0}.",
        "{0}!!",
        '"{0}"',
        "”{0}”",
        "'{0}'",
        "({0})",
        "\u200b{0}\u00a0",
        "{0} kiitos",
        "Hej, {0} tack!",
        "{0}, please",
        "{0} {0}",
    ],
)
def test_each_word_is_known_however_it_is_dressed(
    word: str, meaning: ReplyWord, shape: str
) -> None:
    for written in (word, word.lower(), word.title(), word.swapcase()):
        for form in ("NFC", "NFD"):
            text = unicodedata.normalize(form, shape.format(written))
            assert parse_reply(text).word is meaning, text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("S T O P", ReplyWord.STOP),
        ("s.e.i.s.", ReplyWord.STOP),
        ("L?GE", ReplyWord.STATUS),
        ("hj\ufffdlp", ReplyWord.HELP),
        ("Kyll?", ReplyWord.YES),
        ("ｓｔｏｐ", ReplyWord.STOP),
        ("Lägë", ReplyWord.STATUS),
        ("tilanne?", ReplyWord.STATUS),
        ("Sähkökatko!", ReplyWord.OUTAGE),
        ("STRÖMAVBROTT", ReplyWord.OUTAGE),
        ("okej", ReplyWord.YES),
        ("Joo, ok", ReplyWord.YES),
        ("Ei kiitos", ReplyWord.NO),
        ("UNSTOP", ReplyWord.START),
        ("info", ReplyWord.HELP),
    ],
)
def test_variants_that_people_and_gateways_make(text: str, word: ReplyWord) -> None:
    assert parse_reply(text).word is word


@pytest.mark.parametrize(
    "text",
    [
        "Lopettakaa viestit",
        "Haluan lopeta nämä viestit kiitos",
        "OK STOP",
        "ei enää viestejä, SEIS",
        "Stop sending me these messages about the power cut in the summer cottage please",
        "START STOP",
        "STOP 1",
        "start c0010000001 stop",
        "Cancel",
        "unsubscribe me",
        "QUIT",
        "please end",
        "stoppa",
    ],
)
def test_req_11_whoever_says_stop_is_taken_at_their_word(text: str) -> None:
    assert parse_reply(text).word is ReplyWord.STOP


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "👍",
        "?",
        "Milloin sähköt palaavat?",
        "Katko ohi",
        "Katko alkoi Koivutiellä klo 12",
        "OK EI",
        "No niin",
        "ja sitten",
        "Please don't stop",
        "Älä lopeta viestejä",
        "inte sluta",
        "Haluan lopettaa sähkösopimuksen kesämökillä",
        "I want to cancel my contract for the cottage",
        "the end of the month suits me",
        "No 2",
        "1 2",
        "0",
        "100",
        "٣",
        "1.5",
        "START C0010000001",
        "START hello world",
        "ALOITA heti nyt",
        "kiitos",
        "stopper",
        "seisoo",
        "outo",
    ],
)
def test_what_is_not_plain_is_left_to_a_person(text: str) -> None:
    assert parse_reply(text) == Reply(ReplyWord.UNCLEAR)


@pytest.mark.parametrize("text", ["2", " 2. ", "2)", "nro 2", "Nr. 2 tack", "nummer 2"])
def test_a_number_answers_a_question(text: str) -> None:
    assert parse_reply(text) == Reply(ReplyWord.NUMBER, number=2)


@pytest.mark.parametrize(
    ("text", "word", "language"),
    [
        ("KATKO 2", ReplyWord.OUTAGE, Language.FI),
        ("läge 2", ReplyWord.STATUS, Language.SV),
        ("nej 2", ReplyWord.NO, Language.SV),
    ],
)
def test_a_number_may_stand_beside_a_word(
    text: str, word: ReplyWord, language: Language | None
) -> None:
    assert parse_reply(text) == Reply(word, language, 2)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("SEIS", Language.FI),
        ("STOPP", Language.SV),
        ("SLUTA", Language.SV),
        ("STOP", None),
        ("seis stopp", None),
        ("HJÄLP", Language.SV),
        ("YES", Language.EN),
        ("JA", Language.SV),
        ("STATUS", None),
    ],
)
def test_a_word_of_one_language_only_tells_the_language(
    text: str, language: Language | None
) -> None:
    assert parse_reply(text).language is language


@pytest.mark.parametrize(
    ("text", "customer", "point"),
    [
        ("START C0010000007 649999000000000013", "C0010000007", "649999000000000013"),
        ("aloita c-77, TRE-0010000007.", "c-77", "TRE-0010000007"),
        ("Starta\n77 12", "77", "12"),
    ],
)
def test_an_enrolment_names_customer_and_point(text: str, customer: str, point: str) -> None:
    reply = parse_reply(text)
    assert (reply.word, reply.customer_no, reply.point_no) == (ReplyWord.ENROL, customer, point)


@given(st.text(max_size=200))
def test_whatever_is_written_is_read_without_a_fault_and_always_alike(text: str) -> None:
    reply = parse_reply(text)
    assert parse_reply(text) == reply
    assert (reply.number is None) or 1 <= reply.number <= 99
    assert (reply.customer_no is None) == (reply.word is not ReplyWord.ENROL)


@given(
    st.lists(
        st.sampled_from(["1", "2", "ok", "ei", "kiitos", "katko", "hei", "Koivutie", "tila"]),
        max_size=6,
    ),
    st.sampled_from(STOPS),
    st.lists(
        st.sampled_from(["1", "2", "ok", "ei", "kiitos", "katko", "tack", "start", "tila"]),
        max_size=6,
    ),
)
def test_req_11_no_words_around_it_hide_a_stop(
    before: list[str], stop: str, after: list[str]
) -> None:
    assert parse_reply(" ".join([*before, stop, *after])).word is ReplyWord.STOP


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzåäö ", max_size=60))
def test_without_a_word_of_ours_nothing_happens(text: str) -> None:
    known = {
        *(
            [
                "stop",
                "stopp",
                "seis",
                "lopeta",
                "sluta",
                "stopall",
                "unsubscribe",
                "optout",
                "lopettakaa",
                "lopettaa",
            ]
        ),
        *(
            [
                "stoppa",
                "avsluta",
                "end",
                "quit",
                "cancel",
                "revoke",
                "start",
                "aloita",
                "aloittakaa",
                "starta",
                "borja",
            ]
        ),
        *(
            [
                "unstop",
                "katko",
                "sahkokatko",
                "avbrott",
                "elavbrott",
                "stromavbrott",
                "out",
                "outage",
                "tila",
            ]
        ),
        *(
            [
                "tilanne",
                "lage",
                "laget",
                "status",
                "kylla",
                "kyll",
                "joo",
                "ja",
                "jo",
                "yes",
                "yeah",
                "ok",
                "okei",
                "okej",
                "okay",
            ]
        ),
        *(["ei", "nej", "no", "nope", "ohje", "ohjeet", "apua", "hjalp", "hjalpa", "help", "info"]),
    }
    plain = text.replace("å", "a").replace("ä", "a").replace("ö", "o")
    joined = plain.replace(" ", "")
    if known.isdisjoint(plain.split()) and joined not in known:
        assert parse_reply(text) == Reply(ReplyWord.UNCLEAR)
