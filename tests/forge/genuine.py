"""Genuine messages of every system that reports to us, as each of them signs its own."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from twilio.request_validator import RequestValidator

from app.services import partner_credentials
from app.settings import Settings
from integrations.installer.signature import sign
from tests.field_work import gsrn, make_ack

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
TWILIO_SIGNATURE = "X-Twilio-Signature"
SENDGRID_SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
SENDGRID_TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
WORDS = ("SEIS", "Stopp.", "katko 2", "Ei käy, soittakaa", "TILA", "Kiitos Elenia", "STOP Enough")


@dataclass(frozen=True, slots=True)
class Message:
    """One POST. key: who signed it, of those that the endpoint knows."""

    endpoint: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    key: str
    method: str = "POST"
    form: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """Every secret of the outside systems, and where we say that we are."""

    base_url: str
    partner_key: str
    twilio: Mapping[str, str]
    sendgrid: ec.EllipticCurvePrivateKey = field(repr=False)

    def sign_form(self, url: str, form: Mapping[str, str], account: str) -> str:
        """Twilio's signature with the secret of one account."""
        return str(RequestValidator(self.twilio[account]).compute_signature(url, form))

    def sign_events(self, timestamp: str, body: bytes) -> str:
        """SendGrid's signature."""
        raw = self.sendgrid.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(raw).decode()

    def sign_feed(self, key_id: str, timestamp: int | str, body: bytes) -> dict[str, str]:
        """What a partner or one of our own systems sends with a body."""
        key = partner_credentials.derive(self.partner_key, key_id)
        return {
            "Content-Type": JSON,
            "Authorization": f"Bearer {key.token}",
            "Tiedolla-Key": key_id,
            "Tiedolla-Timestamp": str(timestamp),
            "Tiedolla-Signature": sign(key.secret, timestamp, body),
        }


def keys_of(settings: Settings, sendgrid: ec.EllipticCurvePrivateKey) -> Keys:
    """The keys that fit these settings."""
    return Keys(
        settings.base_url,
        settings.partner_key.get_secret_value(),
        {
            settings.twilio_account_sid: settings.twilio_auth_token.get_secret_value(),
            settings.twilio2_account_sid: settings.twilio2_auth_token.get_secret_value(),
        },
        sendgrid,
    )


def make_genuine(endpoint: str, keys: Keys, draw: random.Random, now: datetime) -> Message:
    """A message that has never been sent before."""
    return _MAKERS[endpoint](keys, draw, now)


def sign_twilio(
    keys: Keys, path: str, query: str, form: Mapping[str, str], account: str, endpoint: str
) -> Message:
    """A form as this account of Twilio would post it."""
    url = f"{keys.base_url}{path}" + (f"?{query}" if query else "")
    headers = {"Content-Type": FORM, TWILIO_SIGNATURE: keys.sign_form(url, form, account)}
    body = urlencode(form).encode()
    return Message(endpoint, path, query, headers, body, account, form=tuple(form.items()))


