"""The installer's REST endpoint: takes an order once per idempotency key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from simulators import fields
from simulators.courier import Courier
from simulators.exchange import Asked, Refusal, json_answer, problem, read_asked
from simulators.faults import FaultBox
from simulators.fields import Error
from simulators.installer.crews import Crews
from simulators.installer.history import make_past_plan
from simulators.installer.job import Job
from simulators.installer.plan import Plan, make_cancel_plan, make_plan
from simulators.ledger import Entry, Ledger
from simulators.settings import Installer
from simulators.turns import Turns

ACTIONS = ("NEW", "UPDATE", "CANCEL")
NEEDS_NEW_METER = ("MVM", "MVY", "MVV", "UUA", "LIS")
ALWAYS = (
    fields.text("orderId"),
    fields.whole("revision"),
    fields.choice("action", ACTIONS),
)
UNLESS_CANCELLED = (
    fields.text("orderType"),
    fields.gsrn("site.gsrn"),
    fields.whole("priority", required=False),
    fields.number("oldMeter.lastReading.value", required=False),
    fields.moment("schedule.windowFrom", required=False),
    fields.moment("schedule.windowTo", required=False),
)


class InstallerSystem:
    """The partner that most orders go to.

    Ledger: `order` (taken, with its plan), `repeat` (a key that was answered before), `refused`,
    `ack` (a report as it will be sent), `ack_answer` (what one try of sending it met).
    """

    def __init__(
        self,
        folder: Path,
        installer: Installer,
        *,
        ack_url: str,
        seed: int,
        faults: FaultBox,
        courier: Courier,
    ) -> None:
        self._installer = installer
        self._seed = seed
        self._faults = faults
        self._turns = Turns()
        self._jobs: dict[str, Job] = {}
        self._digests: dict[str, str] = {}
        self._crews = Crews(
            installer,
            ack_url,
            jobs=self._jobs,
            turns=self._turns,
            faults=faults,
            courier=courier,
        )
        self.ledger = Ledger("installer", folder / "installer.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """The partner's one endpoint."""
        return [web.post("/installer/orders", self._post)]

    def start(self) -> None:
        """Send the crews out."""
        self._crews.start(self.ledger)

    async def stop(self) -> None:
        """Call the crews in."""
        await self._crews.stop()

    async def _post(self, request: web.Request) -> web.Response:
        try:
            asked = await read_asked(request, self._installer.token)
        except Refusal as refusal:
            return refusal.answer
        errors = check_order(asked.body, asked.key)
        if errors:
            await self.ledger.append("refused", {"status": 422, "key": asked.key, "errors": errors})
            return json_answer({"errors": errors}, 422)
        async with self._turns.of(asked.body["orderId"]):
            return await self._take(asked)

    async def _take(self, asked: Asked) -> web.Response:
        order = asked.body
        ref = partner_ref(self._installer.meter_series, order["orderId"])
        known = self._digests.get(asked.key)
        if known is not None and known != asked.digest:
            await self.ledger.append("refused", {"status": 409, "key": asked.key})
            return problem(409, "This Idempotency-Key was used with another content")
        if known is not None:
            await self.ledger.append("repeat", {"key": asked.key, "order_id": order["orderId"]})
            return json_answer({"partnerRef": ref})
        plan = self._plan(order, asked.key)
        await self.ledger.append(
            "order",
            {
                "key": asked.key,
                "order_id": order["orderId"],
                "revision": order["revision"],
                "action": order["action"],
                "partner_ref": ref,
                "body_sha256": asked.digest,
                "plan": plan,
                "body": order,
            },
        )
        return json_answer({"partnerRef": ref}, 201)

    def _plan(self, order: dict[str, Any], key: str) -> Plan:
        usual, faults = self._installer, self._faults.now
        if order["action"] == "CANCEL":
            return make_cancel_plan(usual, faults)
        if usual.past_wave and order.get("wave") == usual.past_wave:
            return make_past_plan(self._seed, key, datetime.now(UTC))
        asks = fields.value_at(order, "site.presenceRequired") is True
        return make_plan(usual, faults, self._seed, key, asks=asks)

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] == "order":
            order_id = entry["order_id"]
            self._digests[entry["key"]] = entry["body_sha256"]
            job = self._jobs.setdefault(order_id, Job(order_id, entry["partner_ref"]))
            if job.take_order(entry):
                self._crews.plan(job)
        elif entry["kind"] in ("ack", "ack_answer"):
            self._crews.remember(entry)


def check_order(order: dict[str, Any], key: str) -> list[Error]:
    """One error per field that is missing or wrong; a cancellation needs the first three only."""
    errors = fields.check_fields(order, ALWAYS)
    if order.get("action") != "CANCEL":
        errors += fields.check_fields(order, UNLESS_CANCELLED)
        if order.get("orderType") in NEEDS_NEW_METER:
            errors += fields.check_fields(order, (fields.listing("newMeter.allowedModels", 1),))
    wanted = f"{order.get('orderId')}-{order.get('revision')}"
    if not errors and key != wanted:
        message = f"Idempotency-Key must be {wanted}"
        errors.append({"field": "Idempotency-Key", "code": "INVALID", "message": message})
    return errors


def partner_ref(series: str, order_id: str) -> str:
    """The installer's own name for an order: the same for each of its revisions."""
    return f"VM-{series}-{hashlib.sha256(order_id.encode()).hexdigest()[:10].upper()}"
