"""A receiver whose certificate is not to be trusted gets nothing, and somebody has to look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integrations.nis.client import NisClient
from integrations.outcomes import Client, HttpTarget, LaneDown
from integrations.sendgrid_email.client import SendgridEmailClient
from integrations.sendgrid_email.types import SendgridAccount
from integrations.twilio_sms.client import TwilioSmsClient
from integrations.twilio_sms.types import TwilioAccount
from tests.integrations.outcome_of_call import outbound, outcome
from tests.integrations.self_signed import self_signed
from tests.integrations.stub_server import Reply, StubServer

SMS = {"to": "+358401234567", "from": "Verkko", "body": "a", "validity_s": 60}
EMAIL = {"to": "a@b.fi", "from": "c@d.fi", "subject": "a", "text": "a", "language": "fi"}


@pytest.mark.parametrize(
    ("make", "payload"),
    [
        (lambda url: NisClient(HttpTarget(url, "t")), {"gsrn": "1"}),
        (lambda url: TwilioSmsClient(TwilioAccount("AC1", "t", url)), SMS),
        (lambda url: SendgridEmailClient(SendgridAccount("k", url)), EMAIL),
    ],
)
def test_an_untrusted_certificate_closes_the_lane(
    make: Callable[[str], Client], payload: dict[str, Any], tmp_path: Path
) -> None:
    with StubServer(Reply(201), tls=self_signed(tmp_path)) as stub:
        ended = outcome(lambda: make(stub.url), outbound(payload))
    assert isinstance(ended, LaneDown)
    assert "certificate not accepted" in ended.why
    assert stub.received == []