def sign_json(keys: Keys, endpoint: str, path: str, key: str, at: int, value: Any) -> Message:
    """A JSON body as the holder of this key would post it."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Message(endpoint, path, "", keys.sign_feed(key, at, body), body, key)


def _twilio_status(keys: Keys, draw: random.Random, _now: datetime) -> Message:
    account, sid = draw.choice(list(keys.twilio)), _sid(draw)
    status = draw.choice(("sent", "delivered", "undelivered", "failed"))
    form = {
        "AccountSid": account,
        "ApiVersion": "2010-04-01",
        "From": "Verkkoyhtio",
        "MessageSid": sid,
        "MessageStatus": status,
        "SmsSid": sid,
        "SmsStatus": status,
        "To": _phone(draw),
        **({"ErrorCode": "30003"} if status in ("undelivered", "failed") else {}),
    }
    query = f"attempt={_uuid(draw)}"
    path = "/callbacks/twilio/status"
    return sign_twilio(keys, path, query, form, account, "twilio_status")


def _twilio_inbound(keys: Keys, draw: random.Random, _now: datetime) -> Message:
    account, sid = draw.choice(list(keys.twilio)), _sid(draw)
    form = {
        "AccountSid": account,
        "ApiVersion": "2010-04-01",
        "Body": draw.choice(WORDS),
        "From": _phone(draw),
        "FromCountry": "FI",
        "MessageSid": sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "To": "+358454900900",
        "ToCountry": "FI",
    }
    path = "/callbacks/twilio/inbound"
    return sign_twilio(keys, path, "", form, account, "twilio_inbound")


def _sendgrid_events(keys: Keys, draw: random.Random, now: datetime) -> Message:
    events = [
        {
            "event": draw.choice(("processed", "delivered", "bounce", "dropped", "open")),
            "attempt_id": _uuid(draw),
            "timestamp": int(now.timestamp()) - draw.randrange(60),
            "sg_message_id": f"{draw.getrandbits(80):x}.1",
            "sg_event_id": f"{draw.getrandbits(64):x}",
            "email": "aino@example.fi",
        }
        for _ in range(draw.randrange(1, 4))
    ]
    body, timestamp = json.dumps(events).encode(), str(int(now.timestamp()))
    headers = {
        "Content-Type": JSON,
        SENDGRID_SIGNATURE: keys.sign_events(timestamp, body),
        SENDGRID_TIMESTAMP: timestamp,
    }
    return Message("sendgrid_events", "/callbacks/sendgrid/events", "", headers, body, "sendgrid")


def _acks(keys: Keys, draw: random.Random, now: datetime) -> Message:
    order = f"A-{draw.getrandbits(60)}"
    ack = make_ack(draw.choice(("ACCEPTED", "STARTED", "COMPLETED", "FAILED")), 0, order)
    return sign_json(keys, "acks", "/api/v1/acks", "voima.1", _seconds(now), ack)


def _dms_outages(keys: Keys, draw: random.Random, now: datetime) -> Message:
    outage = {
        "sourceRef": f"F-{draw.getrandbits(60)}",
        "version": draw.randrange(1, 9),
        "kind": "FAULT",
        "statedAt": now.isoformat(),
        "startedAt": (now - timedelta(minutes=5)).isoformat(),
        "points": [{"gsrn": gsrn(number)} for number in range(1, draw.randrange(2, 6))],
    }
    value = {"outages": [outage]}
    return sign_json(keys, "dms_outages", "/api/v1/dms/outages", "dms.1", _seconds(now), value)


def _head_end(keys: Keys, draw: random.Random, now: datetime) -> Message:
    event = {
        "gsrn": gsrn(draw.randrange(1, 9)),
        "meter": f"5530-{draw.getrandbits(40)}",
        "eventCode": draw.choice(("LAST_GASP", "3.26.0.216")),
        "at": now.isoformat(),
    }
    path = "/api/v1/head-end/events"
    value = {"events": [event]}
    return sign_json(keys, "head_end_events", path, "head-end.1", _seconds(now), value)


def _planned_cuts(keys: Keys, draw: random.Random, now: datetime) -> Message:
    begin = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=20)
    cut = {
        "reference": f"WORK-{draw.getrandbits(60)}",
        "version": 1,
        "name": "Muuntamon huolto, Käpylä",
        "from": begin.isoformat(),
        "to": (begin + timedelta(hours=3)).isoformat(),
        "causeCode": "MAINTENANCE",
        "points": [gsrn(1), gsrn(2)],
    }
    return sign_json(keys, "planned_cuts", "/api/v1/planned-cuts", "voima.1", _seconds(now), cut)


def _seconds(now: datetime) -> int:
    return int(now.astimezone(UTC).timestamp())


def _sid(draw: random.Random) -> str:
    return f"SM{draw.getrandbits(128):032x}"


def _phone(draw: random.Random) -> str:
    return f"+35840{draw.randrange(10**7):07d}"


def _uuid(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


_MAKERS: Mapping[str, Callable[[Keys, random.Random, datetime], Message]] = {
    "twilio_status": _twilio_status,
    "twilio_inbound": _twilio_inbound,
    "sendgrid_events": _sendgrid_events,
    "acks": _acks,
    "dms_outages": _dms_outages,
    "head_end_events": _head_end,
    "planned_cuts": _planned_cuts,
}
ENDPOINTS = tuple(_MAKERS)
