"""Mappings: what they may say, what they make of documents, and what nobody can make them do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.domain.mapping.canonical import ACK, SOURCE_ORDER, Direction, Document, fields_of
from app.domain.mapping.compiled import CompiledMapping
from app.domain.mapping.converters import CONVERTERS
from app.domain.mapping.difference import differences
from app.domain.mapping.document import parse_mapping
from app.domain.mapping.paths import covers, is_path, leaves
from app.domain.mapping.vocabulary import MapCode, MappingInvalid
from integrations.cis.types import CisWorkOrder
from integrations.installer.ack_types import InstallerAck

CODES = {"types": {"MVM": "MASS"}, "flags": {"true": "K", "false": "E"}}


def compiled(*rules: dict[str, Any], ignored: tuple[str, ...] = ()) -> CompiledMapping:
    document = {"mapping": 1, "rules": list(rules), "ignored": list(ignored)}
    return CompiledMapping(parse_mapping(document, CODES))


def run(source: dict[str, Any], *rules: dict[str, Any]) -> Any:
    return compiled(*rules).run(source)


def faults(document: Any, **known: Any) -> list[str]:
    with pytest.raises(MappingInvalid) as caught:
        parse_mapping(document, CODES, **known)
    return [f"{fault.code} {fault.place}" for fault in caught.value.faults]


def test_values_are_carried_over_in_the_order_of_the_rules() -> None:
    mapped = run(
        {"a": 1, "b": None, "c": "x"},
        {"target": "z.second", "source": "c"},
        {"target": "first", "source": "a"},
        {"target": "z.third", "source": "b"},
    )
    assert list(mapped.value) == ["z", "first"]
    assert mapped.value == {"z": {"second": "x"}, "first": 1}
    assert mapped.findings == ()


def test_longer_paths_lists_and_indices_are_read_and_made() -> None:
    source = {"m": {"r": [{"v": 5}, {"v": 6}]}}
    mapped = run(
        source,
        {"target": "out.list[0].value", "source": "m.r[1].v"},
        {"target": "out.list[1].value", "source": "m.r[0].v"},
        {"target": "out.words[0]", "source": "m.r[0].v"},
        {"target": "none", "source": "m.r[7].v"},
    )
    assert mapped.value == {"out": {"list": [{"value": 6}, {"value": 5}], "words": [5]}}


def test_a_list_whose_first_part_has_no_value_has_no_hole() -> None:
    mapped = run(
        {"b": 2},
        {"target": "list[0].x", "source": "a"},
        {"target": "list[1].x", "source": "b"},
    )
    assert mapped.value == {"list": [{"x": 2}]}


def test_defaults_stand_in_and_an_empty_object_stays_when_nothing_fills_it() -> None:
    rules = (
        {"target": "o", "default": {}},
        {"target": "o.x", "source": "x"},
        {"target": "n", "source": "n", "default": 3},
        {"target": "word", "default": "KY"},
    )
    mapping = compiled(*rules)
    assert mapping.run({}).value == {"o": {}, "n": 3, "word": "KY"}
    assert mapping.run({"x": 1, "n": 9}).value == {"o": {"x": 1}, "n": 9, "word": "KY"}
    # What one document got is not in the next.
    assert mapping.run({}).value["o"] == {}


def test_a_rule_counts_only_when_all_its_conditions_hold() -> None:
    rule = {
        "target": "t",
        "source": "v",
        "when": [{"source": "kind", "in": ["A", "B"]}, {"source": "x.y", "present": True}],
    }
    assert run({"v": 1, "kind": "A", "x": {"y": 0}}, rule).value == {"t": 1}
    assert run({"v": 1, "kind": "C", "x": {"y": 0}}, rule).value == {}
    assert run({"v": 1, "kind": "A", "x": {"y": ""}}, rule).value == {}
    absent = {"target": "t", "default": 1, "when": [{"source": "v", "present": False}]}
    assert run({}, absent).value == {"t": 1}
    assert run({"v": 0}, absent).value == {}


def test_of_two_rules_for_one_target_the_first_that_gives_a_value_wins() -> None:
    rules = (
        {"target": "t", "source": "a", "when": [{"source": "a", "present": True}]},
        {"target": "t", "source": "b", "default": "none"},
    )
    assert run({"a": 1, "b": 2}, *rules).value == {"t": 1}
    assert run({"b": 2}, *rules).value == {"t": 2}
    assert run({}, *rules).value == {"t": "none"}


def test_what_cannot_be_mapped_becomes_a_finding_and_stops_nothing_else() -> None:
    mapped = run(
        {"n": "many", "k": "XYZ", "ok": 1},
        {"target": "n", "source": "n", "convert": "integer"},
        {"target": "k", "source": "k", "convert": "code", "codes": "types"},
        {"target": "m", "source": "m", "required": True},
        {"target": "ok", "source": "ok"},
    )
    assert mapped.value == {"ok": 1}
    told = [(str(f.code), f.path) for f in mapped.findings]
    assert told == [("FIELD_INVALID", "n"), ("FIELD_INVALID", "k"), ("FIELD_MISSING", "m")]
    # Nobody's value is in the words.
    assert not any("many" in f.text or "XYZ" in f.text for f in mapped.findings)


@pytest.mark.parametrize(
    ("name", "value", "made"),
    [
        ("text", "  a  b ", "a b"),
        ("upper", "tampere", "TAMPERE"),
        ("lower", "FI", "fi"),
        ("integer", "12", 12),
        ("number", "1.50", 1.5),
        ("number", Decimal("41755.5"), 41755.5),
        ("number_comma", "41 755,5".replace(" ", "\u00a0"), 41755.5),
        ("decimal", Decimal("1E+3"), "1000"),
        ("decimal_comma", 61.4981, "61,4981"),
        ("boolean", "K", True),
        ("boolean", "ei", False),
        ("time_utc", "2026-11-28T09:00:00+02:00", "2026-11-28T07:00:00Z"),
        ("time_helsinki", datetime(2026, 7, 1, 6, tzinfo=UTC), "2026-07-01T09:00:00+03:00"),
        ("wall_clock", datetime(2026, 11, 28, 7, tzinfo=UTC), "28.11.2026 09.00"),
        ("from_wall_clock", "28.11.2026 09.00", "2026-11-28T07:00:00Z"),
        ("from_wall_clock", "28.11.2026 09.00.07", "2026-11-28T07:00:07Z"),
        ("day", date(2026, 11, 28), "2026-11-28"),
        ("day", datetime(2026, 11, 28, 22, 30, tzinfo=UTC), "2026-11-29"),
        ("day_fi", date(2026, 1, 2), "02.01.2026"),
        ("from_day_fi", "02.01.2026", "2026-01-02"),
        ("join", ["a;b", "c"], "a,b;c"),
        ("split", "a; b;;c", ["a", "b", "c"]),
        ("list", "S1", ["S1"]),
        ("first", ("6534", "6511"), "6534"),
        ("uuid", "6F0B0F8E-3C0E-4A53-9A34-8F6A2F4F2A11", "6f0b0f8e-3c0e-4a53-9a34-8f6a2f4f2a11"),
        ("uuid", "K-1", "69a66aa3-1706-5893-8284-62abfa14752b"),
    ],
)
def test_each_converter_makes_what_it_says(name: str, value: Any, made: Any) -> None:
    result = CONVERTERS[name](value)
    assert (result, type(result)) == (made, type(made))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", {"a": 1}),
        ("text", "x\0"),
        ("integer", "1.5"),
        ("integer", "1e99"),
        ("integer", True),
        ("number", "nan"),
        ("number", "inf"),
        ("number_comma", "1,2,3"),
        ("boolean", "maybe"),
        ("time_utc", "2026-11-28T09:00:00"),
        ("time_utc", "0001-01-01T00:00:00Z"),
        # Shown twice, and not at all.
        ("from_wall_clock", "25.10.2026 03.30"),
        ("from_wall_clock", "29.03.2026 03.30"),
        ("day", "28.11.2026"),
        ("from_day_fi", "31.02.2026"),
        ("first", []),
        ("join", "abc"),
        ("uuid", " "),
    ],
)
def test_no_converter_guesses(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CONVERTERS[name](value)


def test_every_converter_is_proved_by_a_row_above() -> None:
    marks = test_each_converter_makes_what_it_says.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in marks[0].args[1]} == set(CONVERTERS)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], ["MAP_FORM /"]),
        ({"mapping": 2, "rules": []}, ["MAP_VERSION /mapping"]),
        ({"mapping": 1, "rules": []}, ["MAP_FORM /rules"]),
        ({"mapping": 1, "rules": [7]}, ["MAP_FORM /rules/0"]),
        ({"mapping": 1, "rules": [{"target": "a", "default": 1}], "x": 1}, ["MAP_KEY_UNKNOWN /x"]),
        (
            {"mapping": 1, "rules": [{"target": "a", "source": "b", "expression": "1+1"}]},
            ["MAP_KEY_UNKNOWN /rules/0/expression"],
        ),
        ({"mapping": 1, "rules": [{"target": "a"}]}, ["MAP_NOTHING_GIVEN /rules/0"]),
        (
            {"mapping": 1, "rules": [{"target": "a..b", "source": "c"}]},
            ["MAP_PATH_INVALID /rules/0/target"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a'b", "source": "c"}]},
            ["MAP_PATH_INVALID /rules/0/target"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "source": "b", "convert": "eval"}]},
            ["MAP_CONVERTER_UNKNOWN /rules/0/convert"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "source": "b", "convert": "code"}]},
            ["MAP_CODES_UNKNOWN /rules/0"],
        ),
        (
            {
                "mapping": 1,
                "rules": [{"target": "a", "source": "b", "convert": "code", "codes": "nobody"}],
            },
            ["MAP_CODES_UNKNOWN /rules/0/codes"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "default": {"x": 1}}]},
            ["MAP_DEFAULT_INVALID /rules/0/default"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "default": 1, "when": [{"source": "b"}]}]},
            ["MAP_WHEN_INVALID /rules/0/when/0"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "default": 1, "when": {}}]},
            ["MAP_WHEN_INVALID /rules/0/when"],
        ),
        (
            {
                "mapping": 1,
                "rules": [{"target": "a", "source": "b"}, {"target": "a", "source": "c"}],
            },
            ["MAP_TARGET_TWICE /rules/1"],
        ),
        (
            {
                "mapping": 1,
                "rules": [{"target": "a", "source": "b"}, {"target": "a.x", "source": "c"}],
            },
            ["MAP_TARGET_INSIDE /rules/1"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "default": 1}], "ignored": 1},
            ["MAP_FORM /ignored"],
        ),
        (
            {"mapping": 1, "rules": [{"target": "a", "source": "b", "required": "yes"}]},
            ["MAP_FORM /rules/0/required"],
        ),
    ],
)
def test_a_mapping_that_says_anything_else_is_refused_with_its_code(
    document: Any, told: list[str]
) -> None:
    assert faults(document) == told


def test_all_faults_are_named_at_once_and_every_code_has_a_case() -> None:
    document = {
        "mapping": 1,
        "rules": [
            {"target": "x", "source": "nowhere"},
            {"target": "y", "source": "a", "convert": "z"},
        ],
    }
    assert faults(document, sources={"a"}, targets={"y"}) == [
        "MAP_TARGET_UNKNOWN /rules/0/target",
        "MAP_SOURCE_UNKNOWN /rules/0/source",
        "MAP_CONVERTER_UNKNOWN /rules/1/convert",
    ]
    marks = test_a_mapping_that_says_anything_else_is_refused_with_its_code.pytestmark  # type: ignore[attr-defined]
    shown = {code.split()[0] for row in marks[0].args[1] for code in row[1]}
    assert shown | {"MAP_TARGET_UNKNOWN", "MAP_SOURCE_UNKNOWN"} == set(MapCode)


@pytest.mark.parametrize(
    "text",
    ["x'); import os #", 'a"b', "a\nb", "a b", "{}", "__class__.__init__", "a[0", "a[-1]", "", "."],
)
def test_nothing_in_a_mapping_is_ever_run(text: str) -> None:
    """The compiled function quotes what it is given; most of this is not even a path."""
    if not is_path(text):
        assert faults({"mapping": 1, "rules": [{"target": text, "source": "a"}]})
    mapped = run({"a": text}, {"target": "t", "source": "a", "default": text})
    assert mapped.value == {"t": text}
    odd = run(
        {"a": 1, "__class__": {"__init__": 5}}, {"target": "t", "source": "__class__.__init__"}
    )
    assert odd.value == {"t": 5}


def test_what_no_rule_reads_is_named_once_whatever_its_place_in_a_list() -> None:
    mapping = compiled(
        {"target": "a", "source": "x.a"},
        {"target": "l", "source": "list", "convert": "as_is"},
        {"target": "w", "default": 1, "when": [{"source": "asked", "present": True}]},
        ignored=("known",),
    )
    source = {
        "x": {"a": 1, "b": 2},
        "list": [{"p": 1}, {"q": 2}],
        "other": [{"p": 1}, {"p": 2}],
        "asked": 1,
        "known": {"deep": 1},
        "empty": "",
        "nothing": None,
    }
    assert mapping.unread(source) == ("x.b", "other[].p")


def test_a_hostile_document_makes_no_endless_list_of_fields() -> None:
    source = {f"f{number}": 1 for number in range(10_000)}
    assert len(compiled({"target": "a", "source": "a"}).unread(source)) == 500
    assert covers("a", "a.b")
    assert not covers("a", "ab")
    assert list(leaves({"a": [[1], [2]]})) == ["a[][]"]


def test_what_lies_deeper_than_any_document_of_ours_is_told_of_as_a_whole() -> None:
    deep: object = 1
    for _ in range(5_000):
        deep = {"x": deep}
    (found,) = leaves({"a": deep})
    assert found.startswith("a.x.x")
    assert found.count(".") < 100


def test_differences_name_the_field_what_is_missing_and_what_is_other() -> None:
    before = {"a": 1, "b": {"c": [1, 2]}, "gone": "x"}
    after = {"a": 1.0, "b": {"c": [1, 3]}, "new": True}
    found = [(one.path, str(one.kind), one.before, one.after) for one in differences(before, after)]
    assert found == [
        ("b.c[1]", "OTHER", 2, 3),
        ("gone", "MISSING", "x", None),
        ("new", "EXTRA", None, True),
    ]
    assert [one.field for one in differences(before, after)] == ["b.c[]", "gone", "new"]


def test_our_own_documents_have_the_fields_that_their_types_have() -> None:
    assert set(SOURCE_ORDER) == {one.name for one in msgspec.structs.fields(CisWorkOrder)}
    assert {path.split(".")[0].split("[")[0] for path in ACK} == {
        one.encode_name for one in msgspec.structs.fields(InstallerAck)
    }
    for document in Document:
        assert fields_of(document, Direction.IN)
    assert fields_of(Document.ACK, Direction.OUT) is None
