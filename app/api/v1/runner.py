"""POST /api/v1/runner/…: a lane runner in another network beats, claims and settles.

Every call may be repeated: a claim is answered with the same items, a settlement with ALREADY.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import marshmallow as ma
import msgspec
import structlog
from flask import Response, current_app
from flask_smorest import Blueprint
from sqlalchemy.orm import Session

from app.api import problems
from app.api.openapi import URL_PREFIX
from app.api.partner_request import read_signed_by, refused
from app.api.problems import Problem
from app.api.v1.signed_feed import operation
from app.db import transaction
from app.domain.lanes import NOTICE_LANES
from app.models.zone import LaneRunner
from app.services import (
    lane_runners,
    provider_routes,
    runner_files,
    runner_lists,
    runner_reports,
    zone_credentials,
)
from app.services.lane_runners import RunnerRefused
from app.services.partner_credentials import CredentialInvalid
from app.services.zone_credentials import ZoneKey
from app.settings import Settings
from integrations.outcomes import plain
from integrations.runner_api.types import (
    FILE_MOST_BYTES,
    Beat,
    Claim,
    ClaimAsked,
    FileTaken,
    FileTold,
    Heartbeat,
    Item,
    LaneState,
    Report,
    Result,
    Settled,
    Settlements,
    Standing,
)

log = structlog.get_logger()

BODY_MAX_BYTES = 2 * 1024 * 1024
REALM = "runner"
# A file of FILE_MOST_BYTES in base64, and what is around it.
FILE_BODY_MAX_BYTES = FILE_MOST_BYTES * 4 // 3 + 64 * 1024
T = TypeVar("T", Heartbeat, ClaimAsked, Settlements, FileTold)

blueprint = Blueprint(
    "runner",
    __name__,
    url_prefix=f"{URL_PREFIX}/runner",
    description="For lane runners of our own in other networks; partners have no use for it.",
)
problems.cover(blueprint)


class Answer(ma.Schema):
    """Our clock, the lease, and what was asked for."""

    standing = ma.fields.Dict(required=True)


def beat() -> Response:
    """Note that a runner is there, and tell it which lanes are its zone's."""

    def act(session: Session, key: ZoneKey, told: Heartbeat, now: datetime) -> object:
        row = lane_runners.beat(session, key.zone, told, _settings(), now)
        lanes = [
            LaneState(
                name=one.name,
                mode=_mode(one.mode),
                width=one.width,
                due=one.due,
                paused=one.paused,
            )
            for one in lane_runners.lanes_of(session, key.zone, now)
        ]
        folders = runner_files.look_after(session, key.zone, told, _settings(), now)
        lists = runner_lists.look_after(session, key.zone, told, _settings(), now)
        asked = runner_lists.wanted(session, key.zone, _settings())
        return Beat(
            standing=_standing(row, now), lanes=lanes, folders=folders, lists=lists, asked=asked
        )

    return _answer(Heartbeat, act)


def claim() -> Response:
    """Hand over items of one lane of the runner's zone."""

    def act(session: Session, key: ZoneKey, told: ClaimAsked, now: datetime) -> object:
        row = lane_runners.speaks(session, key.zone, told.runner, told.boot, _settings(), now)
        runner_reports.recall(session, row, told, _settings(), now)
        handed = lane_runners.claim(session, row, told, _settings(), now)
        width = next(
            (
                one.width
                for one in lane_runners.lanes_of(session, key.zone, now)
                if one.name == told.lane
            ),
            1,
        )
        ways = _ways(session, told.lane, {one.route for one in handed})
        items = [
            Item(
                attempt=one.attempt_id,
                key=one.item.wire_key,
                version=one.item.version,
                kind=one.item.kind,
                payload=one.item.payload,
                begin_within_s=_within(one.begin_until, now),
                adapter=ways.get(one.route, {}).get("adapter"),
                account=ways.get(one.route, {}).get("account"),
            )
            for one in handed
        ]
        log.info("runner_claimed", zone=key.zone, lane=told.lane, count=len(items))
        return Claim(standing=_standing(row, now), width=width, items=items)

    return _answer(ClaimAsked, act)


