"""`flask doctor` names what is missing and how to mend it."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask

from app.db import db, transaction
from app.doorbell import queue_of
from app.factory import create_app
from tests.conftest import test_settings
from tests.services.routing_world import add_partner
from workers.cli import LaneWorker


def test_a_partner_without_a_token_and_a_key_that_is_none_are_found(
    app: Flask, postgres_url: str, redis_url: str
) -> None:
    with app.app_context(), transaction() as session:
        add_partner(session, "files", transport="SFTP", base_url="")
    lines = _doctor(postgres_url, redis_url, partner_tokens={}, sendgrid_event_public_key="none")
    assert "FAIL  partners: no token for voima" in lines
    assert any("TIEDOLLA_PARTNER_TOKENS" in line for line in lines)
    assert any(line.startswith("FAIL  SendGrid's event key:") for line in lines)


def test_what_is_well_is_said_to_be_so(app: Flask, postgres_url: str, redis_url: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    encoded = base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    lines = _doctor(postgres_url, redis_url, sendgrid_event_public_key=encoded.decode())
    assert "ok    partners: a token for each: voima" in lines
    assert "ok    SendGrid's event key: is a P-256 public key" in lines
    assert any(line.startswith("ok    PostgreSQL") for line in lines)
    assert any(line.startswith("ok    Redis") for line in lines)
    assert any(line.startswith("FAIL  dispatcher: none is running") for line in lines)


def test_req_28_a_sender_that_nobody_authorised_is_found(
    app: Flask, postgres_url: str, redis_url: str
) -> None:
    lines = _doctor(
        postgres_url,
        redis_url,
        sms_two_way_sender="+358454900900",
        sms_authorised_senders="Verkko, Other",
    )
    assert "FAIL  SMS senders: not authorised: +358454900900" in lines
    assert any("TIEDOLLA_SMS_AUTHORISED_SENDERS" in line for line in lines)
    assert "ok    SMS senders: all authorised" in _doctor(postgres_url, redis_url)
    # In production an empty list means that nobody has authorised anything.
    lines = _doctor(postgres_url, redis_url, environment="production")
    assert "FAIL  SMS senders: not authorised: Verkko" in lines


def test_a_worker_that_has_only_waited_so_far_is_there(
    app: Flask, postgres_url: str, redis_url: str
) -> None:
    with app.app_context():
        waiting = LaneWorker([queue_of("nis")], connection=queue_of("nis").connection)
        waiting.register_birth()
        lines = _doctor(postgres_url, redis_url)
        (missing,) = [line for line in lines if line.startswith("FAIL  workers: none for ")]
        assert "dms" in missing.split()
        assert "nis" not in missing.split()
        waiting.register_death()
        assert "nis" in str(_doctor(postgres_url, redis_url)).split()


def _doctor(postgres_url: str, redis_url: str, **changes: object) -> list[str]:
    addresses = {
        f"{name}_url": "http://127.0.0.1:1" for name in ("nis", "dms", "billing", "twilio")
    }
    settings = test_settings(
        database_url=postgres_url,
        redis_url=redis_url,
        sendgrid_url="http://127.0.0.1:1",
        **addresses,
        **changes,
    )
    patient = create_app(settings)
    answer = patient.test_cli_runner().invoke(args=["doctor"])
    with patient.app_context():
        db.engine.dispose()
    assert answer.exit_code == 1
    return answer.output.splitlines()
