"""The public status page, its frame, its JSON and the phone bulletin, with database and Redis gone."""

from __future__ import annotations

import gzip
import html
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.domain.public_status import Cut, StormArea, build_snapshot
from app.factory import create_app
from app.services.status_snapshot import FILE_NAME, publish
from tests.conftest import test_settings

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ETR = NOW + timedelta(hours=2)


class Clock:
    """The time of the pages."""

    at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lonely(tmp_path: Path, clock: Clock) -> Flask:
    """The application with a folder for its snapshot, and neither a database nor Redis behind it."""
    nobody = {
        "database_url": "postgresql+psycopg://nobody@127.0.0.1:1/nowhere",
        "redis_url": "redis://127.0.0.1:1/0",
    }
    app = create_app(test_settings(status_snapshot_dir=tmp_path / "status", **nobody))
    app.extensions["tiedolla_clock"] = clock
    return app


@pytest.fixture
def client(lonely: Flask) -> FlaskClient:
    return lonely.test_client()


def cut(outage: int = 1, **more: Any) -> Cut:
    values: dict[str, Any] = {
        "municipality_code": "837",
        "postal_code": "33100",
        "post_office": "TAMPERE",
        "customers": 120,
        "cause_code": "TREE",
        "started_at": NOW - timedelta(hours=1),
        "updated_at": NOW - timedelta(minutes=10),
        "until": ETR,
        "planned": False,
    }
    return Cut(outage, **{**values, **more})


PLANNED = cut(
    7,
    planned=True,
    cause_code="CLEARING",
    started_at=NOW + timedelta(hours=1),
    until=NOW + timedelta(hours=3),
)


def write(app: Flask, *cuts: Cut, storms: tuple[StormArea, ...] = (), at: datetime = NOW) -> None:
    settings = app.extensions["tiedolla_settings"]
    publish(json.dumps(build_snapshot(cuts, storms, at)).encode(), settings.status_folder)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fi", ["Sähkökatkot nyt", "Tampere", "33100 TAMPERE", "puu linjalla", "120 asiakasta"]),
        ("sv", ["Elavbrott nu", "Tammerfors", "träd på ledningen", "120 kunder"]),
        ("en", ["Power cuts now", "Tampere", "tree on the line", "tree clearing", "120 customers"]),
    ],
)
def test_req_23_the_page_stands_without_database_and_redis(
    lonely: Flask, client: FlaskClient, language: str, words: list[str]
) -> None:
    write(lonely, cut(), PLANNED)
    answer = client.get(f"/status/{language}")
    assert answer.status_code == 200
    said = text_of(answer.text)
    assert [word for word in words if word not in said] == []
    assert f'lang="{language}"' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=15"


def test_req_23_the_page_asks_nobody_who_the_visitor_is(lonely: Flask, client: FlaskClient) -> None:
    write(lonely, cut())
    with client.session_transaction() as session:
        session["_user_id"] = "1:1"
    answer = client.get("/status/en")
    assert answer.status_code == 200
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_req_23_the_page_says_when_it_was_updated_and_that_it_is_old(
    lonely: Flask, client: FlaskClient, clock: Clock
) -> None:
    write(lonely, cut())
    fresh = text_of(client.get("/status/en").text)
    assert "Updated today at 12:00." in fresh
    assert "out of date" not in fresh
    clock.at = NOW + timedelta(minutes=12)
    old = text_of(client.get("/status/en").text)
    assert "This information is 12 min old and may be out of date." in old
    assert client.get("/status.json").get_json()["stale"] is True


def test_req_06_an_estimate_that_has_passed_is_gone_although_nobody_renews_the_snapshot(
    lonely: Flask, client: FlaskClient, clock: Clock
) -> None:
    write(lonely, cut())
    assert "today at 14:00" in text_of(client.get("/status/en").text)
    clock.at = ETR + timedelta(seconds=10)
    said = text_of(client.get("/status/en").text)
    assert "today at 14:00" not in said
    assert "being revised" in said
    (one,) = client.get("/status.json").get_json()["municipalities"]
    assert one["faults"][0]["etr_at"] is None
    assert "The repair estimate is being revised." in client.get("/bulletin/en.txt").text


def test_small_numbers_are_told_as_fewer_than_five(lonely: Flask, client: FlaskClient) -> None:
    write(lonely, cut(customers=3), cut(2, postal_code="33200", customers=50))
    said = text_of(client.get("/status/en").text)
    assert "fewer than 5" in said
    assert "50 customers are without power, and fewer than 5 in 1 more area." in said
    everything = client.get("/status.json").text
    assert '"customers":3' not in everything
    assert '"customers":53' not in everything