def settle() -> Response:
    """Take in how attempts ended; a process that was replaced may still tell."""

    def act(session: Session, key: ZoneKey, told: Settlements, now: datetime) -> object:
        row = lane_runners.speaks(session, key.zone, told.runner, None, _settings(), now)
        read = [_report(raw) for raw in told.reports]
        reports = [one for one in read if isinstance(one, Report)]
        became = iter(runner_reports.settle(session, row, reports, _settings(), now))
        results = [
            Result(attempt=str(one.attempt), result=_result(next(became)))
            if isinstance(one, Report)
            else one
            for one in read
        ]
        return Settled(standing=_standing(row, now), results=results)

    return _answer(Settlements, act)


def file() -> Response:
    """Keep a file from the folder of a partner of the runner's zone."""

    def act(session: Session, key: ZoneKey, told: FileTold, now: datetime) -> object:
        row = lane_runners.speaks(session, key.zone, told.runner, told.boot, _settings(), now)
        if told.document == "list":
            result = runner_lists.take(session, row, told, _settings(), now)
        else:
            result = runner_files.take(session, row, told, now)
        log.info("runner_file", zone=key.zone, lane=told.lane, result=result)
        return FileTaken(standing=_standing(row, now), result=_result(result))

    return _answer(FileTold, act, FILE_BODY_MAX_BYTES)


def _answer(
    kind: type[T],
    act: Callable[[Session, ZoneKey, T, datetime], object],
    most_bytes: int = BODY_MAX_BYTES,
) -> Response:
    now = datetime.now(UTC)
    key, body = read_signed_by(
        REALM, most_bytes, now, zone_credentials.recognise, lambda key: key.secret
    )
    try:
        told = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, "BODY_INVALID", plain(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "JSON_MALFORMED", "The body is no JSON object.") from None
    try:
        with transaction() as session:
            zone_credentials.admit(session, key)
            answer = act(session, key, told, now)
    except CredentialInvalid as error:
        raise refused(REALM, error) from None
    except RunnerRefused as error:
        why = "Another process has this journal, or it or the folder belongs to another zone."
        raise Problem(409, error.code, why) from None
    return Response(msgspec.json.encode(answer), mimetype="application/json")


def _report(raw: msgspec.Raw) -> Report | Result:
    try:
        return msgspec.json.decode(raw, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Result(attempt=_named(raw), result="INVALID", why=plain(str(error)))


def _named(raw: msgspec.Raw) -> str:
    """The attempt of a report that cannot be read, so that its runner knows which one is meant."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return str(found.get("attempt", ""))[:36] if isinstance(found, dict) else ""


def _ways(
    session: Session, lane: str, routes: set[str | None]
) -> dict[str | None, Mapping[str, str]]:
    """The adapter and the account of each route; of a lane with one receiver there are none."""
    if lane not in NOTICE_LANES:
        return {}
    found: dict[str | None, Mapping[str, str]] = {}
    for route in routes:
        way = provider_routes.account_of(session, route) if route is not None else None
        if way is not None:
            found[route] = way
    return found


def _within(until: datetime | None, now: datetime) -> float | None:
    return None if until is None else max(0.0, (until - now).total_seconds())


def _standing(row: LaneRunner, now: datetime) -> Standing:
    return Standing(
        now=now, lease=row.lease, lease_within_s=(row.lease_until - now).total_seconds()
    )


def _mode(mode: str) -> Any:
    return mode


def _result(result: str) -> Any:
    return result


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings


for _path, _name, _view, _schema in (
    ("heartbeats", "runnerBeats", beat, "Heartbeat"),
    ("claims", "runnerClaims", claim, "ClaimAsked"),
    ("settlements", "runnerSettles", settle, "Settlements"),
    ("files", "runnerFile", file, "FileTold"),
):
    _operation = operation(
        _name,
        str(_view.__doc__).split(".", maxsplit=1)[0],
        "With a zone's key only. May be repeated; see docs/operations/lane-runner.md.",
        _schema,
    )
    _operation["responses"] |= {
        "409": {
            **_operation["responses"]["400"],
            "description": "another process speaks for this runner, or it was never heard of",
        }
    }
    blueprint.route(f"/{_path}", methods=["POST"])(
        blueprint.doc(**_operation)(blueprint.response(200, Answer, description="Done.")(_view))
    )
