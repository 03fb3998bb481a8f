"""POST and GET /api/v1/planned-cuts: planners' systems ask for cuts and see what became of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
import structlog
from flask import Response, json
from flask_smorest import Blueprint
from sqlalchemy.orm import Session

from app.api import problems
from app.api.openapi import URL_PREFIX, ProblemDocument
from app.api.partner_request import SIGNED_HEADERS, read_signed, refused
from app.api.problems import Problem
from app.db import transaction
from app.domain.point_list import POINT_FINDINGS
from app.domain.working_days import latest_notice_at
from app.services import partner_credentials, planned_requests
from app.services.holiday_calendar import days_off
from app.services.partner_credentials import CredentialInvalid, Key
from app.services.planned_requests import Taken
from app.services.planned_rows import PlanRefused
from integrations.outcomes import Finding
from integrations.planner.codec import RequestInvalid, parse_request
from integrations.planner.types import PlannedCutRequest

log = structlog.get_logger()

REALM = "planned-cuts"
BODY_MAX_BYTES = 2 * 1024 * 1024
_NAME_CHARS = 60

blueprint = Blueprint(
    "planned-cuts",
    __name__,
    url_prefix=URL_PREFIX,
    description="Planned cuts, asked for by planners' systems and approved by the company.",
)
problems.cover(blueprint)

# What a refusal answers: the status, the field where it shows, and what to do.
_REFUSED: dict[str, tuple[int, str, str]] = {
    "STALE_VERSION": (409, "$.version", "A later version of this reference was taken before."),
    "VERSION_CONFLICT": (409, "$.version", "This version was sent with another content."),
    "ALREADY_TOLD": (409, "$.reference", "Customers know of it: ask the operators to change it."),
    "TIMES_INVALID": (422, "$.to", "The end must be after the beginning."),
    "TOO_LONG": (422, "$.to", "A cut can last 14 days at most."),
    "IN_THE_PAST": (422, "$.from", "The cut must begin in the future."),
    "CAUSE_UNKNOWN": (422, "$.causeCode", "Use MAINTENANCE, BUILDING, CLEARING or METER_WORK."),
}


class PointFound(ma.Schema):
    """One number that was not taken as it stood, or that deserves a look."""

    place = ma.fields.Integer(
        required=True, metadata={"description": "1 for the first of points, 0 for none of them"}
    )
    given = ma.fields.String(required=True)
    code = ma.fields.String(required=True, metadata={"description": "stable code"})
    message = ma.fields.String(required=True)


class PlannedCutStatus(ma.Schema):
    """The cut as it is now."""

    reference = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    state = ma.fields.String(
        required=True,
        metadata={"description": "DRAFT, APPROVED, ANNOUNCED, RESCHEDULED, REMINDED, ONGOING, …"},
    )
    plannedFrom = ma.fields.DateTime(required=True)
    plannedTo = ma.fields.DateTime(required=True)
    pointCount = ma.fields.Integer(required=True)
    latestNoticeAt = ma.fields.DateTime(
        required=True, metadata={"description": "until when it can be announced in time"}
    )
    toldAt = ma.fields.DateTime(
        required=True, allow_none=True, metadata={"description": "when customers were last told"}
    )
    findings = ma.fields.List(ma.fields.Nested(PointFound), required=True)


_ERRORS = {
    400: "the body is no JSON object",
    401: "the key, the token or the signature is wrong, or the timestamp is too far off",
    403: "the partner is not active, or may not ask for planned cuts",
    409: "an older version, another content under the same version, or customers know of it",
    413: "the body is larger than 2 MiB",
    415: "the body is not application/json, or it is compressed",
    422: "fields are missing or wrong; errors says which",
    500: "a fault of ours; send it again later",
    503: "we cannot store anything for a moment; send it again after Retry-After",
}
_READ_ERRORS = {code: _ERRORS[code] for code in (401, 403, 500, 503)} | {
    404: "you have sent no cut of this reference"
}


def _operation(name: str, summary: str, description: str, errors: dict[int, str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": description,
        "operationId": name,
        "security": [{"bearer": []}],
        "parameters": SIGNED_HEADERS,
        "responses": {
            str(status): {
                "description": words,
                "content": {problems.MEDIA_TYPE: {"schema": ProblemDocument}},
            }
            for status, words in errors.items()
        },
    }


def send_planned_cut() -> Response:
    """Take one plan as a draft."""
    now = datetime.now(UTC)
    key, body = read_signed(REALM, BODY_MAX_BYTES, now)
    try:
        return _take(key, body, now)
    except CredentialInvalid as error:
        raise refused(REALM, error) from None


def get_planned_cut(reference: str) -> Response:
    """Tell what became of the partner's own plan."""
    now = datetime.now(UTC)
    key, _ = read_signed(REALM, BODY_MAX_BYTES, now)
    try:
        with transaction() as session:
            _admit(session, key)
            taken = planned_requests.find_request(session, key.partner_code, reference)
            if taken is None:
                raise Problem(404, "NOT_FOUND", "You have sent no cut of this reference.")
            return _answer(taken, 200)
    except CredentialInvalid as error:
        raise refused(REALM, error) from None


