"""The SMS provider's REST API: create, fetch and list messages of one account."""

from __future__ import annotations

import base64
import hmac
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from simulators.courier import Courier
from simulators.exchange import Refusal, json_answer
from simulators.faults import FaultBox
from simulators.ledger import Entry, Ledger
from simulators.settings import Twilio
from simulators.sms.answers import error
from simulators.sms.callbacks import StatusCallbacks
from simulators.sms.create import check_wanted, make_message, read_wanted
from simulators.sms.inbound import InboundPosts, Written, make_written
from simulators.sms.listing import find_page, page_json, read_filter
from simulators.sms.message import API_VERSION, Sms

SHOWN_MOST = 1_000


class SmsProvider:
    """One account. There is no idempotency key: the same call twice is two messages.

    name: twilio, or twilio2 for another provider with the same interface; its paths and its ledger
    are called so.

    Ledger: `message` (accepted), `callback` (one post of a status callback and its answer),
    `refused` (a call that the provider did not accept), `inbound` (somebody wrote to the account's
    number), `inbound_post` (one post of it to the webhook and its answer).
    """

    def __init__(
        self,
        folder: Path,
        account: Twilio,
        faults: FaultBox,
        courier: Courier,
        *,
        inbound_url: str,
        name: str = "twilio",
    ) -> None:
        self._name = name
        self._account = account
        self._faults = faults
        self._callbacks = StatusCallbacks(account, faults, courier)
        self._inbound = InboundPosts(account, inbound_url, faults, courier)
        self._by_sid: dict[str, Sms] = {}
        self._written: dict[str, Written] = {}
        self._recent_written: deque[Written] = deque(maxlen=SHOWN_MOST)
        self._by_number: dict[str, list[Sms]] = {}
        self._recent: deque[Sms] = deque(maxlen=SHOWN_MOST)
        self._live = False
        login = f"{account.account_sid}:{account.auth_token}".encode()
        self._login = b"Basic " + base64.b64encode(login)
        self.ledger = Ledger(name, folder / f"{name}.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """The provider's own paths below its name."""
        messages = f"/{self._name}/{API_VERSION}/Accounts/{{account}}/Messages"
        return [
            web.post(f"{messages}.json", self._create),
            web.get(f"{messages}.json", self._list),
            web.get(f"{messages}/{{sid}}.json", self._fetch),
        ]

    def start(self) -> None:
        """Take up the status callbacks that the last run left open."""
        self._live = True
        self._callbacks.start(self.ledger)
        for sms in self._by_sid.values():
            self._callbacks.plan(sms)
        self._inbound.start(self.ledger)
        for written in self._written.values():
            self._inbound.plan(written)

    async def stop(self) -> None:
        """Stop calling back."""
        await self._callbacks.stop()
        await self._inbound.stop()

    def newest(self, most: int) -> list[tuple[Sms, str]]:
        """The newest messages, newest first, each with its status now."""
        now_s = time.time()
        return [
            (sms, sms.status_at(now_s, self._account))
            for sms in islice(reversed(self._recent), most)
        ]

    @property
    def reply_number(self) -> str:
        """The number that people write to."""
        return self._account.reply_number

    def newest_written(self, most: int) -> list[Written]:
        """The newest texts that people wrote, newest first."""
        return list(islice(reversed(self._recent_written), most))

    async def write(self, sender: str, to: str, body: str) -> str:
        """Somebody writes to a number of the account; returns the message's sid."""
        facts = make_written(sender, to, body, self._faults.now.callbacks)
        await self.ledger.append("inbound", facts)
        return str(facts["sid"])

    async def _create(self, request: web.Request) -> web.Response:
        try:
            self._check_login(request)
            text = (await request.read()).decode("utf-8", "replace")
            wanted = read_wanted(dict(parse_qsl(text, keep_blank_values=True)))
        except Refusal as refusal:
            return refusal.answer
        wrong = check_wanted(wanted)
        if wrong is not None:
            code, words = wrong
            facts = {"status": 400, "code": code, "to": wanted.to, "body": wanted.body}
            await self.ledger.append("refused", facts)
            return error(400, code, words)
        message = make_message(wanted, self._faults.now.callbacks)
        await self.ledger.append("message", message)
        return json_answer(self._shown(self._by_sid[message["sid"]]), 201)

    async def _fetch(self, request: web.Request) -> web.Response:
        try:
            self._check_login(request)
        except Refusal as refusal:
            return refusal.answer
        sms = self._by_sid.get(request.match_info["sid"])
        if sms is None:
            return error(404, 20404, f"The requested resource {request.path} was not found")
        return json_answer(self._shown(sms))

    async def _list(self, request: web.Request) -> web.Response:
        try:
            self._check_login(request)
            query = dict(request.query)
            wanted = read_filter(query, time.time() - self._faults.now.list_lag_s)
        except Refusal as refusal:
            return refusal.answer
        chosen = (
            list(self._by_sid.values()) if wanted.to is None else self._by_number.get(wanted.to, [])
        )
        found, has_more = find_page(reversed(chosen), wanted)
        messages = [self._shown(sms) for sms in found]
        path = request.path.removeprefix(f"/{self._name}")
        return json_answer(page_json(path, query, wanted, messages, has_more=has_more))

    def _check_login(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._login):
            raise Refusal(error(401, 20003, "Authenticate"))
        if request.match_info["account"] != self._account.account_sid:
            raise Refusal(error(404, 20404, "The requested account was not found"))

    def _shown(self, sms: Sms) -> dict[str, Any]:
        return sms.as_json(time.time(), self._account, self._account.account_sid)

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] == "message":
            sms = Sms.of(entry)
            self._by_sid[sms.sid] = sms
            self._recent.append(sms)
            self._by_number.setdefault(sms.to, []).append(sms)
            if self._live:
                self._callbacks.plan(sms)
        elif entry["kind"] == "inbound":
            written = Written.of(entry)
            self._written[written.sid] = written
            self._recent_written.append(written)
            if self._live:
                self._inbound.plan(written)
        elif entry["kind"] == "inbound_post":
            self._written[entry["sid"]].note(entry)
        elif entry["kind"] == "callback" and entry["done"]:
            sms = self._by_sid[entry["sid"]]
            if self._live:
                self._callbacks.note_told(sms, entry["step"])
            else:
                sms.told |= 1 << entry["step"]
