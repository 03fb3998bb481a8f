"""The public figures: three languages, no log-in, and no database or Redis behind them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.factory import create_app
from app.services.service_level import FILE_NAME
from app.services.status_snapshot import publish
from tests.conftest import test_settings

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
DAY: dict[str, Any] = {
    "notices": 43_201,
    "quick": 0.999_96,
    "soon": 1.0,
    "unknown": 2,
    "median_min": 3.4,
    "delivered": 0.984,
    "first_visit": None,
    "etr_hit": 0.5,
}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """Neither a database nor Redis answers."""
    app: Flask = create_app(
        test_settings(
            status_snapshot_dir=tmp_path,
            database_url="postgresql+psycopg://nobody@127.0.0.1:1/nowhere",
            redis_url="redis://127.0.0.1:1/0",
        )
    )
    app.extensions["tiedolla_clock"] = lambda: NOW
    return app.test_client()


def put(folder: Path) -> None:
    content = {"format": 1, "updated_at": NOW.isoformat(), "day": DAY, "month": DAY}
    publish(json.dumps(content).encode(), folder, FILE_NAME)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fi", ("Näin hyvin tiedotamme", "99,99\u00a0%", "100,0\u00a0%", "3,4 min", "43\u00a0201")),
        ("sv", ("Så väl informerar vi", "99,99\u00a0%", "100,0\u00a0%", "3,4 min", "43\u00a0201")),
        ("en", ("How well we tell you", "99.99%", "100.0%", "3.4 min", "43,201")),
    ],
)
def test_the_figures_are_shown_in_each_language_rounded_down(
    client: FlaskClient, tmp_path: Path, language: str, words: tuple[str, ...]
) -> None:
    put(tmp_path)
    answer = client.get(f"/service-level/{language}")
    page = answer.get_data(as_text=True)
    assert (answer.status_code, f'lang="{language}"' in page) == (200, True)
    assert [word for word in words if word not in page] == []
    # What nothing was counted of is a dash and no proud figure.
    assert page.count("–</span>") == 2


def test_the_page_is_found_from_the_status_and_in_the_visitors_language(
    client: FlaskClient, tmp_path: Path
) -> None:
    answer = client.get("/service-level", headers={"Accept-Language": "sv"})
    assert answer.headers["Location"].endswith("/service-level/sv")
    put(tmp_path)
    assert client.get("/service-level.json").get_json()["month"]["quick"] == DAY["quick"]


def test_before_anything_was_counted_the_page_says_so(client: FlaskClient) -> None:
    answer = client.get("/service-level/fi")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "Lukuja ei ole saatavilla" in answer.get_data(as_text=True)


def test_figures_of_another_format_are_not_guessed_at(client: FlaskClient, tmp_path: Path) -> None:
    publish(b'{"format": 2}', tmp_path, FILE_NAME)
    assert client.get("/service-level/en").status_code == 503
