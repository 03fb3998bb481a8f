"""One accepted text message: its state follows from its age, so that it needs no timer to survive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from simulators.ledger import Entry
from simulators.settings import Twilio
from simulators.sms.numbers import ending_of

API_VERSION = "2010-04-01"


@dataclass(slots=True)
class Sms:
    """A message as the provider keeps it; `told` has one bit per status that was called back."""

    n: int
    sid: str
    at_s: float
    to: str
    sender: str
    service_sid: str
    body: str
    parts: int
    callback_url: str
    callbacks: str
    told: int = 0

    @classmethod
    def of(cls, entry: Entry) -> Sms:
        """The message that a ledger entry records."""
        return cls(
            n=entry["n"],
            sid=entry["sid"],
            at_s=datetime.fromisoformat(entry["at"]).timestamp(),
            to=entry["to"],
            sender=entry["from"],
            service_sid=entry["messaging_service_sid"],
            body=entry["body"],
            parts=entry["segments"],
            callback_url=entry["status_callback"],
            callbacks=entry["callbacks"],
        )

    def steps(self, usual: Twilio) -> list[tuple[str, float]]:
        """Each status with the time (seconds since the epoch) from which it holds."""
        statuses = ending_of(self.to).statuses
        spread = int(self.sid[2:10], 16) / 0xFFFFFFFF
        times = {"queued": self.at_s, "sent": self.at_s + _within(usual.sent_after_s, spread)}
        last = max(times["sent"], self.at_s + _within(usual.delivered_after_s, spread))
        return [(status, times.get(status, last)) for status in statuses]

    def status_at(self, now_s: float, usual: Twilio) -> str:
        """The status that holds now."""
        return [
            status for status, at_s in self.steps(usual) if at_s <= now_s or status == "queued"
        ][-1]

    def as_json(self, now_s: float, usual: Twilio, account_sid: str) -> dict[str, Any]:
        """The message resource as the provider shows it."""
        status = self.status_at(now_s, usual)
        ending = ending_of(self.to)
        ended_badly = status in ("undelivered", "failed")
        uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{self.sid}"
        created = _rfc2822(int(self.at_s))
        return {
            "account_sid": account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": created,
            "date_sent": None if status == "queued" else created,
            "date_updated": created,
            "direction": "outbound-api",
            "error_code": ending.code if ended_badly else None,
            "error_message": None,
            "from": self.sender or None,
            "messaging_service_sid": self.service_sid or None,
            "num_media": "0",
            "num_segments": str(self.parts),
            "price": None,
            "price_unit": "EUR",
            "sid": self.sid,
            "status": status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


def _within(span: tuple[float, float], spread: float) -> float:
    return span[0] + (span[1] - span[0]) * spread


@lru_cache(maxsize=64)
def _rfc2822(at_s: int) -> str:
    """Hundreds of messages share a second."""
    return format_datetime(datetime.fromtimestamp(at_s, UTC))
