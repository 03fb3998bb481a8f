"""What the errors and headers of a connection tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.http_session import RETRY_AFTER_MAX_S, describe, never_left, retry_after_s

NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("99999999999999999999", RETRY_AFTER_MAX_S),
        ("Mon, 05 Jan 2026 12:01:00 GMT", 60.0),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0.0),
        ("Mon, 05 Jan 2099 12:00:00 GMT", RETRY_AFTER_MAX_S),
        ("Mon, 05 Jan 2026 99:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_is_capped(
    header: str | None, wait_s: float | None
) -> None:
    assert retry_after_s(header, NOW) == wait_s


@given(st.text(max_size=60))
def test_no_retry_after_can_make_the_wait_wild(header: str) -> None:
    wait_s = retry_after_s(header, NOW)
    assert wait_s is None or 0 <= wait_s <= RETRY_AFTER_MAX_S


def test_only_errors_before_the_connection_say_that_nothing_left() -> None:
    key: Any = None
    refused = aiohttp.ClientConnectorError(key, OSError(111, "refused"))
    unknown_name = aiohttp.ClientConnectorDNSError(key, OSError(-2, "unknown"))
    late = aiohttp.ConnectionTimeoutError()
    assert all(never_left(error) for error in (refused, unknown_name, late))
    assert describe(unknown_name) == "host name not found"
    for error in (
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ClientPayloadError(),
        aiohttp.SocketTimeoutError(),
        TimeoutError(),
    ):
        assert not never_left(error)
