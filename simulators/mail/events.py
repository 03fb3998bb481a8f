"""The event webhook of the simulated e-mail provider: signed batches, repeated until answered."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulators.agenda import Agenda
from simulators.courier import Courier
from simulators.faults import FaultBox
from simulators.ledger import Entry, Ledger
from simulators.mail.addresses import ending_of
from simulators.settings import Sendgrid

BATCH_EVERY_S = 0.25
BATCH_MOST = 500
BACK_OFF_S = (1, 2, 5, 10, 30, 60)


@dataclass(slots=True)
class Mail:
    """What the events of one accepted mail need; `told` has one bit per event that was taken."""

    n: int
    at_s: float
    to: str
    sg_message_id: str
    categories: list[str]
    custom_args: dict[str, str]
    callbacks: str
    told: int = 0

    @classmethod
    def of(cls, entry: Entry) -> Mail:
        """The mail that a ledger entry records."""
        return cls(
            n=entry["n"],
            at_s=datetime.fromisoformat(entry["at"]).timestamp(),
            to=entry["to"],
            sg_message_id=entry["sg_message_id"],
            categories=entry["categories"],
            custom_args=entry["custom_args"],
            callbacks=entry["callbacks"],
        )

    def steps(self, usual: Sendgrid) -> list[tuple[str, float]]:
        """Each event with its time in seconds since the epoch."""
        spread = (self.n * 0.6180339887) % 1
        first = self.at_s + usual.processed_after_s[0] + spread * _width(usual.processed_after_s)
        last = self.at_s + usual.delivered_after_s[0] + spread * _width(usual.delivered_after_s)
        events = ending_of(self.to).events
        return [
            (event, first if step == 0 else max(first, last) + step - 1)
            for step, event in enumerate(events)
        ]

    def status_at(self, now_s: float, usual: Sendgrid) -> str:
        """The newest event by now, or accepted."""
        past = [event for event, at_s in self.steps(usual) if at_s <= now_s]
        return past[-1] if past else "accepted"


class EventWebhook:
    """Tells what became of each mail; what was told is in the ledger as `events`."""

    def __init__(
        self,
        url: str,
        account: Sendgrid,
        faults: FaultBox,
        courier: Courier,
        mails: dict[int, Mail],
    ) -> None:
        self._url = url
        self._account = account
        self._faults = faults
        self._courier = courier
        self._mails = mails
        self._gathered: list[tuple[Mail, int]] = []
        self._agenda: Agenda[tuple[Mail, int]] = Agenda(self._gather)
        self._posts: Agenda[tuple[list[tuple[Mail, int]], int]] = Agenda(self._post, at_once=4)
        self._poster: asyncio.Task[None] | None = None
        key = serialization.load_pem_private_key(account.event_private_key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{account.event_private_key_file}: not an elliptic curve key")
        self._key = key

    def start(self, ledger: Ledger) -> None:
        """Begin to post; answers are noted in the ledger."""
        self._ledger = ledger
        self._agenda.start()
        self._posts.start()
        self._poster = asyncio.get_running_loop().create_task(self._send_batches())

    async def stop(self) -> None:
        """Drop what is in hand; the next start takes it up again from the ledger."""
        if self._poster is not None:
            self._poster.cancel()
            await asyncio.gather(self._poster, return_exceptions=True)
        await self._agenda.stop()
        await self._posts.stop()

    def plan(self, mail: Mail) -> None:
        """Have every event that was not told yet told at its time."""
        late = mail.callbacks == "late"
        for step, (_, at_s) in enumerate(mail.steps(self._account)):
            if not mail.told & 1 << step:
                held_s = self._faults.draw_late_s() if late else 0.0
                self._agenda.put(at_s + held_s, (mail, step))

    async def _gather(self, item: tuple[Mail, int]) -> None:
        self._gathered.append(item)

    async def _send_batches(self) -> None:
        while True:
            await asyncio.sleep(BATCH_EVERY_S)
            while self._gathered:
                batch, self._gathered = self._gathered[:BATCH_MOST], self._gathered[BATCH_MOST:]
                self._posts.put(0, (batch, 0))

    async def _post(self, item: tuple[list[tuple[Mail, int]], int]) -> None:
        batch, tries = item
        answered = await self._post_once(batch, tries)
        if any(mail.callbacks == "duplicate" for mail, _ in batch):
            await self._post_once([one for one in batch if one[0].callbacks == "duplicate"], tries)
        if not 200 <= answered < 300:
            wait_s = BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)]
            self._posts.put(time.time() + wait_s, (batch, tries + 1))

    async def _post_once(self, batch: Sequence[tuple[Mail, int]], tries: int) -> int:
        """Each post gives its events new ids, as the provider does when it repeats itself."""
        body = json.dumps([self._event(mail, step) for mail, step in batch]).encode() + b"\r\n"
        timestamp = str(int(time.time()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        answered, why = await self._courier.post(self._url, body, headers)
        told = [
            {"mail": mail.n, "step": step, "event": mail.steps(self._account)[step][0]}
            for mail, step in batch
        ]
        self._ledger.note(
            "events", {"answered": answered, "why": why, "tries": tries + 1, "events": told}
        )
        return answered

    def _event(self, mail: Mail, step: int) -> dict[str, Any]:
        event, at_s = mail.steps(self._account)[step]
        return {
            **mail.custom_args,
            **ending_of(mail.to).extra.get(event, {}),
            **({"category": mail.categories} if mail.categories else {}),
            "email": mail.to,
            "timestamp": int(at_s),
            "smtp-id": f"<{mail.sg_message_id.split('.')[0]}@rehearsal.example>",
            "event": event,
            "sg_event_id": secrets.token_urlsafe(16),
            "sg_message_id": mail.sg_message_id,
        }


def _width(span: tuple[float, float]) -> float:
    return span[1] - span[0]
