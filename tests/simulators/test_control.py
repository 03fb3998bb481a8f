"""A ledger is read whole or in parts, also while it grows and when it is long."""

from __future__ import annotations

import base64

import pytest
import requests

from tests.simulators.running import RunningRehearsal


def test_the_rehearsal_says_that_it_is_alive(shared: RunningRehearsal) -> None:
    assert requests.get(f"{shared.url}/livez", timeout=10).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "system", ["cis", "installer", "nis", "dms", "billing", "twilio", "twilio2", "sendgrid"]
)
def test_every_system_shows_an_empty_ledger_at_first(shared: RunningRehearsal, system: str) -> None:
    answer = requests.get(f"{shared.url}/ledger/{system}", params={"after": 10**6}, timeout=10)
    assert answer.json()["system"] == system
    assert answer.json()["entries"] == []


def test_a_long_ledger_is_read_in_parts_that_fit_together(shared: RunningRehearsal) -> None:
    # Long bodies, so that the answer is put together from several slices of the file.
    for number in range(40):
        send_sms(shared, f"{number} " + "Sähköt ovat poikki.\n" * 75)
    send_mail(shared, "x" * 1_500_000)
    whole = shared.ledger("twilio")
    assert [entry["n"] for entry in whole] == list(range(1, len(whole) + 1))
    assert len(shared.ledger("sendgrid", "mail")[0]["text"]) == 1_500_000

    def part(**query: int) -> list[int]:
        answer = requests.get(f"{shared.url}/ledger/twilio", params=query, timeout=10).json()
        assert answer["count"] == len(whole)
        return [entry["n"] for entry in answer["entries"]]

    assert part(after=10, limit=5) == [11, 12, 13, 14, 15]
    assert part(after=len(whole) - 1) == [len(whole)]
    assert part(after=len(whole)) == part(limit=0) == []


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=-1", "limit=1.5"])
def test_a_part_that_cannot_be_is_a_problem(shared: RunningRehearsal, query: str) -> None:
    assert requests.get(f"{shared.url}/ledger/nis?{query}", timeout=10).status_code == 400


def send_sms(shared: RunningRehearsal, body: str) -> None:
    """One text message without a callback."""
    twilio = shared.config["twilio"]
    sid = twilio["account_sid"]
    login = base64.b64encode(f"{sid}:{twilio['auth_token']}".encode()).decode()
    requests.post(
        f"{shared.url}/twilio/2010-04-01/Accounts/{sid}/Messages.json",
        data={"To": "+358501234567", "From": "Verkko", "Body": body},
        headers={"Authorization": f"Basic {login}"},
        timeout=10,
    ).raise_for_status()


def send_mail(shared: RunningRehearsal, text: str) -> None:
    """One e-mail."""
    requests.post(
        f"{shared.url}/sendgrid/v3/mail/send",
        json={
            "personalizations": [{"to": [{"email": "silent@example.fi"}]}],
            "from": {"email": "viestit@example.fi"},
            "subject": "Sähkö",
            "content": [{"type": "text/plain", "value": text}],
        },
        headers={"Authorization": f"Bearer {shared.config['sendgrid']['api_key']}"},
        timeout=10,
    ).raise_for_status()
