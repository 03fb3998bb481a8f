"""What the records say is read out in the reader's language, with numbers and times as they write them."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from app.domain.routing import RouteFacts, RouteRule, compile_rules, decide_route
from app.web import labels, record_words, wording

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
ROOT = Path(record_words.__file__).parents[2]
# Whoever opens an alarm, and what is no sentence about it.
_WRITERS = sorted(
    path
    for folder in ("app/services", "workers")
    for path in (ROOT / folder).rglob("*.py")
    if re.search(r"alarms\.open_alarm\(|are_open\(", path.read_text("utf-8"))
)
# Lists of files with codes, which speak for themselves in every language.
_CODES_ONLY = frozenset({"inbox_look.py"})
# Said elsewhere by the same functions.
_NO_ALARM = frozenset({"The estimate has passed."})


@pytest.mark.parametrize(
    ("recorded", "finnish"),
    [
        (
            "1203 wait, the oldest since 2026-11-24 07:05 UTC.",
            "1 203 odottaa, vanhin alkaen 24.11.2026 klo 09.05.",
        ),
        (
            "1 differences, the oldest since 2026-11-24 07:05 UTC.",
            "1 ero, alkaen 24.11.2026 klo 09.05.",
        ),
        ("M-1: 1 items, BAD_COUNT 1 0", "M-1: 1 rivi. 1 rivi on virheellinen, enemmän kuin 0"),
        (
            "M-1: 2 items, BROKEN XML_MALFORMED 1 2",
            "M-1: 2 riviä. Tiedosto katkesi 1 rivin jälkeen, ilmoitettu 2: Virheellinen XML",
        ),
        ("12.5 orders an hour: 12.5, the limit is 100.", "12.5 orders an hour: 12,5, raja on 100."),
        (
            "Rule Massa sends order type MVM and municipality 837 to voima.",
            "Sääntö Massa lähettää sen: voima (tilaustyyppi MVM, kunta Tampere).",
        ),
        ("Something that nobody foresaw.", '<span lang="en">Something that nobody foresaw.</span>'),
        ("<b>", '<span lang="en">&lt;b&gt;</span>'),
    ],
)
def test_a_record_is_read_out_in_the_readers_language(
    app: Flask, recorded: str, finnish: str
) -> None:
    with app.test_request_context("/?lang=fi"):
        app.preprocess_request()
        assert str(record_words.record_text(recorded)).replace("\xa0", " ") == finnish


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        ("staff:otso", "otso"),
        # Whoever is called so on some machine is not he.
        ("cli:otso", "otso päätteellä"),
        ("system:billing", "Laskutus"),
        ("system:clock", "Kello"),
    ],
)
def test_who_did_something_is_named_as_who_they_are(app: Flask, actor: str, shown: str) -> None:
    with app.test_request_context("/?lang=fi"):
        app.preprocess_request()
        assert wording.actor_name(actor) == shown


def test_every_system_that_does_something_has_a_name_in_every_language() -> None:
    told = {
        name
        for folder in ("app", "workers")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'"system:([a-z-]+)"', path.read_text("utf-8"))
    }
    assert told
    # The product's own name is one.
    assert told - {"tiedolla"} <= set(labels.SYSTEM)


@pytest.mark.parametrize("path", _WRITERS, ids=lambda path: path.name)
def test_every_sentence_that_an_alarm_may_say_is_known(app: Flask, path: Path) -> None:
    unknown = []
    with app.test_request_context("/?lang=fi"):
        app.preprocess_request()
        for sentence in _sentences(path):
            words, known = record_words.read_out(sentence)
            if not known or words == sentence:
                unknown.append(sentence)
    assert unknown == []


def test_every_reason_of_a_route_is_known(app: Flask) -> None:
    since = datetime(2027, 1, 1, tzinfo=UTC)
    limits = {
        "order_type_codes": frozenset({"HUO"}),
        "municipality_codes": frozenset({"091", "092", "049", "837", "211"}),
        "models": frozenset({"6534"}),
        "mass": True,
        "partner_types": frozenset({"HUO"}),
    }
    facts = [
        RouteFacts("MVM", "837", "6534", True),
        RouteFacts("MVM", None, None, False),
        RouteFacts("HUO", "005", "5530", True),
    ]
    reasons = {decide_route(facts[0], compile_rules([]), NOW).reason}
    for name, value in limits.items():
        rule = RouteRule(1, "r", 1, "voima", NOW, **{name: value})  # type: ignore[arg-type]
        reasons |= {decide_route(one, compile_rules([rule]), NOW).reason for one in facts}
    late = RouteRule(2, "late", 1, "voima", since, since.replace(year=2028), **limits)  # type: ignore[arg-type]
    reasons |= {decide_route(one, compile_rules([late]), NOW).reason for one in facts}
    reasons |= {decide_route(facts[0], compile_rules([late]), since.replace(year=2029)).reason}
    told = (
        "voima has been told of this revision that it is called off, and would ignore it: the CIS"
    )
    for why in (
        "voima has no bundle in force for orders",
        "the bundle of voima cannot write it: U+2013",
        "it lacks what voima needs: FIELD_MISSING site.gsrn",
        f"{told} has to send a new revision",
    ):
        reasons.add(f"Rule r sends every order to voima. But {why}.")
    with app.test_request_context("/?lang=fi"):
        app.preprocess_request()
        for reason in reasons:
            words, known = record_words.read_out(reason)
            assert known, reason
            # No part of it is left in English.
            assert not re.search(r"\b(the|rule|order|does|because|it|for|and|is)\b", words), words


@pytest.mark.parametrize(
    "name",
    ["ack_checks", "mass_checks", "meter_stock", "order_course", "revisions", "work_order_checks"],
)
def test_every_finding_of_the_checks_is_known(app: Flask, name: str) -> None:
    """Of each sentence in the code, with something in the place of what it fills in."""
    path = ROOT / "app" / "domain" / f"{name}.py"
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
    }
    unknown = []
    with app.test_request_context("/?lang=fi"):
        app.preprocess_request()
        for sentence in _all_sentences(tree, skipped):
            words, known = record_words.read_out(sentence)
            if not known or words == sentence:
                unknown.append(sentence)
    assert unknown == []


def _all_sentences(tree: ast.AST, skipped: set[str | None]) -> list[str]:
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inner = {id(part) for node in joined for part in node.values}
    plain = [
        re.sub(r"\{\w+\}", "7", node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in inner
        and node.value not in skipped
    ]
    found = [*plain, *(_filled(node) for node in joined)]
    return [one for one in found if one.count(" ") >= 3 and one.endswith(".")]


def _sentences(path: Path) -> list[str]:
    """Sentences in functions that open alarms, with something in the place of what they fill in."""
    if path.name in _CODES_ONLY:
        return []
    tree = ast.parse(path.read_text("utf-8"))
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or not _opens(function):
            continue
        skipped = {ast.get_docstring(function, clean=False)}
        inner = {
            id(part)
            for node in ast.walk(function)
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        for node in ast.walk(function):
            if isinstance(node, ast.JoinedStr):
                found.append(_filled(node))
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in inner
                and node.value not in skipped
            ):
                found.append(node.value)
    for node in tree.body:
        # Tables of words by what is the matter.
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found += [
                re.sub(r"\{\w+_at\}", "2026-11-24 07:05 UTC", value.value).replace("{why}", "x")
                for value in node.value.values
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            ]
    # A sentence has words and an end, or says more after a colon.
    return [
        one
        for one in found
        if one.count(" ") >= 3 and re.search(r"[.:]( |$)", one) and one not in _NO_ALARM
    ]


def _opens(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("open_alarm", "are_open")
        for node in ast.walk(function)
    )


def _filled(node: ast.JoinedStr) -> str:
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue) and part.format_spec is not None:
            spec = "".join(str(getattr(one, "value", "")) for one in part.format_spec.values)  # type: ignore[attr-defined]
            text += NOW.strftime(spec) if "%" in spec else "7"
        elif isinstance(part, ast.FormattedValue) and "__name__" in ast.unparse(part.value):
            text += "ValueError"
        elif isinstance(part, ast.FormattedValue) and ast.unparse(part.value) == "which":
            text += "hour"
        elif isinstance(part, ast.FormattedValue) and "isoformat" in ast.unparse(part.value):
            text += NOW.date().isoformat() if "_on" in ast.unparse(part.value) else NOW.isoformat()
        else:
            text += "7"
    return text
