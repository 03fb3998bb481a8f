"""The description of the API, OpenAPI 3.1, made from the very types that read the requests."""

from __future__ import annotations

import marshmallow as ma
import msgspec
from flask import Blueprint, Flask, Response, json
from flask_smorest import Api

from app.api import problems
from app.settings import Settings
from integrations.dms.outage_types import DmsMessage
from integrations.head_end.types import MeterEvents
from integrations.installer.ack_types import InstallerAck
from integrations.meter_maker.types import MeterDelivery
from integrations.planner.types import PlannedCutRequest
from integrations.runner_api.types import ClaimAsked, Heartbeat, Report, Settlements

URL_PREFIX = "/api/v1"
_VERSION = "1.0.0"
_REFERENCE = "#/components/schemas/{name}"


_PROCESS_PARAMS = {
    "type": "object",
    "title": "ProcessParams",
    "description": "what the process is told; up to 50 plain values",
    "maxProperties": 50,
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}


class FieldProblem(ma.Schema):
    """One field that was not as it should be."""

    field = ma.fields.String(required=True, metadata={"description": "JSONPath of the field"})
    code = ma.fields.String(required=True, metadata={"description": "stable code"})
    message = ma.fields.String(required=True, metadata={"description": "what to do about it"})


class ProblemDocument(ma.Schema):
    """The body of every error (RFC 9457), with a stable code."""

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    code = ma.fields.String(required=True, metadata={"description": "stable code"})
    detail = ma.fields.String(required=True, metadata={"description": "a sentence in English"})
    errors = ma.fields.List(ma.fields.Nested(FieldProblem))


class PartnerApi(Api):
    """flask-smorest's description, with our own errors in place of its JSON."""

    ERROR_SCHEMA = ProblemDocument
    # Each operation lists the errors that it can answer; a catch-all would say less.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to the blueprints: smorest would take those of the web pages as well."""


def make_api(app: Flask) -> PartnerApi:
    """The description to which blueprints add their operations."""
    settings: Settings = app.extensions["tiedolla_settings"]
    api = PartnerApi(
        app,
        spec_kwargs={
            "title": "Tiedolla partner interface",
            "version": _VERSION,
            "openapi_version": "3.1.0",
            "info": {
                "description": "How partners report field work. Errors are problem+json.",
                "license": {"name": "Only for partners under contract"},
            },
            "servers": [{"url": settings.base_url}],
        },
    )
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    _, components = msgspec.json.schema_components(
        [
            InstallerAck,
            PlannedCutRequest,
            DmsMessage,
            MeterEvents,
            MeterDelivery,
            Heartbeat,
            ClaimAsked,
            Settlements,
            Report,
        ],
        ref_template=_REFERENCE,
    )
    for name, component in components.items():
        api.spec.components.schema(name, component)
    api.spec.components.schema("ProcessParams", _PROCESS_PARAMS)
    return api


def serve(app: Flask, api: PartnerApi) -> None:
    """Serve the description; it is the same for everybody until the next release."""
    body = json.dumps(api.spec.to_dict())
    docs = Blueprint("api_docs", __name__, url_prefix=URL_PREFIX)
    problems.cover(docs)

    @docs.get("/openapi.json")
    def openapi() -> Response:
        return Response(body, mimetype="application/json")

    app.register_blueprint(docs)
