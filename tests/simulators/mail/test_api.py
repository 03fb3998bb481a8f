"""The e-mail provider as SendGrid's own SDK sees it, before and after a kill."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import requests
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Content, CustomArg, Email, Header, Mail, Personalization, To

from tests.simulators.running import RunningRehearsal

GOOD: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "aino@example.fi"}], "custom_args": {"attempt": "1"}}],
    "from": {"email": "viestit@example.fi", "name": "Verkkoyhtiö"},
    "subject": "Sähkömittarisi vaihdettiin",
    "content": [
        {"type": "text/plain", "value": "Sähköt on kytketty."},
        {"type": "text/html", "value": "<p>Sähköt on kytketty.</p>"},
    ],
}


def test_the_sdk_sends_a_mail_and_gets_its_id(shared: RunningRehearsal) -> None:
    mail = Mail(
        from_email=Email("viestit@example.fi", "Verkkoyhtiö"),
        subject="Din elmätare",
        plain_text_content=Content("text/plain", "Strömmen är påkopplad."),
        html_content=Content("text/html", "<p>Strömmen är påkopplad.</p>"),
    )
    person = Personalization()
    person.add_to(To("lars@example.fi", "Lars Lindqvist"))
    person.add_custom_arg(CustomArg("attempt", "7"))
    mail.add_personalization(person)
    mail.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    account = shared.config["sendgrid"]
    sdk = SendGridAPIClient(account["api_key"], host=f"{shared.url}/sendgrid")
    answer = sdk.send(mail)
    assert answer.status_code == 202
    written = [one for one in shared.ledger("sendgrid", "mail") if one["to"] == "lars@example.fi"]
    assert [one["message_id"] for one in written] == [answer.headers["X-Message-Id"]]
    assert written[0]["custom_args"] == {"attempt": "7"}
    assert written[0]["text"] == "Strömmen är påkopplad."
    assert written[0]["headers"] == {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def test_each_recipient_of_one_call_has_an_entry_and_its_own_text(
    shared: RunningRehearsal,
) -> None:
    body = copy.deepcopy(GOOD)
    body["content"][0]["value"] = "Hei -nimi-, -viesti-"
    body["personalizations"] = [
        {
            "to": [{"email": f"many{number}@example.fi"}],
            "custom_args": {"attempt": str(number)},
            "substitutions": {"-nimi-": f"N{number}", "-viesti-": "valmis"},
        }
        for number in range(200)
    ]
    answer = send(shared, body)
    written = [one for one in shared.ledger("sendgrid", "mail") if one["to"].startswith("many")]
    assert answer.status_code == 202
    assert {one["message_id"] for one in written} == {answer.headers["X-Message-Id"]}
    assert [one["text"] for one in written] == [f"Hei N{number}, valmis" for number in range(200)]
    assert len({one["sg_message_id"] for one in written}) == 200


def broken(path: str, value: Any) -> dict[str, Any]:
    """A good body with one value replaced."""
    body: Any = copy.deepcopy(GOOD)
    *way, last = path.split(".")
    inner = body
    for part in way:
        inner = inner[int(part) if part.isdigit() else part]
    inner[last] = value
    return dict(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "personalizations"),
        ([], "personalizations"),
        (broken("personalizations", []), "personalizations"),
        (broken("personalizations", ["x"]), "personalizations.0"),
        (broken("personalizations.0.to", []), "personalizations.0.to"),
        (broken("personalizations.0.to", 5), "personalizations.0.to"),
        (broken("personalizations.0.to", [{"email": "aino"}]), "personalizations.0.to.email"),
        (broken("personalizations.0.cc", [{"email": "AINO@example.fi"}]), "personalizations.0"),
        (broken("personalizations.0.custom_args", {"a": 1}), "personalizations.0.custom_args"),
        (broken("from", {}), "from.email"),
        (broken("subject", ""), "subject"),
        (broken("content", []), "content"),
        (broken("content", GOOD["content"][::-1]), "content"),
        (broken("headers", {"Subject": "x"}), "headers.Subject"),
        (broken("categories", "x"), "categories"),
    ],
)
def test_bad_calls_are_refused_field_by_field(
    shared: RunningRehearsal, body: Any, field: str
) -> None:
    answer = send(shared, body)
    assert answer.status_code == 400
    assert field in [one["field"] for one in answer.json()["errors"]]


def test_a_wrong_key_or_type_is_refused(shared: RunningRehearsal) -> None:
    assert send(shared, GOOD, key="SG.guess").status_code == 401
    url, key = f"{shared.url}/sendgrid/v3/mail/send", shared.config["sendgrid"]["api_key"]
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.post(url, data="x", headers=headers, timeout=10).status_code == 415


def test_a_sandbox_call_is_checked_and_sends_nothing(shared: RunningRehearsal) -> None:
    before = len(shared.ledger("sendgrid"))
    body = GOOD | {"mail_settings": {"sandbox_mode": {"enable": True}}}
    assert send(shared, body).status_code == 200
    assert len(shared.ledger("sendgrid", "mail")) <= before


def test_an_accepted_mail_survives_kill_9_even_when_the_answer_was_dropped(
    rehearsal: RunningRehearsal,
) -> None:
    rehearsal.disturb("sendgrid", drop_answer_ratio=1, callbacks="none")
    with pytest.raises(requests.ConnectionError):
        send(rehearsal, GOOD)
    before = rehearsal.ledger_bytes("sendgrid")
    rehearsal.kill()
    rehearsal.start()
    assert [one["to"] for one in rehearsal.ledger("sendgrid", "mail")] == ["aino@example.fi"]
    assert rehearsal.ledger_bytes("sendgrid") == before


def send(rehearsal: RunningRehearsal, body: Any, key: str = "") -> requests.Response:
    """One call."""
    key = key or rehearsal.config["sendgrid"]["api_key"]
    return requests.post(
        f"{rehearsal.url}/sendgrid/v3/mail/send",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
