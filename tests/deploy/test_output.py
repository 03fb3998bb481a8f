"""The output of many processes on one screen."""

from __future__ import annotations

import io

from deploy.output import Output, readable


def test_lines_come_whole_however_they_arrive() -> None:
    stream = io.StringIO()
    output = Output(stream)
    for part in (b"he", b"llo\nwor", "ld ä\n".encode()[:5], "ld ä\n".encode()[5:], b"end"):
        output.feed("web", part)
    output.feed("web", b"", last=True)
    assert [line.split(" | ")[1] for line in stream.getvalue().splitlines()] == [
        "hello",
        "world ä",
        "end",
    ]


def test_a_file_gets_no_colours() -> None:
    stream = io.StringIO()
    Output(stream).line("web", "hello")
    assert "\x1b" not in stream.getvalue()


def test_events_of_the_product_are_shown_for_people() -> None:
    line = '{"order": "A-1", "event": "ack_received", "level": "info", "timestamp": "2026-01-01"}'
    assert readable(line) == ["ack_received  order=A-1"]


def test_warnings_stand_out_and_traces_keep_their_lines() -> None:
    line = '{"event": "drain_failed", "level": "error", "exception": "Traceback:\\n  here"}'
    assert readable(line) == ["ERROR drain_failed", "Traceback:", "  here"]


def test_other_lines_stay_as_they_are() -> None:
    for line in ("", "[INFO] Started", "{not json", '{"no": "event"}'):
        assert readable(line) == [line]
