"""Two thousand altered messages are refused and leave nothing; the genuine ones of the same kind pass."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from app.settings import Settings
from tests.forge.alterations import _APPLICABLE
from tests.forge.genuine import ENDPOINTS, Keys, make_genuine
from tests.forge.strike import count_rows, equip, post, strike

COUNT, SEED = 2_000, 5


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_genuine_message_is_taken(app: Flask, keys: Keys, endpoint: str) -> None:
    before = count_rows(app)
    draw = random.Random(1)  # noqa: S311 - not for a secret.
    for _ in range(5):
        message = make_genuine(endpoint, keys, draw, datetime.now(UTC))
        assert 200 <= post(app.test_client(), message) < 300
    assert sum(count_rows(app).values()) >= sum(before.values()) + 5


def test_no_altered_message_is_accepted(app: Flask, keys: Keys) -> None:
    struck = strike(app, keys, COUNT, SEED)
    assert struck.accepted == []
    assert set(struck.answers) <= set(range(400, 500))
    tried = {name.partition(": ")[2] for name in struck.tried}
    assert tried == {name for names in _APPLICABLE.values() for name in names}


@pytest.fixture
def keys(app: Flask) -> Iterator[Keys]:
    """The secrets of the outside systems, for as long as the test lasts."""
    settings: Settings = app.extensions["tiedolla_settings"]
    yield equip(app)
    app.extensions["tiedolla_settings"] = settings