def test_a_storm_has_its_banner_and_no_estimates(lonely: Flask, client: FlaskClient) -> None:
    write(lonely, cut(), storms=(StormArea("Jari", ["837"], NOW, assessed=False),))
    said = text_of(client.get("/status/en").text)
    assert "Widespread power cuts: Tampere. Repair estimates follow" in said
    assert "given once the damage has been assessed" in said
    assert "14:00" not in said


def test_without_faults_the_page_says_so(lonely: Flask, client: FlaskClient) -> None:
    write(lonely)
    said = text_of(client.get("/status/en").text)
    assert "No faults are known." in said
    assert "No planned cuts today or in the next 7 days." in said


def test_a_visitor_is_led_to_the_own_language(client: FlaskClient) -> None:
    answer = client.get("/status", headers={"Accept-Language": "sv"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/status/sv")
    client.set_cookie("lang", "en")
    assert client.get("/status").headers["Location"] == "/status/en"
    assert client.get("/status/de").status_code == 404


def test_an_unchanged_page_is_not_sent_again(
    lonely: Flask, client: FlaskClient, clock: Clock
) -> None:
    write(lonely, cut())
    for path in ("/status/fi", "/status.json", "/bulletin/fi.txt", "/status/embed/fi"):
        tag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    write(lonely, cut(), cut(2), at=NOW + timedelta(seconds=15))
    clock.at = NOW + timedelta(seconds=20)
    assert client.get("/status/fi", headers={"If-None-Match": tag}).status_code == 200


def test_browsers_get_it_compressed_and_others_do_not(lonely: Flask, client: FlaskClient) -> None:
    write(lonely, cut())
    plain = client.get("/status/fi")
    small = client.get("/status/fi", headers={"Accept-Encoding": "gzip, br"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data
    assert small.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == "Accept-Encoding"
    tag = small.headers["ETag"]
    again = client.get("/status/fi", headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert again.status_code == 304


def test_the_faults_of_an_area_stand_in_one_line(lonely: Flask, client: FlaskClient) -> None:
    write(
        lonely,
        cut(1),
        cut(2, customers=3, cause_code="STORM", until=None),
        cut(3, customers=30, until=ETR + timedelta(hours=1)),
    )
    said = text_of(client.get("/status/en").text)
    assert said.count("33100 TAMPERE") == 1
    assert "33100 TAMPERE 3 faults" in said
    assert "today at 15:00, not known for all faults" in said
    assert "tree on the line, storm damage" in said
    assert "over 150 customers" in said


def test_the_frame_may_be_shown_elsewhere_and_the_page_may_not(
    lonely: Flask, client: FlaskClient
) -> None:
    write(lonely, cut(), cut(2, municipality_code="091", post_office="HELSINKI"))
    frame = client.get("/status/embed/en?municipality=091")
    assert "frame-ancestors *" in frame.headers["Content-Security-Policy"]
    assert "script-src 'self'" in frame.headers["Content-Security-Policy"]
    assert "HELSINKI" in frame.text
    assert "TAMPERE" not in frame.text
    # A slip shows everything, rather than that all is well there.
    for slip in ("x", "999", "%27"):
        assert "TAMPERE" in client.get(f"/status/embed/en?municipality={slip}").text
    page = client.get("/status/en")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_any_site_may_fetch_the_json(lonely: Flask, client: FlaskClient) -> None:
    write(lonely, cut(), PLANNED)
    answer = client.get("/status.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    found = answer.get_json()
    assert found["updated_at"] == "2026-11-24T10:00:00+00:00"
    (one,) = found["municipalities"]
    assert one["planned"][0]["from_at"] == "2026-11-24T11:00:00+00:00"


def test_req_22_the_phone_bulletin_is_read_area_by_area(lonely: Flask, client: FlaskClient) -> None:
    write(lonely, cut(), cut(2, postal_code="33200", customers=3, cause_code="STORM"), PLANNED)
    spoken = client.get("/bulletin/en.txt")
    assert spoken.mimetype == "text/plain"
    assert spoken.text.splitlines() == [
        "Power cut information at 12:00 on 24 Nov 2026.",
        "Tampere. 2 faults. More than 120 customers are without power. Postal codes: 3 3 1 0 0 and"
        " 3 3 2 0 0. Cause: storm damage and tree on the line. Repairs are estimated to be ready by"
        " 14:00 on 24 Nov 2026. The latest information is from 11:50. Planned cuts today: postal code 3 3 1 0 0 from 13:00 to 15:00.",
    ]
    finnish = client.get("/bulletin/fi.txt").text
    assert "Sähkökatkojen tilanne kello 12.00, 24.11.2026." in finnish
    assert "Korjausten arvioidaan valmistuvan kello 14.00 mennessä" in finnish
    assert "klockan 12.00" in client.get("/bulletin/sv.txt").text


def test_a_cut_that_ends_on_another_day_is_spoken_with_its_day(
    lonely: Flask, client: FlaskClient
) -> None:
    begin = NOW - timedelta(hours=20)
    write(lonely, cut(7, planned=True, started_at=begin, until=NOW + timedelta(days=2)))
    said = client.get("/bulletin/en.txt").text
    assert "from 16:00 on 23 Nov 2026 to 12:00 on 26 Nov 2026." in said


def test_req_22_an_area_of_which_nobody_has_said_anything_for_half_an_hour_is_marked(
    lonely: Flask, client: FlaskClient, clock: Clock
) -> None:
    """The snapshot is renewed every few seconds, so its age says nothing of what is in it."""
    clock.at = NOW + timedelta(minutes=21)
    inkoo = {"municipality_code": "149", "postal_code": "10210", "updated_at": NOW}
    write(lonely, cut(), cut(2, **inkoo), at=clock.at)
    inkoo_now, tampere = client.get("/bulletin/en.json").get_json()["areas"]
    assert (inkoo_now["stale"], tampere["stale"]) == (False, True)
    assert tampere["updated_at"] == (NOW - timedelta(minutes=10)).isoformat()
    old = "It is more than half an hour old and may have changed."
    assert (old in inkoo_now["text"], old in tampere["text"]) == (False, True)
    assert "Viimeisin tieto on kello 11.50." in client.get("/bulletin/fi.txt").text
    clock.at = NOW + timedelta(days=1)
    write(lonely, cut(), at=clock.at)
    assert "from 11:50 on 24 Nov 2026." in client.get("/bulletin/en.txt").text


def test_req_17_a_planned_cut_that_takes_longer_is_shown_and_spoken(
    lonely: Flask, client: FlaskClient
) -> None:
    begin = NOW - timedelta(hours=3)
    late = cut(7, planned=True, overrun=True, started_at=begin, until=NOW - timedelta(hours=1))
    write(lonely, late)
    assert "takes longer than planned" in client.get("/status/en").text
    said = client.get("/bulletin/en.txt").text
    assert "postal code 3 3 1 0 0 since 09:00, takes longer than planned." in said
    (one,) = client.get("/status.json").get_json()["municipalities"]
    assert one["planned"][0]["to_at"] is None


def test_req_22_a_bulletin_older_than_half_an_hour_says_so(
    lonely: Flask, client: FlaskClient, clock: Clock
) -> None:
    write(lonely, cut())
    clock.at = NOW + timedelta(minutes=30)
    assert client.get("/bulletin/en.json").get_json()["stale"] is False
    clock.at = NOW + timedelta(minutes=30, seconds=10)
    found = client.get("/bulletin/en.json").get_json()
    assert found["stale"] is True
    assert found["opening"].startswith(
        "Attention: this information is from 12:00 on 24 Nov 2026 and is not up to date."
    )
    assert found["areas"][0]["code"] == "837"


@pytest.mark.parametrize(
    "path", ["/status/en", "/status/embed/sv", "/status.json", "/bulletin/fi.txt"]
)
def test_before_the_first_snapshot_everybody_is_asked_to_wait(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_broken_or_missing_file_does_not_take_away_what_was_known(
    lonely: Flask, client: FlaskClient, clock: Clock
) -> None:
    write(lonely, cut())
    assert client.get("/status/en").status_code == 200
    path = lonely.extensions["tiedolla_settings"].status_folder / FILE_NAME
    for spoil in (lambda: path.write_text("{"), lambda: path.write_text("[]"), path.unlink):
        spoil()
        clock.at += timedelta(minutes=10)
        answer = client.get("/status/en")
        assert answer.status_code == 200
        assert "may be out of date" in text_of(answer.text)
    write(lonely, at=clock.at)
    clock.at += timedelta(seconds=10)
    assert "No faults are known." in text_of(client.get("/status/en").text)


def text_of(page: str) -> str:
    """The words of a page, one after the other."""
    kept = re.sub(r"<(script|style|title)[^>]*>.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", kept).split()))
