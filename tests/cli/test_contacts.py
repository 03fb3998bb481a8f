"""`flask contacts opt-out` stops messages to an address and says what it did."""

from __future__ import annotations

from flask import Flask

from tests.services.world import MAIL, PHONE, ledger, scalar, settle_in, tell


def test_an_opt_out_stops_what_waits_and_is_audited(app: Flask) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
    answer = app.test_cli_runner().invoke(
        args=["contacts", "opt-out", "040 123 4567", "--topic", "METER_SWAP"]
    )
    assert answer.exit_code == 0, answer.output
    assert "1 contacts, 1 preferences switched off, 1 waiting messages stopped." in answer.output
    with app.app_context():
        assert ledger()[0].suppress_reason == "OPTED_OUT"
        assert scalar("SELECT action FROM audit_entry") == "OPT_OUT"
        assert PHONE not in scalar("SELECT subject || detail::text FROM audit_entry")


def test_every_topic_ends_when_none_is_named(app: Flask) -> None:
    with app.app_context():
        settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL")
    answer = app.test_cli_runner().invoke(args=["contacts", "opt-out", MAIL])
    assert answer.exit_code == 0
    with app.app_context():
        assert scalar("SELECT bool_or(enabled) FROM preference") is False
        assert scalar("SELECT count(*) FROM preference") == 6


def test_an_address_that_nobody_has_is_said(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["contacts", "opt-out", "nobody@example.fi"])
    assert answer.exit_code == 1
    assert "no customer has that number or address" in answer.output
