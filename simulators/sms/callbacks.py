"""Status callbacks of the simulated SMS provider: signed form posts, repeated once when unanswered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from simulators.agenda import Agenda
from simulators.courier import Courier
from simulators.faults import FaultBox
from simulators.ledger import Ledger
from simulators.settings import Twilio
from simulators.sms.message import API_VERSION, Sms
from simulators.sms.numbers import ending_of

REPEAT_AFTER_S = 1.0


class StatusCallbacks:
    """Tells each message's sender how it fares; what was told is in the ledger as `callback`."""

    def __init__(self, usual: Twilio, faults: FaultBox, courier: Courier) -> None:
        self._usual = usual
        self._faults = faults
        self._courier = courier
        self._agenda: Agenda[tuple[Sms, int, int]] = Agenda(self._tell, at_once=32)

    def start(self, ledger: Ledger) -> None:
        """Begin to post; answers are noted in the ledger."""
        self._ledger = ledger
        self._agenda.start()

    async def stop(self) -> None:
        """Drop what is in hand; the next start takes it up again from the ledger."""
        await self._agenda.stop()

    def plan(self, sms: Sms) -> None:
        """Have what was not told yet told at its time: the next status, or all when they are late.

        Late ones overtake one another; the others wait until the one before was answered.
        """
        if not sms.callback_url or sms.callbacks == "none":
            return
        for step, (_, at_s) in enumerate(sms.steps(self._usual)):
            if sms.told & 1 << step:
                continue
            if sms.callbacks != "late":
                self._agenda.put(at_s, (sms, step, 1))
                return
            self._agenda.put(at_s + self._faults.draw_late_s(), (sms, step, 1))

    def note_told(self, sms: Sms, step: int) -> None:
        """A status was told, or given up: go on with the next one."""
        sms.told |= 1 << step
        if sms.callbacks != "late":
            self.plan(sms)

    async def _tell(self, item: tuple[Sms, int, int]) -> None:
        sms, step, attempt = item
        status = sms.steps(self._usual)[step][0]
        code = ending_of(sms.to).code if status in ("undelivered", "failed") else None
        form = {
            **({"ErrorCode": str(code)} if code else {}),
            "SmsSid": sms.sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": sms.to,
            "MessageSid": sms.sid,
            "AccountSid": self._usual.account_sid,
            **({"MessagingServiceSid": sms.service_sid} if sms.service_sid else {}),
            "From": sms.sender,
            "ApiVersion": API_VERSION,
        }
        token = hashlib.sha256(f"{sms.sid} {step}".encode()).hexdigest()[:32]
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": token,
            "X-Twilio-Signature": sign(self._usual.auth_token, sms.callback_url, form),
        }
        body = urlencode(form).encode()
        copies = 2 if sms.callbacks == "duplicate" else 1
        for copy in range(1, copies + 1):
            answered, why = await self._courier.post(sms.callback_url, body, headers)
            done = copy == copies and (200 <= answered < 300 or attempt == 2)
            self._ledger.note(
                "callback",
                {
                    "sid": sms.sid,
                    "status": status,
                    "step": step,
                    "attempt": attempt,
                    "answered": answered,
                    "why": why,
                    "done": done,
                },
            )
        if not done:
            self._agenda.put(time.time() + REPEAT_AFTER_S, (sms, step, attempt + 1))


def sign(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """The provider's signature: HMAC-SHA1 over the URL and the sorted names and values."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(
        hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    ).decode()
