"""The SMS provider as Twilio's own SDK sees it, before and after a kill."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.simulators.running import RunningRehearsal, eventually

TO = "+358501234567"


def test_a_message_is_accepted_and_fetched_until_it_is_delivered(client: Client) -> None:
    sent = client.messages.create(to=TO, from_="Verkkoyhtio", body="Sähköt on kytketty.")
    assert sent.sid is not None
    assert (sent.sid[:2], len(sent.sid)) == ("SM", 34)
    # A slow machine may have delivered it before the answer was written.
    assert sent.status in ("queued", "sent", "delivered")
    assert (sent.to, sent.from_, sent.body) == (TO, "Verkkoyhtio", "Sähköt on kytketty.")
    assert sent.num_segments == "1"
    assert sent.date_created is not None

    def delivered() -> bool:
        return bool(client.messages(sent.sid).fetch().status == "delivered")

    eventually(delivered, "the message to be delivered")


def test_the_same_call_twice_is_two_messages(client: Client, shared: RunningRehearsal) -> None:
    sids = {client.messages.create(to=TO, from_="Verkko", body="twice").sid for _ in range(2)}
    assert len(sids) == 2
    assert sids <= {one["sid"] for one in shared.ledger("twilio", "message")}


def test_the_second_provider_has_an_account_numbers_and_a_ledger_of_its_own(
    client: Client, shared: RunningRehearsal
) -> None:
    first = client.messages.create(to=TO, from_="Verkko", body="by the first").sid
    second = connect(shared, system="twilio2")
    sid = second.messages.create(to=TO, from_="Verkko", body="by the second").sid
    assert sid in {one["sid"] for one in shared.ledger("twilio2", "message")}
    assert sid not in {one["sid"] for one in shared.ledger("twilio", "message")}
    assert [one.sid for one in second.messages.list(to=TO)] == [sid]
    assert first in {one.sid for one in client.messages.list(to=TO)}
    with pytest.raises(TwilioException):
        connect(shared, system="twilio2", auth_token="guess").messages.list(to=TO)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"to": "", "from_": "Verkko", "body": "x"}, 21604),
        ({"to": TO, "from_": "Verkko", "body": ""}, 21602),
        ({"to": TO, "body": "x"}, 21603),
        ({"to": TO, "from_": "Verkkoyhtiö", "body": "x"}, 21212),
        ({"to": TO, "from_": "a name too long", "body": "x"}, 21212),
        ({"to": "0501234567", "from_": "Verkko", "body": "x"}, 21211),
        ({"to": TO, "from_": TO, "body": "x"}, 21266),
        ({"to": TO, "from_": "Verkko", "body": "x" * 1601}, 21617),
        ({"to": TO, "from_": "Verkko", "body": "x", "status_callback": "not-a-url"}, 21609),
        ({"to": "+358501230003", "from_": "Verkko", "body": "x"}, 21610),
        ({"to": "+358501230004", "from_": "Verkko", "body": "x"}, 21614),
    ],
)
def test_bad_calls_meet_the_providers_error_codes(
    client: Client, parameters: dict[str, str], code: int
) -> None:
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(**parameters)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_wrong_credentials_and_accounts_are_refused(shared: RunningRehearsal) -> None:
    with pytest.raises(TwilioRestException) as caught:
        connect(shared, auth_token="guess").messages.create(to=TO, from_="Verkko", body="x")
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_numbers_with_a_bad_ending_do_not_arrive(client: Client) -> None:
    sent = client.messages.create(to="+358501230000", from_="Verkko", body="x")

    def ended() -> bool:
        message = client.messages(sent.sid).fetch()
        return (message.status, message.error_code) == ("undelivered", 30003)

    eventually(ended, "the message to be undelivered")


def test_messages_are_listed_by_number_sender_and_time(client: Client) -> None:
    to = "+358505551234"
    before = datetime.now(UTC) - timedelta(seconds=2)
    sids = [client.messages.create(to=to, from_="Verkko", body=str(n)).sid for n in range(5)]
    client.messages.create(to=to, from_="Toinen", body="another sender")
    found = client.messages.list(to=to, from_="Verkko", date_sent_after=before, page_size=2)
    assert [one.sid for one in found] == sids[::-1]
    assert client.messages.list(to=to, date_sent_after=before + timedelta(hours=1)) == []
    assert client.messages.list(to=to, date_sent_before=before) == []
    assert len(client.messages.list(to=to, date_sent=datetime.now(UTC).date())) == 6
    assert client.messages.list(to="+358505550707") == []


def test_a_message_is_not_listed_before_its_lag_is_over(
    client: Client, shared: RunningRehearsal
) -> None:
    shared.disturb("twilio", list_lag_s=0.7)
    to = "+358505559876"
    sent = client.messages.create(to=to, from_="Verkko", body="x")
    accepted = time.monotonic()
    listed_at_once = client.messages.list(to=to)
    if time.monotonic() - accepted < 0.5:
        assert listed_at_once == []
    eventually(lambda: client.messages.list(to=to), "the message to be listed")
    assert client.messages(sent.sid).fetch().sid == sent.sid
    shared.calm("twilio")


def test_failures_speak_the_providers_language(client: Client, shared: RunningRehearsal) -> None:
    shared.disturb("twilio", fail_ratio=1, status=429, retry_after_s=1)
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(to=TO, from_="Verkko", body="x")
    shared.calm("twilio")
    assert (caught.value.status, caught.value.code) == (429, 20429)


def test_accepted_messages_survive_kill_9_even_when_the_answer_was_dropped(
    rehearsal: RunningRehearsal,
) -> None:
    client = connect(rehearsal)
    answered = client.messages.create(to=TO, from_="Verkko", body="answered")
    rehearsal.disturb("twilio", drop_answer_ratio=1)
    with pytest.raises(requests.ConnectionError):
        client.messages.create(to=TO, from_="Verkko", body="unanswered")
    before = rehearsal.ledger_bytes("twilio")
    rehearsal.kill()
    rehearsal.start()
    client = connect(rehearsal)
    listed = client.messages.list(to=TO)
    assert [one.body for one in listed] == ["unanswered", "answered"]
    assert client.messages(answered.sid).fetch().body == "answered"
    assert rehearsal.ledger_bytes("twilio").startswith(before)


@pytest.fixture
def client(shared: RunningRehearsal) -> Client:
    """The SDK's client towards the shared rehearsal."""
    return connect(shared)


def connect(
    rehearsal: RunningRehearsal, auth_token: str | None = None, system: str = "twilio"
) -> Client:
    """The SDK's client, without retries and with a time-out."""
    account = rehearsal.config[system]
    client = Client(
        account["account_sid"],
        auth_token or account["auth_token"],
        http_client=TwilioHttpClient(pool_connections=False, timeout=10),
    )
    client.api.base_url = f"{rehearsal.url}/{system}"
    return client
