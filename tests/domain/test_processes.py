"""What becomes of two starts that meet, which ends and names fit, and which triggers make a circle."""

from __future__ import annotations

import pytest

from app.domain.processes import (
    ONE_WAITS,
    STILL_RUNNING,
    LogLevel,
    Meeting,
    Overlap,
    decide_overlap,
    end_fits,
    keeps_step,
    makes_circle,
    name_fits,
    trigger_key,
)


@pytest.mark.parametrize(
    ("overlap", "running", "waiting", "meeting"),
    [
        (Overlap.SKIP, 0, 0, Meeting()),
        (Overlap.SKIP, 1, 0, Meeting(STILL_RUNNING)),
        (Overlap.SKIP, 0, 1, Meeting(STILL_RUNNING)),
        (Overlap.QUEUE_ONE, 1, 0, Meeting()),
        (Overlap.QUEUE_ONE, 1, 1, Meeting(ONE_WAITS)),
        (Overlap.QUEUE_ALL, 1, 9, Meeting()),
        (Overlap.PARALLEL, 3, 9, Meeting()),
        (Overlap.REPLACE, 0, 0, Meeting()),
        (Overlap.REPLACE, 1, 2, Meeting(stop_running=True, skip_waiting=True)),
    ],
)
def test_two_starts_meet(overlap: str, running: int, waiting: int, meeting: Meeting) -> None:
    assert decide_overlap(overlap, running, waiting) == meeting


@pytest.mark.parametrize(
    ("wanted", "state", "fits"),
    [
        ("OK", "OK", True),
        ("OK", "PARTLY", False),
        ("BAD", "PARTLY", True),
        ("BAD", "FAILED", True),
        ("BAD", "KILLED", True),
        ("BAD", "OK", False),
        ("ANY", "KILLED", True),
    ],
)
def test_which_end_of_a_run_counts(wanted: str, state: str, fits: bool) -> None:
    assert end_fits(wanted, state) is fits


def test_names_fit_patterns_in_any_case() -> None:
    assert name_fits("*.XML", "orders.xml")
    assert name_fits("", "anything")
    assert not name_fits("*.xml", "orders.xml.part")


def test_only_what_went_wrong_is_kept_where_that_is_wanted() -> None:
    assert not keeps_step(LogLevel.ERRORS, "SENT", None)
    assert keeps_step(LogLevel.ERRORS, "NOT_SENT", None)
    assert keeps_step(LogLevel.ERRORS, "STORED", "FILE_TOO_LARGE")
    assert keeps_step(LogLevel.RESULTS, "SENT", None)


def test_a_circle_of_ends_is_seen_however_long_it_is() -> None:
    assert makes_circle("a", "a", [])
    edges = [("b", "a"), ("c", "b")]
    assert makes_circle("a", "c", edges)
    assert not makes_circle("d", "c", edges)
    # One that follows two is no circle.
    assert not makes_circle("c", "a", edges)


def test_the_key_of_a_trigger_tells_what_it_is() -> None:
    assert trigger_key("SCHEDULE", {"cron": "0 7 * * *"}) == "0 7 * * *"
    assert trigger_key("FILE", {"source": "", "name": "*.csv"}) == "* *.csv"
    assert trigger_key("END", {"process": "poll-cis", "ended": "BAD"}) == "poll-cis BAD"
