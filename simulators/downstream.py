"""The network, outage and billing systems: PUT by id, safe to repeat, guarded by version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulators import fields
from simulators.exchange import Asked, Refusal, json_answer, problem, read_asked
from simulators.faults import FaultBox
from simulators.fields import Error, Field
from simulators.ledger import Entry, Ledger
from simulators.snapshots import Kept, answer_list
from simulators.turns import Turns


@dataclass(frozen=True, slots=True)
class Resource:
    """What one system takes: its folder of ids, the id's field in the body, and the other fields.

    listed: what its list for reconciliation says of a thing, by the path of the field in the body.
    """

    system: str
    folder: str
    id_field: str
    expected: Sequence[Field]
    listed: Mapping[str, str]


NIS = Resource(
    "nis",
    "devices",
    "gsrn",
    (
        fields.gsrn("gsrn"),
        # A device with its beginning, or the end of the last one.
        fields.text("meterNumber", required=False),
        fields.text("model", required=False),
        fields.moment("installedAt", required=False),
        fields.moment("removedAt", required=False),
        fields.number("mainFuseA", required=False),
        fields.whole("phases", required=False),
        fields.whole("version"),
    ),
    {"meterNumber": "meterNumber"},
)
DMS = Resource(
    "dms",
    "swap-outages",
    "orderId",
    (
        fields.text("orderId"),
        fields.gsrn("gsrn"),
        fields.text("meterNumber", required=False),
        fields.moment("offAt", required=False),
        fields.moment("onAt", required=False),
        fields.whole("version"),
    ),
    {"meterNumber": "meterNumber"},
)
BILLING = Resource(
    "billing",
    "meter-changes",
    "orderId",
    (
        fields.text("orderId"),
        fields.gsrn("gsrn"),
        fields.moment("changedAt"),
        fields.text("oldMeter.number", required=False),
        fields.readings("oldMeter.finalReadings", required=False),
        fields.text("newMeter.number", required=False),
        fields.readings("newMeter.startReadings", required=False),
        fields.number("newMeter.multiplier", required=False),
        fields.whole("version"),
    ),
    {"oldMeterNumber": "oldMeter.number", "newMeterNumber": "newMeter.number"},
)
RESOURCES = (NIS, DMS, BILLING)


class DownstreamSystem:
    """One system that keeps the newest version of each thing it is told of.

    Ledger: `applied` (the thing changed), `ignored_older` (an older version came later),
    `repeat` (a key that was answered before), `refused` (with the errors).
    """

    def __init__(self, resource: Resource, folder: Path, token: str, faults: FaultBox) -> None:
        self._resource = resource
        self._token = token
        self._faults = faults
        self._kept: dict[str, Kept] = {}
        self._turns = Turns()
        self._by_key: dict[str, tuple[str, str, str]] = {}
        self._newest: dict[str, tuple[int, str]] = {}
        self.ledger = Ledger(resource.system, folder / f"{resource.system}.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """Where the system is told of things, and where it tells what it has."""
        resource = self._resource
        return [
            web.put(f"/{resource.system}/{resource.folder}/{{id}}", self._put),
            web.get(f"/{resource.system}/snapshot", self._list),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        name, kept = self._resource.folder, self._kept.values()
        return await answer_list(request, self._token, name, kept, self._faults.now)

    async def _put(self, request: web.Request) -> web.Response:
        try:
            asked = await read_asked(request, self._token)
        except Refusal as refusal:
            return refusal.answer
        name = request.match_info["id"]
        errors = self._check(name, asked)
        if errors:
            await self.ledger.append("refused", {"status": 422, "key": asked.key, "errors": errors})
            return json_answer({"errors": errors}, 422)
        async with self._turns.of(f"key {asked.key}"), self._turns.of(f"id {name}"):
            return await self._apply(name, asked)

    def _check(self, name: str, asked: Asked) -> list[Error]:
        errors = fields.check_fields(asked.body, self._resource.expected)
        field = self._resource.id_field
        if not errors and asked.body[field] != name:
            words = f"{field} is not the one in the URL"
            errors.append({"field": field, "code": "MISMATCH", "message": words})
        return errors

    async def _apply(self, name: str, asked: Asked) -> web.Response:
        known = self._by_key.get(asked.key)
        if known is not None:
            return await self._answer_again(asked, known)
        version = int(asked.body["version"])
        newest, digest = self._newest.get(name, (0, ""))
        ref = self._ref(name)
        if version == newest and digest != asked.digest:
            await self.ledger.append("refused", {"status": 409, "key": asked.key, "id": name})
            return problem(409, "This version was received with another content")
        kind, status = ("applied", "OK") if version > newest else ("ignored_older", "IGNORED_OLDER")
        if version == newest:
            kind, status = "repeat", "OK"
        await self.ledger.append(
            kind,
            {
                "key": asked.key,
                "id": name,
                "version": version,
                "ref": ref,
                "status": status,
                "body_sha256": asked.digest,
                "body": asked.body,
            },
        )
        return _answer(ref, status, 201 if newest == 0 else 200)

    async def _answer_again(self, asked: Asked, known: tuple[str, str, str]) -> web.Response:
        digest, ref, status = known
        if digest != asked.digest:
            await self.ledger.append("refused", {"status": 409, "key": asked.key})
            return problem(409, "This Idempotency-Key was used with another content")
        await self.ledger.append("repeat", {"key": asked.key, "ref": ref})
        return _answer(ref, status, 200)

    def _ref(self, name: str) -> str:
        """The system's own name for the thing: always the same for the same id."""
        digest = hashlib.sha256(f"{self._resource.system} {name}".encode()).hexdigest()
        return f"{self._resource.system.upper()}-{digest[:10].upper()}"

    def _remember(self, entry: Entry) -> None:
        if "body_sha256" not in entry:
            return
        digest, version = entry["body_sha256"], entry["version"]
        self._by_key[entry["key"]] = (digest, entry["ref"], entry["status"])
        if entry["kind"] == "applied":
            self._newest[entry["id"]] = (version, digest)
            record = {"id": entry["id"], "version": version}
            for name, path in self._resource.listed.items():
                value = fields.value_at(entry["body"], path)
                if value is not None:
                    record[name] = value
            self._kept[entry["id"]] = Kept(record, entry["at"])


def _answer(ref: str, status: str, code: int) -> web.Response:
    return json_answer({"ref": ref} if status == "OK" else {"ref": ref, "status": status}, code)
