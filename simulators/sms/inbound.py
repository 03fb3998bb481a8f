"""Texts that people write to the account's number, and the signed posts that tell Tiedolla of them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from simulators.agenda import Agenda
from simulators.courier import Courier
from simulators.faults import FaultBox
from simulators.ledger import Entry, Ledger
from simulators.settings import Twilio
from simulators.sms.callbacks import REPEAT_AFTER_S, sign
from simulators.sms.message import API_VERSION
from simulators.sms.parts import count_parts


@dataclass(slots=True)
class Written:
    """One text that somebody wrote; answered is the webhook's last status, 0 for none yet."""

    n: int
    sid: str
    at_s: float
    sender: str
    to: str
    body: str
    parts: int
    callbacks: str
    answered: int = 0
    done: bool = False

    @classmethod
    def of(cls, entry: Entry) -> Written:
        """The text that a ledger entry records."""
        return cls(
            n=entry["n"],
            sid=entry["sid"],
            at_s=datetime.fromisoformat(entry["at"]).timestamp(),
            sender=entry["from"],
            to=entry["to"],
            body=entry["body"],
            parts=entry["segments"],
            callbacks=entry["callbacks"],
        )

    def note(self, entry: Entry) -> None:
        """Apply what one post met."""
        self.answered = entry["answered"]
        self.done = self.done or entry["done"]


def make_written(sender: str, to: str, body: str, callbacks: str) -> Entry:
    """The facts of a new text, ready for the ledger."""
    return {
        "sid": f"SM{secrets.token_hex(16)}",
        "from": sender,
        "to": to,
        "body": body,
        "segments": count_parts(body)[1],
        "callbacks": callbacks,
    }


class InboundPosts:
    """Posts each text to the webhook: once, twice or late as the faults say, again when refused once."""

    def __init__(self, account: Twilio, url: str, faults: FaultBox, courier: Courier) -> None:
        self._account = account
        self._url = url
        self._faults = faults
        self._courier = courier
        self._agenda: Agenda[tuple[Written, int]] = Agenda(self._post, at_once=8)

    def start(self, ledger: Ledger) -> None:
        """Begin to post; answers are noted in the ledger."""
        self._ledger = ledger
        self._agenda.start()

    async def stop(self) -> None:
        """Drop what is in hand; the next start takes it up again from the ledger."""
        await self._agenda.stop()

    def plan(self, written: Written) -> None:
        """Have a text told that was not told yet."""
        if written.done or written.callbacks == "none":
            return
        late_s = self._faults.draw_late_s() if written.callbacks == "late" else 0.0
        self._agenda.put(written.at_s + late_s, (written, 1))

    async def _post(self, item: tuple[Written, int]) -> None:
        written, attempt = item
        form = {
            "ToCountry": "FI",
            "SmsMessageSid": written.sid,
            "NumMedia": "0",
            "SmsSid": written.sid,
            "SmsStatus": "received",
            "Body": written.body,
            "FromCountry": "FI",
            "To": written.to,
            "NumSegments": str(written.parts),
            "MessageSid": written.sid,
            "AccountSid": self._account.account_sid,
            "From": written.sender,
            "ApiVersion": API_VERSION,
        }
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": sign(self._account.auth_token, self._url, form),
        }
        body = urlencode(form).encode()
        copies = 2 if written.callbacks == "duplicate" else 1
        for copy in range(1, copies + 1):
            answered, why = await self._courier.post(self._url, body, headers)
            done = copy == copies and (200 <= answered < 300 or attempt == 2)
            self._ledger.note(
                "inbound_post",
                {
                    "sid": written.sid,
                    "attempt": attempt,
                    "answered": answered,
                    "why": why,
                    "done": done,
                },
            )
        if not done:
            self._agenda.put(time.time() + REPEAT_AFTER_S, (written, attempt + 1))
