"""Plans as spreadsheets write them, and what they say of a day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from app.domain.rollout_plan import PlanRow, parse_plan, planned_by, planned_curve

ROW = PlanRow("A1", "837", date(2026, 11, 2), date(2026, 11, 13), 100, 4)
HEAD = "wave;municipality;from;to;meters;crews\n"


@pytest.mark.parametrize(
    "content",
    [
        b"wave,municipality,from,to,meters,crews\nA1,837,2026-11-02,2026-11-13,100,4\n",
        "\ufeffAalto;Kunta;Alkaa;Päättyy;Mittareita;Työryhmiä\r\n"
        "A1;Tampere;2.11.2026;13.11.2026;100;4\r\n;;;;;\r\n".encode(),
        "Våg\tKommun\tFrån\tTill\tMätare\tArbetslag\nA1\tTammerfors\t2.11.2026\t13.11.2026"
        "\t1\u00a000\t4".replace("1\u00a000", "100").encode("cp1252"),
        "extra;wave;municipality;from;to;meters;crews\nx; A1 ;tampere;2026-11-02;2026-11-13;"
        "1 00;4".replace("1 00", "10 0").encode(),
    ],
)
def test_a_plan_is_read_as_any_of_the_three_languages_write_it(content: bytes) -> None:
    assert parse_plan(content) == ([ROW], [])


def test_a_code_keeps_its_zeros_and_crews_may_be_unknown() -> None:
    rows, faults = parse_plan(f"{HEAD}A1;49;2026-11-02;2026-11-02;5;\n".encode())
    assert faults == []
    assert (rows[0].area, rows[0].crew_count) == ("049", None)


def test_every_fault_is_told_with_its_line() -> None:
    lines = [
        "A1;Atlantis;2026-11-02;2026-11-13;100;4",
        ";837;2026-13-02;2026-11-13;0;x",
        "A1;837;2026-11-13;2026-11-02;-5;",
        "A1;837;2026-11-02;2026-11-13;100;4",
        "A1;837;2026-11-02;2026-11-20;100;4",
        "A1",
    ]
    _, faults = parse_plan((HEAD + "\n".join(lines)).encode())
    told = [(fault.line, fault.column, fault.code) for fault in faults]
    assert told == [
        (2, "municipality", "MUNICIPALITY_UNKNOWN"),
        (3, "wave", "NAME"),
        (3, "from", "DAY"),
        (3, "meters", "NUMBER"),
        (3, "crews", "NUMBER"),
        (4, "to", "ENDS_BEFORE"),
        (4, "meters", "NUMBER"),
        (6, "wave", "ROW_TWICE"),
        (7, "municipality", "MUNICIPALITY_UNKNOWN"),
        (7, "from", "DAY"),
        (7, "to", "DAY"),
        (7, "meters", "NUMBER"),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"\n", HEAD.encode(), b"\xff\xfe\x00\x01", b"a" * 200_000]
)
def test_what_is_no_plan_is_told_so(content: bytes) -> None:
    rows, faults = parse_plan(content)
    assert rows == []
    assert faults


def test_a_row_grows_evenly_over_working_days_only() -> None:
    assert planned_by(ROW, date(2026, 11, 1), ()) == 0
    assert planned_by(ROW, date(2026, 11, 2), ()) == 10
    assert planned_by(ROW, date(2026, 11, 6), ()) == 50
    assert planned_by(ROW, date(2026, 11, 8), ()) == 50
    assert planned_by(ROW, date(2026, 11, 13), ()) == 100
    assert planned_by(ROW, date(2027, 1, 1), ()) == 100
    # Of nine days one is off.
    assert planned_by(ROW, date(2026, 11, 3), {date(2026, 11, 3)}) == 11


def test_the_curve_is_the_sum_of_its_rows() -> None:
    rows = [
        ROW,
        PlanRow("A2", "049", date(2026, 11, 9), date(2026, 12, 18), 333),
        # A weekend on which nobody works: due on its last day all the same.
        PlanRow("A3", "049", date(2026, 11, 14), date(2026, 11, 15), 7),
    ]
    off = {date(2026, 11, 18)}
    days = [date(2026, 10, 30) + timedelta(days=n) for n in range(70)]
    curve = planned_curve(rows, days, off)
    for day, found in zip(days, curve, strict=True):
        # To the meter: the chart and the tables are made of the same numbers.
        assert found == sum(planned_by(row, day, off) for row in rows)
    assert curve[0] == 0
    assert curve[-1] == 440
    assert curve == sorted(curve)
    assert planned_curve([], days, off) == [0] * len(days)
