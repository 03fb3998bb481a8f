"""A thousand e-mails in one request, each with its own text, and what a refusal means for which."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.channel import Channel, Result
from integrations.outcomes import LaneDown, Outbound, Rejected, Retryable, Sent, UnknownOutcome
from integrations.sendgrid_email.batch import (
    EMAILS_PER_CALL,
    SUBSTITUTIONS_MAX_BYTES,
    Addressed,
    build_batch,
    group_alike,
)
from integrations.sendgrid_email.client import SendgridEmailClient
from integrations.sendgrid_email.codec import build_email
from integrations.sendgrid_email.types import Email, SendgridAccount
from simulators.mail.request import check_send, mails_of
from tests.integrations.stub_server import Behaviour, Reply, StubServer

ACCEPTED = Reply(202, b"", {"X-Message-Id": "call-1"})
TEXT = st.text(st.sampled_from("abåäö<&>-td:01\n "), min_size=1, max_size=30)


def email(number: int, **changed: Any) -> Email:
    facts: dict[str, Any] = {
        "to": f"a{number}@example.fi",
        "sender": "Verkko Oy <tiedotteet@example.fi>",
        "subject": f"Sähkökatko Koivutie {number}",
        "text": f"Hei,\nkatko: Koivutie {number}.\nTerveisin",
        "html": f"<p>Hei</p>\n<p>Koivutie {number} &amp; 2</p>",
        "language": "fi",
        "unsubscribe_url": f"https://portal.example/u/{number}",
        **changed,
    }
    return Email(**facts)


def attempt(number: int) -> str:
    return f"0b7c7f64-5c0e-4d4f-9f4e-{number:012x}"


def addressed(emails: Sequence[Email]) -> list[Addressed]:
    return [Addressed(at, one, attempt(at)) for at, one in enumerate(emails)]


def received(emails: Sequence[Email]) -> dict[str, Mapping[str, Any]]:
    """What the provider makes of the requests, by attempt."""
    found = {}
    for group in group_alike(addressed(emails)):
        mail = build_batch(group)
        assert mail is not None
        assert check_send(mail) == []
        for one in mails_of(mail, "m"):
            found[one["custom_args"]["attempt_id"]] = one
    return found


def test_a_thousand_alike_share_one_request_and_each_reads_its_own_text() -> None:
    emails = [email(number) for number in range(EMAILS_PER_CALL)]
    (group,) = group_alike(addressed(emails))
    mail = build_batch(group)
    assert mail is not None
    assert len(mail["personalizations"]) == 1000
    # What all share stands in the request once.
    assert json.dumps(mail, ensure_ascii=False).count("Terveisin") == 1
    for number, one in enumerate(received(emails).values()):
        assert one["to"] == f"a{number}@example.fi"
        assert one["subject"] == emails[number].subject
        assert (one["text"], one["html"]) == (emails[number].text, emails[number].html)
        assert one["headers"]["List-Unsubscribe"] == f"<https://portal.example/u/{number}>"
        assert one["headers"]["Content-Language"] == "fi"


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_whatever_the_texts_are_nobody_reads_anothers(texts: list[tuple[str, str]]) -> None:
    emails = [
        email(number, subject="Aihe", text=text, html=f"<p>{html}</p>", unsubscribe_url=None)
        for number, (text, html) in enumerate(texts)
    ]
    found = received(emails)
    for number, one in enumerate(emails):
        mail = found[attempt(number)]
        assert (mail["to"], mail["text"], mail["html"]) == (one.to, one.text, one.html)


def test_other_senders_languages_and_shapes_get_requests_of_their_own() -> None:
    emails = [
        email(0),
        email(1, language="sv"),
        email(2, sender="muu@example.fi"),
        email(3, text="one line"),
        email(4, unsubscribe_url=None),
        email(5),
        email(6, text="has -td:text0- in it\nb\nc"),
    ]
    groups = group_alike(addressed(emails))
    assert sorted([one.at for one in group] for group in groups) == [
        [0, 5],
        [1],
        [2],
        [3],
        [4],
        [6],
    ]


def test_no_personalization_carries_more_than_the_provider_takes() -> None:
    long = "x" * SUBSTITUTIONS_MAX_BYTES
    with StubServer(ACCEPTED) as stub:
        results = send(stub, [email(n, text=f"{n}{long}") for n in range(4)])
        assert [type(one) for one in results] == [Sent] * 4
        bodies = [json.loads(request.body) for request in stub.received]
    assert len(bodies) == 4
    assert all("substitutions" not in body["personalizations"][0] for body in bodies)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply(429), Retryable),
        (Reply(500), UnknownOutcome),
        (Behaviour.DROP_AFTER, UnknownOutcome),
        (Reply(401), LaneDown),
    ],
)
def test_what_becomes_of_a_request_becomes_of_all_its_emails(answer: Any, kind: type) -> None:
    with StubServer(answer) as stub:
        results = send(stub, [email(n) for n in range(50)])
        assert len(stub.received) == 1
    assert [type(one) for one in results] == [kind] * 50


def test_a_refusal_that_names_the_guilty_one_costs_one_more_request() -> None:
    named = [{"message": "x", "field": "personalizations.7.to.0.email", "help": None}]
    with StubServer(Reply(400, {"errors": named}), ACCEPTED) as stub:
        results = send(stub, [email(n) for n in range(20)])
        assert len(stub.received) == 2
        assert len(json.loads(stub.received[1].body)["personalizations"]) == 19
    assert [n for n, one in enumerate(results) if isinstance(one, Rejected)] == [7]


def test_a_refusal_that_names_nobody_is_narrowed_down_to_the_guilty_one() -> None:
    results, requests = against_a_provider_that_dislikes("a13@example.fi", status=400, count=64)
    assert [n for n, one in enumerate(results) if isinstance(one, Rejected)] == [13]
    # Halves of halves: two requests for each of six levels.
    assert requests <= 2 * 6 + 1


def test_a_request_that_is_too_large_is_halved_until_it_fits() -> None:
    results, _ = against_a_provider_that_dislikes("", status=413, count=40, most=10)
    assert [type(one) for one in results] == [Sent] * 40


def test_a_payload_that_is_no_email_does_not_stop_its_neighbours() -> None:
    with StubServer(ACCEPTED) as stub:
        items = [outbound(0, build_email(email(0))), outbound(1, {"to": "nobody"})]
        results = send_items(stub, items)
    assert isinstance(results[0], Sent)
    assert isinstance(results[1], Rejected)


def outbound(number: int, payload: Mapping[str, Any]) -> Outbound:
    return Outbound(f"k{number}", 1, "NOTICE", payload, attempt(number))


def send(stub: StubServer, emails: Sequence[Email]) -> list[Result]:
    return send_items(stub, [outbound(n, build_email(one)) for n, one in enumerate(emails)])


def send_items(stub: Any, items: Sequence[Outbound]) -> list[Result]:
    async def _go() -> list[Result]:
        client = SendgridEmailClient(SendgridAccount("SG.key", stub.url, 0.5, 5.0))
        assert isinstance(client, Channel)
        try:
            return await client.send_many(items)
        finally:
            await client.aclose()

    return asyncio.run(_go())


def against_a_provider_that_dislikes(
    address: str, *, status: int, count: int, most: int = 1000
) -> tuple[list[Result], int]:
    """Send to a provider that refuses each request with this address, or with too many in it."""

    class _Choosy(StubServer):
        def _next(self) -> Any:
            body = self.received[-1].body
            people = json.loads(body)["personalizations"]
            bad = any(one["to"][0]["email"] == address for one in people) or len(people) > most
            return (
                Reply(status, {"errors": [{"message": "no", "field": None}]}) if bad else ACCEPTED
            )

    with _Choosy(ACCEPTED) as stub:
        return send(stub, [email(n) for n in range(count)]), len(stub.received)
