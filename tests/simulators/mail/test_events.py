"""Events verify with SendGrid's own helper and come until they are taken."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook

from tests.simulators.mail.test_api import GOOD, send
from tests.simulators.running import Listener, RunningRehearsal, eventually

PATH = "/callbacks/sendgrid/events"


def test_a_mail_is_told_to_be_processed_and_delivered_with_valid_signatures(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    message_id = send(rehearsal, GOOD).headers["X-Message-Id"]
    events = wait_for(tiedolla, 2)
    assert [one["event"] for one in events] == ["processed", "delivered"]
    for event in events:
        assert (event["email"], event["attempt"]) == ("aino@example.fi", "1")
        assert event["sg_message_id"].split(".")[0] == message_id
        assert isinstance(event["timestamp"], int)
    public = (rehearsal.folder / "keys" / "sendgrid_events_public.txt").read_text("ascii").strip()
    webhook = EventWebhook(public)
    for told in tiedolla.at(PATH):
        signature = told.headers["X-Twilio-Email-Event-Webhook-Signature"]
        timestamp = told.headers["X-Twilio-Email-Event-Webhook-Timestamp"]
        assert webhook.verify_signature(told.body.decode(), signature, timestamp)
        assert not webhook.verify_signature(told.body.decode() + " ", signature, timestamp)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("bounce@example.fi", ["processed", "bounce"]),
        ("dropped.list@example.fi", ["dropped"]),
        ("deferred@example.fi", ["processed", "deferred", "delivered"]),
    ],
)
def test_addresses_with_a_bad_name_do_not_simply_arrive(
    rehearsal: RunningRehearsal, tiedolla: Listener, address: str, expected: list[str]
) -> None:
    body = copy.deepcopy(GOOD)
    body["personalizations"][0]["to"][0]["email"] = address
    send(rehearsal, body)
    events = wait_for(tiedolla, len(expected))
    assert [one["event"] for one in events] == expected


def test_events_are_repeated_until_they_are_taken_with_new_event_ids(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 500
    send(rehearsal, GOOD)
    refused = wait_for(tiedolla, 3)
    tiedolla.status = 204
    eventually(lambda: not untold(rehearsal), "both events to be taken")
    ids = [one["sg_event_id"] for one in refused]
    assert len(set(ids)) == len(ids)


def test_events_come_twice_when_asked_to(rehearsal: RunningRehearsal, tiedolla: Listener) -> None:
    rehearsal.disturb("sendgrid", callbacks="duplicate")
    send(rehearsal, GOOD)
    events = wait_for(tiedolla, 4)
    assert Counter(one["event"] for one in events) == {"processed": 2, "delivered": 2}
    assert len({one["sg_event_id"] for one in events}) == 4


def test_events_that_a_kill_interrupted_are_taken_up_again(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 500
    for _ in range(5):
        send(rehearsal, GOOD)
    wait_for(tiedolla, 5)
    rehearsal.kill()
    tiedolla.status = 200
    rehearsal.start()
    eventually(lambda: not untold(rehearsal), "every event to be taken")


def wait_for(tiedolla: Listener, count: int) -> list[dict[str, Any]]:
    """That many events, from however many posts, in the order they came."""

    def events() -> list[dict[str, Any]]:
        return [event for told in tiedolla.at(PATH) for event in told.json()]

    eventually(lambda: len(events()) >= count, f"{count} events")
    return events()


def untold(rehearsal: RunningRehearsal) -> set[tuple[int, str]]:
    """The events of accepted mails that Tiedolla has not taken."""
    told = {
        (event["mail"], event["event"])
        for one in rehearsal.ledger("sendgrid", "events")
        if one["answered"] < 300
        for event in one["events"]
    }
    mails = [one["n"] for one in rehearsal.ledger("sendgrid", "mail")]
    return {(n, event) for n in mails for event in ("processed", "delivered")} - told
