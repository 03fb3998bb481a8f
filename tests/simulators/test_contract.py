"""The product's own clients and readers understand the simulated systems, and the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest

from integrations.billing.client import BillingClient
from integrations.dms.client import DmsClient
from integrations.installer.acks import parse_ack
from integrations.installer.client import InstallerClient
from integrations.installer.codec import build_order
from integrations.installer.signature import verify
from integrations.installer.types import InstallerOrder, NewMeter, OldMeter, Site
from integrations.nis.client import NisClient
from integrations.outcomes import (
    AlreadyDone,
    Client,
    HttpTarget,
    LaneDown,
    Outbound,
    Rejected,
    Retryable,
    UnknownOutcome,
)
from integrations.sendgrid_email.client import SendgridEmailClient
from integrations.sendgrid_email.events import verify_events
from integrations.sendgrid_email.types import SendgridAccount
from integrations.twilio_sms.callbacks import verify_status_callback
from integrations.twilio_sms.client import TwilioSmsClient
from integrations.twilio_sms.types import TwilioAccount
from simulators.gsrn import make_gsrn
from tests.simulators.running import Listener, RunningRehearsal, eventually
from tests.simulators.test_downstream import content

DOWNSTREAM = {"nis": NisClient, "dms": DmsClient, "billing": BillingClient}
TO = "+358501234567"


@pytest.mark.parametrize("system", DOWNSTREAM)
def test_a_downstream_client_is_told_what_was_stored_and_what_was_too_old(
    shared: RunningRehearsal, system: str
) -> None:
    def put(version: int, body: Mapping[str, Any] | None = None) -> object:
        payload = content(system, 50, version) if body is None else body
        return send(
            DOWNSTREAM[system](target(shared, system)), payload, key=f"{system}-50-{version}"
        )

    first = put(2)
    assert put(2) == first
    with pytest.raises(AlreadyDone):
        put(1)
    with pytest.raises(Rejected):
        put(3, content(system, 50, 3) | {"version": 0})


def test_a_client_meets_the_faults_as_the_outcomes_they_are(shared: RunningRehearsal) -> None:
    def put() -> object:
        return send(NisClient(target(shared, "nis")), content("nis", 51, 1), key="nis-51-1")

    for faults in (
        {"fail_ratio": 1, "status": 503},
        {"fail_ratio": 1, "status": 429, "retry_after_s": 3},
        {"drop_answer_ratio": 1},
        {"drop_before_ratio": 1},
    ):
        shared.disturb("nis", **faults)
        with pytest.raises(Retryable):
            put()
    shared.calm("nis")
    put()
    applied = [one for one in shared.ledger("nis", "applied") if one["key"] == "nis-51-1"]
    assert len(applied) == 1
    wrong = HttpTarget(f"{shared.url}/nis", "guess")
    with pytest.raises(LaneDown):
        send(NisClient(wrong), content("nis", 52, 1), key="nis-52-1")


def test_an_order_travels_to_the_installer_and_its_reports_are_understood(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    acks = rehearsal.config["installer"]["acks"]
    for number in range(30):
        order = InstallerOrder(
            action="NEW",
            order_id=f"MVM-{number}",
            revision=1,
            order_type="MVM",
            site=Site(gsrn=make_gsrn(number)),
            old_meter=OldMeter(number=f"5530{number:010d}"),
            new_meter=NewMeter(allowed_models=["6534"]),
        )
        sent = send(
            InstallerClient(target(rehearsal, "installer")),
            build_order(order),
            key=f"MVM-{number}-1",
        )
        assert sent.ref.startswith("VM-")
    cancel = InstallerOrder(action="CANCEL", order_id="MVM-x", revision=2, order_type="MVM")
    send(InstallerClient(target(rehearsal, "installer")), build_order(cancel), key="MVM-x-2")
    endings = ("COMPLETED", "FAILED", "CANCELLED")
    eventually(
        lambda: sum(told.json()["type"] in endings for told in list(tiedolla.told)) == 31,
        "31 orders to end",
    )
    for told in tiedolla.told:
        parse_ack(told.body)
        header, stamp = (told.headers[f"Tiedolla-{name}"] for name in ("Signature", "Timestamp"))
        verify(acks["secret"], header, stamp, told.body, datetime.now(UTC))


def test_a_text_travels_is_looked_up_and_its_callbacks_are_understood(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    account, attempt = rehearsal.config["twilio"], str(uuid4())
    sms = {
        "to": TO,
        "from": "Verkko",
        "body": f"Sähköt on kytketty. {attempt}",
        "validity_s": 3600,
        "status_callback_base": f"{tiedolla.url}/callbacks/twilio/status",
    }
    began = datetime.now(UTC) - timedelta(seconds=2)

    async def look(client: TwilioSmsClient) -> Any:
        until = datetime.now(UTC) + timedelta(seconds=2)
        return await client.find_message(TO, "Verkko", sms["body"], began, until)

    sent = send(TwilioSmsClient(twilio(rehearsal)), sms, attempt_id=attempt)
    assert asyncio.run(with_client(TwilioSmsClient(twilio(rehearsal)), look)).sid == sent.ref
    eventually(lambda: len(tiedolla.told) == 3, "three callbacks")
    for told in tiedolla.told:
        callback = verify_status_callback(
            tiedolla.url + told.path,
            parse_qsl(told.body.decode(), keep_blank_values=True),
            told.headers["X-Twilio-Signature"],
            account["auth_token"],
            account["account_sid"],
        )
        assert (callback.attempt_id, callback.sid) == (attempt, sent.ref)


def test_a_lost_answer_to_a_text_is_a_doubt_that_a_look_up_ends(
    rehearsal: RunningRehearsal,
) -> None:
    sms = {"to": TO, "from": "Verkko", "body": "x", "validity_s": 3600}
    rehearsal.disturb("twilio", drop_answer_ratio=1)
    began = datetime.now(UTC) - timedelta(seconds=2)
    with pytest.raises(UnknownOutcome):
        send(TwilioSmsClient(twilio(rehearsal)), sms)
    rehearsal.calm("twilio")

    async def look(client: TwilioSmsClient) -> Any:
        until = datetime.now(UTC) + timedelta(seconds=2)
        return await client.find_message(TO, "Verkko", "x", began, until)

    assert asyncio.run(with_client(TwilioSmsClient(twilio(rehearsal)), look)).kind == "one"


def test_an_email_travels_and_its_events_are_understood(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    account = SendgridAccount(rehearsal.config["sendgrid"]["api_key"], f"{rehearsal.url}/sendgrid")
    attempts = {f"deferred{number}.aino@example.fi": str(uuid4()) for number in range(3)}
    attempts["deferred.aino@example.fi"] = str(uuid4())
    for address, attempt in attempts.items():
        mail = {
            "to": address,
            "from": "Verkkoyhtiö <viestit@example.fi>",
            "subject": "Mittarinvaihto valmis",
            "text": "Sähköt on kytketty.",
            "html": "<p>Sähköt on kytketty.</p>",
            "language": "fi",
            "unsubscribe_url": "https://tiedolla.example.fi/u/1",
        }
        assert send(SendgridEmailClient(account), mail, attempt_id=attempt).ref
    public = (rehearsal.folder / "keys" / "sendgrid_events_public.txt").read_text("ascii").strip()

    def events() -> list[Any]:
        return [
            event
            for told in list(tiedolla.told)
            for event in verify_events(
                told.body,
                told.headers["X-Twilio-Email-Event-Webhook-Signature"],
                told.headers["X-Twilio-Email-Event-Webhook-Timestamp"],
                public,
                datetime.now(UTC),
            )
        ]

    eventually(lambda: sum(one.event == "delivered" for one in events()) == 4, "four deliveries")
    assert {event.attempt_id for event in events()} == set(attempts.values())


def send(
    client: Client, payload: Mapping[str, Any], *, key: str = "key", attempt_id: str = ""
) -> Any:
    """Send one item as a drain does."""
    item = Outbound(key, 1, "KIND", payload, attempt_id or str(uuid4()))
    return asyncio.run(with_client(client, lambda open_client: open_client.send(item)))


async def with_client(client: Any, work: Any) -> Any:
    """Do one thing with a client and close it."""
    try:
        return await work(client)
    finally:
        await client.aclose()


def target(rehearsal: RunningRehearsal, system: str) -> HttpTarget:
    """Where a REST system of the rehearsal is."""
    return HttpTarget(f"{rehearsal.url}/{system}", rehearsal.config[system]["token"])


def twilio(rehearsal: RunningRehearsal) -> TwilioAccount:
    """The rehearsal's SMS account."""
    account = rehearsal.config["twilio"]
    return TwilioAccount(account["account_sid"], account["auth_token"], f"{rehearsal.url}/twilio")
