"""The e-mail provider's send call: validated as the provider does, one ledger entry per mail."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import secrets
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from simulators.courier import Courier
from simulators.exchange import json_answer, parse_json
from simulators.faults import FaultBox
from simulators.ledger import Entry, Ledger
from simulators.mail.addresses import ending_of
from simulators.mail.events import EventWebhook, Mail
from simulators.mail.request import Wrong, check_send, is_sandbox, mails_of
from simulators.settings import Sendgrid

SHOWN_MOST = 1000
UNKNOWN_KEY = "The provided authorization grant is invalid, expired, or revoked"


class MailProvider:
    """One account. There is no idempotency key: the same call twice is two mails.

    Ledger: `mail` (accepted, one per recipient), `events` (one post of the event webhook and
    its answer), `refused` (a call that the provider did not accept).
    """

    def __init__(
        self,
        folder: Path,
        account: Sendgrid,
        *,
        webhook_url: str,
        faults: FaultBox,
        courier: Courier,
    ) -> None:
        self._key = f"Bearer {account.api_key}".encode()
        self._account = account
        self._faults = faults
        self._open: dict[int, Mail] = {}
        self._shown: deque[Entry] = deque(maxlen=SHOWN_MOST)
        self._webhook = EventWebhook(webhook_url, account, faults, courier, self._open)
        self._live = False
        self.ledger = Ledger("sendgrid", folder / "sendgrid.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """The provider's own path below /sendgrid."""
        return [web.post("/sendgrid/v3/mail/send", self._send)]

    def start(self) -> None:
        """Take up the events that the last run left open."""
        self._live = True
        self._webhook.start(self.ledger)
        for mail in self._open.values():
            self._webhook.plan(mail)

    async def stop(self) -> None:
        """Stop calling back."""
        await self._webhook.stop()

    def newest(self, most: int) -> list[tuple[Entry, str]]:
        """The newest mails, newest first, each with its status now."""
        now_s = time.time()
        chosen = itertools.islice(reversed(self._shown), most)
        return [(mail, Mail.of(mail).status_at(now_s, self._account)) for mail in chosen]

    def html_of(self, number: int) -> str | None:
        """The HTML part of one of the newest mails."""
        return next((mail["html"] for mail in self._shown if mail["n"] == number), None)

    async def _send(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._key):
            return _errors(401, [{"message": UNKNOWN_KEY, "field": None, "help": None}])
        if request.content_type != "application/json":
            return _errors(415, [{"message": "Content-Type should be application/json."}])
        try:
            body = parse_json(await request.read())
        except ValueError:
            return _errors(400, [{"message": "Bad Request", "field": None, "help": None}])
        wrong = check_send(body if isinstance(body, dict) else {})
        if wrong:
            await self.ledger.append("refused", {"status": 400, "errors": wrong})
            return _errors(400, wrong)
        if is_sandbox(body):
            return web.Response(status=200)
        message_id = secrets.token_urlsafe(16)
        callbacks = self._faults.now.callbacks
        written = [
            self.ledger.add("mail", {**facts, "callbacks": callbacks})
            for facts in mails_of(body, message_id)
        ]
        await asyncio.gather(*written)
        return web.Response(status=202, headers={"X-Message-Id": message_id})

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] == "mail":
            self._shown.append(entry)
            if entry["callbacks"] != "none":
                self._open[entry["n"]] = mail = Mail.of(entry)
                if self._live:
                    self._webhook.plan(mail)
        elif entry["kind"] == "events" and 200 <= entry["answered"] < 300:
            for told in entry["events"]:
                self._settle(told["mail"], told["step"])

    def _settle(self, number: int, step: int) -> None:
        """Note that an event was taken; a mail whose events were all taken needs no more room."""
        mail = self._open.get(number)
        if mail is None:
            return
        mail.told |= 1 << step
        if mail.told == (1 << len(ending_of(mail.to).events)) - 1:
            del self._open[number]


def _errors(status: int, errors: Sequence[Wrong]) -> web.Response:
    return json_answer({"errors": list(errors)}, status)
