"""The SMS provider's REST API: create, fetch and list messages of one account."""

from __future__ import annotations

import base64
import hmac
import itertools
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from aiohttp import web

from simulators.courier import Courier
from simulators.exchange import Refusal, json_answer
from simulators.faults import FaultBox
from simulators.ledger import Entry, Ledger
from simulators.settings import Twilio
from simulators.sms.callbacks import StatusCallbacks
from simulators.sms.message import API_VERSION, Sms
from simulators.sms.numbers import E164, refused_at_once
from simulators.sms.parts import count_parts

ALPHANUMERIC_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
SHORT_CODE = re.compile(r"[0-9]{3,6}")
PAGE_SIZE_MOST = 1000
SHOWN_MOST = 1000


class SmsProvider:
    """One account. There is no idempotency key: the same call twice is two messages.

    Ledger: `message` (accepted), `callback` (one post of a status callback and its answer),
    `refused` (a call that the provider did not accept).
    """

    def __init__(self, folder: Path, account: Twilio, faults: FaultBox, courier: Courier) -> None:
        self._account = account
        self._faults = faults
        self._callbacks = StatusCallbacks(account, faults, courier)
        self._by_sid: dict[str, Sms] = {}
        self._by_number: dict[str, list[Sms]] = {}
        self._recent: deque[Sms] = deque(maxlen=SHOWN_MOST)
        self._live = False
        login = f"{account.account_sid}:{account.auth_token}".encode()
        self._login = b"Basic " + base64.b64encode(login)
        self.ledger = Ledger("twilio", folder / "twilio.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """The provider's own paths below /twilio."""
        messages = f"/twilio/{API_VERSION}/Accounts/{{account}}/Messages"
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

    async def stop(self) -> None:
        """Stop calling back."""
        await self._callbacks.stop()

    def newest(self, most: int) -> list[tuple[Sms, str]]:
        """The newest messages, newest first, each with its status now."""
        now_s = time.time()
        chosen = itertools.islice(reversed(self._recent), most)
        return [(sms, sms.status_at(now_s, self._account)) for sms in chosen]

    async def _create(self, request: web.Request) -> web.Response:
        try:
            self._check_login(request)
            text = (await request.read()).decode("utf-8", "replace")
            facts = self._read_message(dict(parse_qsl(text, keep_blank_values=True)))
        except Refusal as refusal:
            return refusal.answer
        await self.ledger.append("message", facts)
        return json_answer(self._shown(self._by_sid[facts["sid"]]), 201)

    async def _fetch(self, request: web.Request) -> web.Response:
        try:
            self._check_login(request)
        except Refusal as refusal:
            return refusal.answer
        sms = self._by_sid.get(request.match_info["sid"])
        if sms is None:
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        return json_answer(self._shown(sms))

    async def _list(self, request: web.Request) -> web.Response:
        try:
            self._check_login(request)
            query = dict(request.query)
            page = _whole(query, "Page", 0, least=0)
            size = min(_whole(query, "PageSize", 50, least=1), PAGE_SIZE_MOST)
            found = [self._shown(sms) for sms in self._found(query, page * size, size + 1)]
        except Refusal as refusal:
            return refusal.answer
        path = f"/{API_VERSION}/Accounts/{self._account.account_sid}/Messages.json"
        filters = {name: query[name] for name in query if name not in ("Page", "PageToken")}
        pages = {
            name: f"{path}?{urlencode({**filters, 'Page': at})}"
            for name, at in (("first", 0), ("this", page), ("before", page - 1), ("next", page + 1))
        }
        return json_answer(
            {
                "messages": found[:size],
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": max(page * size + len(found[:size]) - 1, 0),
                "uri": pages["this"],
                "first_page_uri": pages["first"],
                "previous_page_uri": pages["before"] if page else None,
                "next_page_uri": pages["next"] if len(found) > size else None,
            }
        )

    def _found(self, query: Mapping[str, str], skip: int, most: int) -> list[Sms]:
        """Newest first; what is younger than list_lag_s is not in the list yet."""
        listed_until = time.time() - self._faults.now.list_lag_s
        to, sender = query.get("To"), query.get("From")
        exactly = _day_of(query.get("DateSent"))
        earliest, latest = _time_of(query.get("DateSent>")), _time_of(query.get("DateSent<"))
        chosen: Iterable[Sms] = (
            self._by_number.get(to, []) if to is not None else list(self._by_sid.values())
        )
        found: list[Sms] = []
        for sms in reversed(list(chosen)):
            if (
                sms.at_s <= listed_until
                and (sender is None or sms.sender == sender)
                and (exactly is None or exactly[0] <= sms.at_s < exactly[1])
                and (earliest is None or sms.at_s >= earliest)
                and (latest is None or sms.at_s <= latest)
            ):
                found.append(sms)
                if len(found) == skip + most:
                    break
        return found[skip:]

    def _check_login(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._login):
            raise Refusal(_error(401, 20003, "Authenticate"))
        if request.match_info["account"] != self._account.account_sid:
            raise Refusal(_error(404, 20404, "The requested account was not found"))

    def _read_message(self, form: Mapping[str, str]) -> Entry:
        """The facts of a new message, ready for the ledger.

        Raises: Refusal (the provider's own error code).
        """
        to, body = form.get("To", "").strip(), form.get("Body", "")
        sender, service = form.get("From", "").strip(), form.get("MessagingServiceSid", "")
        url = form.get("StatusCallback", "")
        validity = _whole(form, "ValidityPeriod", 36_000, least=1)
        refused = refused_at_once(to) if to else None
        for wrong, code, words in (
            (not to, 21604, "A 'To' phone number is required."),
            (not body, 21602, "Message body is required."),
            (not sender and not service, 21603, "A 'From' phone number is required."),
            (len(body) > 1600, 21617, "The concatenated message body exceeds 1600 characters."),
            (bool(sender) and not _is_sender(sender), 21212, f"Invalid From Number: {sender}"),
            (to == sender, 21266, "'To' and 'From' number cannot be the same"),
            (not _is_url(url), 21609, f"Invalid 'StatusCallback' URL: {url}"),
            (validity > 36_000, 21620, "ValidityPeriod must be from 1 to 36000"),
            (refused is not None, refused.code if refused else 0, refused.words if refused else ""),
        ):
            if wrong:
                self.ledger.note("refused", {"status": 400, "code": code, "to": to, "body": body})
                raise Refusal(_error(400, code, words))
        encoding, parts = count_parts(body)
        return {
            "sid": f"SM{secrets.token_hex(16)}",
            "to": to,
            "from": sender,
            "messaging_service_sid": service,
            "body": body,
            "encoding": encoding,
            "segments": parts,
            "validity_s": validity,
            "status_callback": url,
            "attempt": next(iter(parse_qs(urlsplit(url).query).get("attempt", ())), None),
            "callbacks": self._faults.now.callbacks,
        }

    def _shown(self, sms: Sms) -> dict[str, object]:
        return sms.as_json(time.time(), self._account, self._account.account_sid)

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] == "message":
            sms = Sms.of(entry)
            self._by_sid[sms.sid] = sms
            self._recent.append(sms)
            self._by_number.setdefault(sms.to, []).append(sms)
            if self._live:
                self._callbacks.plan(sms)
        elif entry["kind"] == "callback" and entry["done"]:
            self._by_sid[entry["sid"]].told |= 1 << entry["step"]


def _error(status: int, code: int, words: str) -> web.Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_answer(
        {"code": code, "message": words, "more_info": more, "status": status}, status
    )


def _is_sender(sender: str) -> bool:
    return any(
        form.fullmatch(sender) is not None for form in (E164, ALPHANUMERIC_SENDER, SHORT_CODE)
    )


def _is_url(url: str) -> bool:
    if not url:
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _whole(form: Mapping[str, str], name: str, default: int, least: int) -> int:
    given = form.get(name, "")
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or int(given) < least:
        raise Refusal(_error(400, 20001, f"Invalid {name}: {given[:40]}"))
    return int(given)


def _time_of(given: str | None) -> float | None:
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise Refusal(_error(400, 20001, f"Invalid DateSent: {given[:40]}")) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _day_of(given: str | None) -> tuple[float, float] | None:
    start = _time_of(given[:10]) if given else None
    return None if start is None else (start, start + 86_400)