def _take(key: Key, body: bytes, now: datetime) -> Response:
    try:
        request = parse_request(body)
    except RequestInvalid as error:
        _keep_refused(key, "unreadable", body, planned_requests.first_code(error), now)
        status, code = (400, "JSON_MALFORMED") if error.malformed else (422, "REQUEST_INVALID")
        raise Problem(status, code, "Put it right and send it.", errors=error.findings) from None
    try:
        with transaction() as session:
            _admit(session, key)
            taken = planned_requests.take_request(session, key.partner_code, request, body, now)
            answer = _answer(taken, 201 if taken.verdict == "NEW" else 200)
    except PlanRefused as error:
        raise _not_taken(key, request, body, error, now) from None
    log.info(
        "planned_cut_received",
        partner=key.partner_code,
        reference=request.reference,
        verdict=taken.verdict,
    )
    return answer


def _admit(session: Session, key: Key) -> None:
    partner_credentials.admit(session, key)
    if not planned_requests.may_plan(session, key.partner_code):
        raise Problem(403, "NOT_A_PLANNER", "This partner may not ask for planned cuts.")


def _not_taken(
    key: Key, request: PlannedCutRequest, body: bytes, error: PlanRefused, now: datetime
) -> Problem:
    status, field, words = _REFUSED.get(error.code, (422, "$", error.code))
    _keep_refused(key, request.reference, body, error.code, now)
    return Problem(status, error.code, words, errors=(Finding(field, error.code, words),))


def _keep_refused(key: Key, name: str, body: bytes, code: str, now: datetime) -> None:
    with transaction() as session:
        _admit(session, key)
        planned_requests.keep_refused(
            session, key.partner_code, name[:_NAME_CHARS], body, code, now
        )


def _answer(taken: Taken, status: int) -> Response:
    plan = taken.plan
    latest = latest_notice_at(plan.from_at, days_off(plan.from_at))
    body = {
        "reference": plan.outage.source_ref,
        "version": plan.outage.source_version,
        "state": plan.outage.state,
        "plannedFrom": plan.from_at.astimezone(UTC).isoformat(),
        "plannedTo": plan.to_at.astimezone(UTC).isoformat(),
        "pointCount": taken.point_count,
        "latestNoticeAt": latest.isoformat(),
        "toldAt": plan.cut.told_at.isoformat() if plan.cut.told_at else None,
        "findings": [
            {
                "place": finding.line,
                "given": finding.given,
                "code": finding.code,
                "message": POINT_FINDINGS[finding.code].en,
            }
            for finding in taken.findings
        ],
    }
    return Response(json.dumps(body), status, mimetype="application/json")


_SEND = {
    **_operation(
        "sendPlannedCut",
        "Ask for a planned cut",
        "It becomes a draft that the company approves. The same body again is answered 200 and does"
        " nothing; a higher version replaces a draft that customers do not know of.",
        _ERRORS,
    ),
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PlannedCutRequest"}}
        },
    },
}
_SEND["responses"]["200"] = {
    "description": "It was taken before, or replaced an earlier version.",
    "content": {"application/json": {"schema": PlannedCutStatus}},
}
_GET = _operation(
    "getPlannedCut", "See what became of a planned cut", "Only your own.", _READ_ERRORS
)

blueprint.route("/planned-cuts", methods=["POST"])(
    blueprint.doc(**_SEND)(
        blueprint.response(201, PlannedCutStatus, description="It is a draft.")(send_planned_cut)
    )
)
blueprint.route("/planned-cuts/<string:reference>", methods=["GET"])(
    blueprint.doc(**_GET)(
        blueprint.response(200, PlannedCutStatus, description="The cut as it is.")(get_planned_cut)
    )
)
