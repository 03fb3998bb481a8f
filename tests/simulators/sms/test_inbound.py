"""What people write on the phone page reaches the webhook, signed as Twilio signs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.simulators.running import Listener, RunningRehearsal, eventually

PATH = "/callbacks/twilio/inbound"
PHONE = "+358501234567"
OURS = "+358454900900"


def test_a_text_written_on_the_page_is_posted_with_a_valid_signature(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    answer = write(rehearsal, "SEIS ä €")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/?of=%2B358501234567"
    (told,) = wait_for(tiedolla, 1)
    form = dict(parse_qsl(told.body.decode(), strict_parsing=True))
    assert (form["From"], form["To"], form["Body"]) == (PHONE, OURS, "SEIS ä €")
    assert form["MessageSid"] == form["SmsSid"]
    validator = RequestValidator(rehearsal.config["twilio"]["auth_token"])
    assert validator.validate(tiedolla.url + PATH, form, told.headers["X-Twilio-Signature"])
    (entry,) = rehearsal.ledger("twilio", "inbound")
    assert (entry["from"], entry["to"], entry["body"]) == (PHONE, OURS, "SEIS ä €")


def test_the_page_shows_the_text_on_the_phone_that_wrote_it(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 200
    write(rehearsal, "<b>TILA</b>")
    wait_for(tiedolla, 1)
    page = eventually(
        lambda: (text := shown(rehearsal)) and "Arrived" in text and text, "the text to arrive"
    )
    assert "&lt;b&gt;TILA&lt;/b&gt;" in page
    assert 'name="to" value="+358454900900"' in page


@pytest.mark.parametrize(("mode", "expected"), [("duplicate", 2), ("late", 1)])
def test_texts_come_twice_or_late_when_asked_to(
    rehearsal: RunningRehearsal, tiedolla: Listener, mode: str, expected: int
) -> None:
    tiedolla.status = 200
    rehearsal.disturb("twilio", callbacks=mode, late_s=0.3)
    write(rehearsal, "OK")
    wait_for(tiedolla, expected)
    eventually(
        lambda: len(rehearsal.ledger("twilio", "inbound_post")) == expected, "the posts to be noted"
    )
    sids = {dict(parse_qsl(one.body.decode()))["MessageSid"] for one in tiedolla.at(PATH)}
    assert len(sids) == 1


def test_a_refused_post_is_repeated_once_and_a_kill_loses_nothing(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 500
    write(rehearsal, "KATKO")
    wait_for(tiedolla, 1)
    rehearsal.kill()
    tiedolla.status = 200
    rehearsal.start()
    eventually(
        lambda: any(one["done"] for one in rehearsal.ledger("twilio", "inbound_post")), "the end"
    )
    assert 2 <= len(tiedolla.at(PATH)) <= 3


def test_what_is_no_text_from_a_phone_is_refused(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    assert write(rehearsal, "").status_code == 422
    assert write(rehearsal, "x" * 1601).status_code == 422
    assert write(rehearsal, "OK", sender="Verkko").status_code == 422
    elsewhere = write(rehearsal, "OK", headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403
    assert rehearsal.ledger("twilio", "inbound") == []
    assert tiedolla.at(PATH) == []


def write(
    rehearsal: RunningRehearsal, body: str, *, sender: str = PHONE, **more: Any
) -> requests.Response:
    """Type a text on the page of a phone."""
    form = {"from": sender, "to": OURS, "body": body}
    return requests.post(
        f"{rehearsal.url}/write", data=form, timeout=10, allow_redirects=False, **more
    )


def shown(rehearsal: RunningRehearsal) -> str:
    return requests.get(f"{rehearsal.url}/", params={"of": PHONE}, timeout=10).text


def wait_for(tiedolla: Listener, count: int) -> list[Any]:
    """That many posts."""
    eventually(lambda: len(tiedolla.at(PATH)) >= count, f"{count} posts")
    return tiedolla.at(PATH)
