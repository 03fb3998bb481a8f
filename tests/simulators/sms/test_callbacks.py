"""Status callbacks verify with Twilio's own validator and come as often as the faults say."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from tests.simulators.running import Listener, RunningRehearsal, eventually
from tests.simulators.sms.test_api import connect

PATH = "/callbacks/twilio/status"
TO = "+358501234567"


def test_a_message_is_told_to_be_queued_sent_and_delivered_with_valid_signatures(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    sid = send(rehearsal, tiedolla, attempt="a 1/ä")
    told = wait_for(tiedolla, 3)
    forms = [dict(parse_qsl(one.body.decode(), strict_parsing=True)) for one in told]
    assert [form["MessageStatus"] for form in forms] == ["queued", "sent", "delivered"]
    validator = RequestValidator(rehearsal.config["twilio"]["auth_token"])
    for one, form in zip(told, forms, strict=True):
        assert (form["MessageSid"], form["To"], form["From"]) == (sid, TO, "Verkko")
        assert one.path == f"{PATH}?attempt=a%201/%C3%A4"
        signature = one.headers["X-Twilio-Signature"]
        assert validator.validate(tiedolla.url + one.path, form, signature)
        assert not validator.validate(tiedolla.url + one.path + "1", form, signature)
    assert {one["attempt"] for one in rehearsal.ledger("twilio", "message")} == {"a 1/ä"}


def test_an_undelivered_message_is_told_with_its_error_code(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    send(rehearsal, tiedolla, to="+358501230001")
    last = [dict(parse_qsl(one.body.decode())) for one in wait_for(tiedolla, 3)][-1]
    assert (last["MessageStatus"], last["ErrorCode"]) == ("undelivered", "30005")


def test_a_refused_callback_is_repeated_once_and_then_given_up(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 500
    send(rehearsal, tiedolla)
    eventually(
        lambda: sum(one["done"] for one in rehearsal.ledger("twilio", "callback")) == 3,
        "three callbacks to be given up",
    )
    tokens = Counter(one.headers["I-Twilio-Idempotency-Token"] for one in tiedolla.at(PATH))
    assert sorted(tokens.values()) == [2, 2, 2]


@pytest.mark.parametrize(("mode", "expected"), [("duplicate", 6), ("late", 3)])
def test_callbacks_come_twice_or_late_when_asked_to(
    rehearsal: RunningRehearsal, tiedolla: Listener, mode: str, expected: int
) -> None:
    rehearsal.disturb("twilio", callbacks=mode, late_s=0.5)
    send(rehearsal, tiedolla)
    wait_for(tiedolla, expected)
    eventually(
        lambda: len(rehearsal.ledger("twilio", "callback")) == expected, "the callbacks to be noted"
    )
    assert len(tiedolla.at(PATH)) == expected


def test_missing_callbacks_stay_missing_after_a_restart(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.disturb("twilio", callbacks="none")
    silent = send(rehearsal, tiedolla)
    rehearsal.kill()
    rehearsal.start()
    send(rehearsal, tiedolla)
    told = wait_for(tiedolla, 3)
    assert silent not in {dict(parse_qsl(one.body.decode()))["MessageSid"] for one in told}


def test_callbacks_that_a_kill_interrupted_are_taken_up_again_and_told_ones_are_not(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.configure("twilio", sent_after_s=[1.5, 1.5], delivered_after_s=[2, 2])
    rehearsal.stop()
    rehearsal.start()
    for _ in range(5):
        send(rehearsal, tiedolla)
    eventually(lambda: len(rehearsal.ledger("twilio", "callback")) == 5, "the first status of each")
    rehearsal.kill()
    rehearsal.start()
    wait_for(tiedolla, 15)
    forms = [dict(parse_qsl(one.body.decode())) for one in tiedolla.at(PATH)]
    counted = Counter((form["MessageSid"], form["MessageStatus"]) for form in forms)
    assert set(counted.values()) == {1}


def send(
    rehearsal: RunningRehearsal, tiedolla: Listener, *, to: str = TO, attempt: str = "1"
) -> str:
    """One message that is called back for; its sid."""
    tiedolla_url = (
        f"{tiedolla.url}{PATH}?attempt={attempt.replace(' ', '%20').replace('ä', '%C3%A4')}"
    )
    sent = connect(rehearsal).messages.create(
        to=to, from_="Verkko", body="Sähköt on kytketty.", status_callback=tiedolla_url
    )
    return str(sent.sid)


def wait_for(tiedolla: Listener, count: int) -> list[Any]:
    """That many callbacks."""
    eventually(lambda: len(tiedolla.at(PATH)) >= count, f"{count} callbacks")
    return tiedolla.at(PATH)
