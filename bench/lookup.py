"""How fast customer service finds one metering point among many: the search and the page."""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import text

from app.db import transaction
from app.domain.gsrn import check_digit
from app.domain.roles import Role
from app.factory import create_app
from app.services import search_index, staff
from bench.report import row
from bench.upkeep import analyse

LOOKUPS = 400
PASSWORD = "a password for the bench only"  # noqa: S105 - of a throwaway database.
_STREETS = [
    "Koivutie",
    "Mäntykuja",
    "Hämeenkatu",
    "Strandvägen",
    "Kirkkokatu",
    "Öljymäentie",
    "Pähkinäpolku",
]
_CHUNK = 20_000


def main(count: int) -> list[dict[str, Any]]:
    """Seed the points, log in as an agent, and look points up as an agent would."""
    app = create_app()
    draw = random.Random(1)
    with app.app_context():
        _seed(count)
        with transaction() as session:
            staff.create(
                session,
                "bench",
                "Bench",
                PASSWORD,
                Role.AGENT,
                datetime.now(UTC),
                by="system:bench",
            )
        analyse()
    client = app.test_client()
    _log_in(client)
    rows = []
    for name, ask in _questions(count, draw).items():
        took = sorted(_timed(client, ask()) for _ in range(LOOKUPS))
        rows += [
            row(f"lookup {name}: p50", took[len(took) // 2] * 1000, "ms"),
            row(
                f"lookup {name}: p99",
                took[int(len(took) * 0.99)] * 1000,
                "ms",
                "< 50",
                f"{LOOKUPS} requests among {count:,} points, server time",
            ),
        ]
    return rows


def _questions(count: int, draw: random.Random) -> dict[str, Callable[[], str]]:
    def number() -> int:
        return draw.randrange(count)

    return {
        "by GSRN": lambda: f"/?q={_gsrn(number())}",
        "by phone": lambda: f"/?q=%2B35850{number():07d}",
        "by meter": lambda: f"/?q=M{number():08d}",
        "by address": lambda: f"/?q={_street(number())}",
        "by part of a number": lambda: f"/?q={_gsrn(number())[8:16]}",
        "page": lambda: f"/points/{_gsrn(number())}",
    }


def _log_in(client: FlaskClient) -> None:
    page = client.get("/login").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if token is None:
        raise SystemExit("the log-in page has no token")
    answer = client.post(
        "/login",
        data={"username": "bench", "password": PASSWORD, "csrf_token": token.group(1)},
    )
    if answer.status_code != 302:
        raise SystemExit(f"the log-in answered {answer.status_code}")


def _timed(client: FlaskClient, path: str) -> float:
    started = time.perf_counter()
    answer = client.get(path, follow_redirects=False)
    took = time.perf_counter() - started
    if answer.status_code not in (200, 302):
        raise SystemExit(f"{path} answered {answer.status_code}")
    return took


def _seed(count: int) -> None:
    """Points with a customer, a phone, a meter and a contract each, in a few set-based steps."""
    for first in range(0, count, _CHUNK):
        numbers = list(range(first, min(first + _CHUNK, count)))
        with transaction() as session:
            for statement in _STATEMENTS:
                session.execute(
                    text(statement),
                    {
                        "numbers": numbers,
                        "gsrns": [_gsrn(number) for number in numbers],
                        "streets": [_STREETS[number % len(_STREETS)] for number in numbers],
                    },
                )
            search_index.rebuild(session, [_gsrn(n) for n in numbers], datetime.now(UTC))


def _gsrn(number: int) -> str:
    body = f"6499990{number:010d}"
    return body + str(check_digit(body))


def _street(number: int) -> str:
    return f"{_STREETS[number % len(_STREETS)]}+{number % 997}"


def _statements() -> Iterator[str]:
    source = (
        "FROM unnest(CAST(:numbers AS bigint[]), CAST(:gsrns AS text[]), CAST(:streets AS text[]))"
        " AS s (n, gsrn, street)"
    )
    yield (
        "INSERT INTO metering_point (gsrn, version, dso_code, status, type, street_name,"
        " house_number, postal_code, post_office, municipality_code, updated_at)"
        f" SELECT gsrn, 1, 'KP' || n, 'AE01', 'AG01', street, (n % 997)::text,"
        f" lpad((n % 99999)::text, 5, '0'), 'TAMPERE', '837', now() {source}"
    )
    yield (
        "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
        " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
        f" SELECT 'C' || n, 1, 'consumer', 'Asiakas ' || n, 'fi', false, false, false, 'SMS', true,"
        f" now() {source}"
    )
    yield (
        "INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, created_at)"
        f" SELECT 'C' || n, 'SMS', '+35850' || lpad(n::text, 7, '0'), 'UNVERIFIED', 'CIS', 0, now()"
        f" {source}"
    )
    yield (
        "INSERT INTO occupancy (contract_id, version, customer_id, gsrn, moved_in_on, updated_at)"
        f" SELECT 'S' || n, 1, 'C' || n, gsrn, '2020-01-01', now() {source}"
    )
    yield (
        "INSERT INTO meter (number, version, multiplier, state, gsrn, updated_at)"
        f" SELECT 'M' || lpad(n::text, 8, '0'), 0, 1, 'INSTALLED', gsrn, now() {source}"
    )


_STATEMENTS = tuple(_statements())


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
