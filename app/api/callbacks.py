"""POST /callbacks/…: what the SMS and e-mail providers report, and what people write to us.

A report is verified, stored and answered; what it changes is decided in the receipts lane. What a
signature covers is read from the settings and the request, never from the Host header.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, request

from app import clients
from app.api import problems
from app.api.problems import Problem
from app.db import transaction
from app.services import inbound_sms, receipt_store
from app.services.receipt_store import SENDGRID, TWILIO, NewReceipt
from app.settings import Settings
from integrations.sendgrid_email.codes import DROP_REASONS
from integrations.sendgrid_email.events import EventsInvalid, verify_events
from integrations.sendgrid_email.types import EmailEvent
from integrations.twilio_sms.callbacks import CallbackInvalid, verify_status_callback
from integrations.twilio_sms.inbound import verify_inbound_sms
from integrations.twilio_sms.types import TwilioAccount

log = structlog.get_logger()

FORM_MAX_BYTES = 256 * 1024
EVENTS_MAX_BYTES = 1024 * 1024
# SendGrid repeats an unanswered delivery for a day and may sign it only once. A replay within
# that time does no harm: events are told apart by their content and move nothing back.
EVENTS_WINDOW = timedelta(hours=25)
_FIELDS_MAX = 100
_EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

blueprint = Blueprint("callbacks", __name__, url_prefix="/callbacks")
problems.cover(blueprint)


@blueprint.post("/twilio/status")
def twilio_status() -> Response:
    """Take one status of one text message."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    now = datetime.now(UTC)
    body = _body(FORM_MAX_BYTES, "application/x-www-form-urlencoded")
    form = _form(body)
    account = _account_named(form, settings)
    try:
        report = verify_status_callback(
            _public_url(settings),
            form,
            request.headers.get("X-Twilio-Signature"),
            account.auth_token,
            account.account_sid,
        )
    except CallbackInvalid as error:
        raise _refused(TWILIO, error.code, error.why) from None
    receipt = NewReceipt(
        provider=TWILIO,
        dedupe_key=f"{TWILIO}:{report.attempt_id}:{report.sid}:{report.status}",
        attempt_id=UUID(report.attempt_id),
        provider_ref=report.sid,
        status=report.status,
        error_code=report.error_code,
        occurred_at=report.at,
    )
    return _stored(TWILIO, [receipt], now)


@blueprint.post("/twilio/inbound")
def twilio_inbound() -> Response:
    """Take one text message to us; what it means is found out in the replies lane.

    The answer is an empty TwiML document: what we have to say leaves like every other message.
    """
    settings: Settings = current_app.extensions["tiedolla_settings"]
    body = _body(FORM_MAX_BYTES, "application/x-www-form-urlencoded")
    form = _form(body)
    account = _account_named(form, settings)
    try:
        sms = verify_inbound_sms(
            _public_url(settings),
            form,
            request.headers.get("X-Twilio-Signature"),
            account.auth_token,
            account.account_sid,
        )
    except CallbackInvalid as error:
        raise _refused(TWILIO, error.code, error.why) from None
    with transaction() as session:
        new = inbound_sms.receive(session, sms, datetime.now(UTC))
    log.info("sms_received", sender=sms.sender[-3:], new=new)
    return Response(_EMPTY_TWIML, mimetype="text/xml")


@blueprint.post("/sendgrid/events")
def sendgrid_events() -> Response:
    """Take a batch of events about e-mails."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    now = datetime.now(UTC)
    body = _body(EVENTS_MAX_BYTES, "application/json")
    try:
        events = verify_events(
            body,
            request.headers.get("X-Twilio-Email-Event-Webhook-Signature"),
            request.headers.get("X-Twilio-Email-Event-Webhook-Timestamp"),
            settings.sendgrid_event_public_key,
            now,
            window_s=EVENTS_WINDOW.total_seconds(),
        )
    except EventsInvalid as error:
        raise _refused(SENDGRID, error.code, error.why) from None
    return _stored(SENDGRID, [_receipt_of(event) for event in events], now)


def _account_named(form: list[tuple[str, str]], settings: Settings) -> TwilioAccount:
    """The account that the form claims to come from; its own secret has to prove it."""
    claimed = next((value for name, value in form if name == "AccountSid"), None)
    accounts = clients.twilio_accounts(settings)
    return next(
        (one for one in accounts.values() if one.account_sid == claimed), accounts[clients.TWILIO]
    )


def _public_url(settings: Settings) -> str:
    """The address that the provider was given; the Host header is the caller's."""
    url = f"{settings.base_url}{request.path}"
    if request.query_string:
        url += f"?{request.query_string.decode('latin-1')}"
    return url


def _body(max_bytes: int, media_type: str) -> bytes:
    """The raw body, unless it is too large or something else."""
    if (request.content_length or 0) > max_bytes:
        raise Problem(413, "BODY_TOO_LARGE", f"The body may have {max_bytes} bytes at most.")
    # A body without a length is counted while it is read.
    request.max_content_length = max_bytes
    if request.mimetype != media_type:
        raise Problem(415, "MEDIA_TYPE_WRONG", f"Send the body as {media_type}.")
    return request.get_data(cache=False)


def _form(body: bytes) -> list[tuple[str, str]]:
    """Every pair of the form, repeated names included, as they were signed."""
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError:
        raise Problem(400, "FORM_MALFORMED", "The body is no form.") from None


def _receipt_of(event: EmailEvent) -> NewReceipt:
    return NewReceipt(
        provider=SENDGRID,
        dedupe_key=f"{SENDGRID}:{event.dedupe_key}",
        attempt_id=UUID(event.attempt_id),
        provider_ref=event.message_id,
        status=event.event,
        error_code=_detail_of(event),
        occurred_at=event.at,
    )


def _detail_of(event: EmailEvent) -> str | None:
    """The part of an event that changes its meaning; other reasons may quote an address."""
    if event.event == "bounce":
        return event.bounce_type
    reason = (event.reason or "").strip().lower()
    if event.event == "dropped":
        return reason if reason in DROP_REASONS else "other"
    return None


def _stored(provider: str, receipts: list[NewReceipt], now: datetime) -> Response:
    with transaction() as session:
        new = receipt_store.store(session, receipts, now)
    log.info("receipts_stored", provider=provider, count=len(receipts), new=new)
    return Response(status=204)


def _refused(provider: str, code: str, why: str) -> Problem:
    log.warning("callback_refused", provider=provider, code=code, address=request.remote_addr)
    status = 403 if code.startswith("SIGNATURE") or code == "STALE" else 400
    return Problem(status, code, f"{why[:1].upper()}{why[1:]}.")
