"""The rehearsal's own endpoints: read a ledger, set and clear faults, say that it is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from simulators.exchange import json_answer, parse_json, problem
from simulators.faults import NO_FAULTS, FaultBox, FaultsInvalid, parse_faults
from simulators.ledger import Ledger, LedgerError

SYSTEMS = (
    "cis",
    "installer",
    "contractor",
    "nis",
    "dms",
    "dms_feed",
    "head_end",
    "billing",
    "twilio",
    "twilio2",
    "sendgrid",
)


class Control:
    """Ledgers and faults by the name of their system."""

    def __init__(self, ledgers: Mapping[str, Ledger], faults: Mapping[str, FaultBox]) -> None:
        self._ledgers = ledgers
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """The endpoints that belong to no simulated system."""
        return [
            web.get("/livez", self._live),
            web.get("/ledger/{system}", self._ledger),
            web.get("/faults/{system}", self._show_faults),
            web.put("/faults/{system}", self._put_faults),
            web.delete("/faults/{system}", self._clear_faults),
        ]

    async def _live(self, _request: web.Request) -> web.Response:
        return json_answer({"status": "ok"})

    async def _ledger(self, request: web.Request) -> web.StreamResponse:
        """Everything after entry `after`, at most `limit` of it, straight from the file."""
        ledger = self._ledgers.get(request.match_info["system"])
        if ledger is None:
            return _unknown_system()
        try:
            after = int(request.query.get("after", "0"))
            limit = int(request.query["limit"]) if "limit" in request.query else None
        except ValueError:
            return problem(400, "after and limit must be whole numbers")
        if after < 0 or (limit is not None and limit < 0):
            return problem(400, "after and limit must not be negative")
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        await response.prepare(request)
        count = ledger.count
        head = f'{{"system":"{ledger.system}","count":{count},"entries":['
        await response.write(head.encode())
        # Each entry is one line of JSON already, and no line break stands inside an entry.
        held_back = b""
        async for data in ledger.lines(after, limit):
            await response.write(held_back + data[:-1].replace(b"\n", b",\n"))
            held_back = b",\n" if data.endswith(b"\n") else data[-1:]
        await response.write(b"]}")
        await response.write_eof()
        return response

    async def _show_faults(self, request: web.Request) -> web.Response:
        box = self._faults.get(request.match_info["system"])
        return _unknown_system() if box is None else json_answer(box.as_json())

    async def _put_faults(self, request: web.Request) -> web.Response:
        box = self._faults.get(request.match_info["system"])
        if box is None:
            return _unknown_system()
        try:
            box.put(parse_faults(parse_json(await request.read())))
        except FaultsInvalid as error:
            return problem(422, "These faults are not understood", detail=str(error))
        except ValueError as error:
            return problem(400, "The body is not JSON", detail=str(error))
        return json_answer(box.as_json())

    async def _clear_faults(self, request: web.Request) -> web.Response:
        box = self._faults.get(request.match_info["system"])
        if box is None:
            return _unknown_system()
        box.put(NO_FAULTS)
        return json_answer(box.as_json())


# What a proxy or a page of a partner in trouble answers, with the status of success.
_NONSENSE = "<!doctype html><title>Huoltokatko</title><p>Palaamme pian."


def make_fault_middleware(faults: Mapping[str, FaultBox]) -> Middleware:
    """The middleware that lets requests to the simulated systems meet their faults."""

    @web.middleware
    async def meet_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
        system = request.path.split("/", 2)[1]
        box = faults.get(system)
        try:
            if box is None or box.spares_requests:
                return await handler(request)
            fate = box.draw()
            await box.wait(fate.delay_s)
            if fate.drop_before:
                _hang_up(request)
            if fate.fail:
                return _failure(system, box.now.status, box.now.retry_after_s)
            answer = await handler(request)
            await box.wait(box.now.hang_s)
            if fate.drop_answer:
                _hang_up(request)
            if fate.nonsense:
                return web.Response(text=_NONSENSE, content_type="text/html")
            return _failure(system, 500, None) if fate.fail_after else answer
        except LedgerError as error:
            return problem(503, "Nothing was recorded", {"Retry-After": "1"}, detail=str(error))

    return meet_faults


def _hang_up(request: web.Request) -> None:
    """Cut the connection as a broken network would; the server then drops the request."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


def _failure(system: str, status: int, retry_after_s: int | None) -> web.Response:
    """A failure in the system's own words."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    words = "The rehearsal refuses this request"
    if system in ("twilio", "twilio2"):
        code = 20429 if status == 429 else 20500
        body: dict[str, object] = {"code": code, "message": words, "status": status}
        return json_answer(body, status, headers)
    if system == "sendgrid":
        errors = {"errors": [{"message": words, "field": None, "help": None}]}
        return json_answer(errors, status, headers)
    return problem(status, words, headers)


def _unknown_system() -> web.Response:
    return problem(404, "No such system", detail=f"one of {', '.join(SYSTEMS)}")
