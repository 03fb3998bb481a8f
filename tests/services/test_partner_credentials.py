"""A partner's keys follow from one setting and the partner's row; nothing secret is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import AuditEntry
from app.services import partner_credentials
from app.services.partner_credentials import CredentialInvalid, PartnerUnknown
from app.settings import Settings

KEY = "k" * 32
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_token_and_secret_differ_from_each_other_and_from_key_to_key() -> None:
    names = [f"{code}.{generation}" for code in ("voima", "other") for generation in (1, 2)]
    keys = [partner_credentials.derive(KEY, name) for name in names]
    assert len({value for key in keys for value in (key.token, key.secret)}) == 8
    assert partner_credentials.derive(KEY, "voima.1") == keys[0]
    assert partner_credentials.derive("x" * 32, "voima.1") != keys[0]


def test_secrets_do_not_show_in_texts() -> None:
    key = partner_credentials.derive(KEY, "voima.1")
    assert key.token not in repr(key)
    assert key.secret not in repr(key)


@pytest.mark.parametrize("name", ["voima", "voima.0", "voima.01", ".1", "voima.1 ", "v\x00.1"])
def test_a_name_that_we_never_gave_is_no_key_even_with_its_right_token(name: str) -> None:
    token = partner_credentials.derive(KEY, name).token
    with pytest.raises(CredentialInvalid):
        partner_credentials.recognise(KEY, name, f"Bearer {token}")


def test_rotating_is_recorded_with_who_did_it(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            assert partner_credentials.rotate(session, "voima", "staff:armi", NOW) == 2
        entry = db.session.execute(select(AuditEntry)).scalar_one()
        assert (entry.actor, entry.action, entry.subject) == (
            "staff:armi",
            "PARTNER_KEY_ROTATED",
            "partner:voima",
        )
        with pytest.raises(PartnerUnknown), transaction() as session:
            partner_credentials.rotate(session, "nobody", "staff:armi", NOW)
        db.session.remove()


def test_the_commands_print_rotate_and_revoke(app: Flask) -> None:
    runner = app.test_cli_runner()
    printed = runner.invoke(args=["partners", "credential", "voima", "--json"])
    settings: Settings = app.extensions["tiedolla_settings"]
    key = partner_credentials.derive(settings.partner_key.get_secret_value(), "voima.1")
    assert json.loads(printed.output) == {
        "key_id": "voima.1",
        "token": key.token,
        "secret": key.secret,
    }
    assert key.secret in runner.invoke(args=["partners", "credential", "voima"]).output
    assert "voima.2" in runner.invoke(args=["partners", "rotate", "voima"]).output
    assert "back to voima.1" in runner.invoke(args=["partners", "list"]).output
    assert "voima.2" in runner.invoke(args=["partners", "revoke", "voima"]).output
    refused = runner.invoke(args=["partners", "credential", "nobody"])
    assert refused.exit_code == 1
    assert "no partner 'nobody'" in refused.output


def test_nothing_secret_reaches_the_database(app: Flask) -> None:
    app.test_cli_runner().invoke(args=["partners", "rotate", "voima"])
    settings: Settings = app.extensions["tiedolla_settings"]
    partner_key = settings.partner_key.get_secret_value()
    with app.app_context():
        rows = db.session.execute(text("SELECT partner::text FROM partner")).scalars()
        audits = db.session.execute(text("SELECT audit_entry::text FROM audit_entry")).scalars()
        stored = " ".join([*rows, *audits])
        for generation in (1, 2):
            key = partner_credentials.derive(partner_key, f"voima.{generation}")
            assert key.token not in stored
            assert key.secret not in stored
        db.session.remove()
