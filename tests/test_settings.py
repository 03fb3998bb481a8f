"""The settings name every fault at once, and .env.example says all that there is to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, SettingsInvalid, env_example, load_settings
from tests.conftest import test_settings

ROOT = Path(__file__).resolve().parent.parent


def test_env_example_is_the_one_that_the_settings_make() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == env_example()


def test_all_missing_names_are_reported_at_once() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({})
    required = [name for name, field in Settings.model_fields.items() if field.is_required()]
    assert len(required) > 10
    for name in required:
        assert f"TIEDOLLA_{name.upper()}: missing" in str(caught.value)


def test_wrong_values_and_weak_secrets_are_named_without_their_content() -> None:
    environ = _environ() | {"TIEDOLLA_SECRET_KEY": "short-and-secret", "TIEDOLLA_LEASE_S": "soon"}
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environ)
    assert "TIEDOLLA_LEASE_S" in str(caught.value)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environ | {"TIEDOLLA_LEASE_S": "60"})
    assert "TIEDOLLA_SECRET_KEY: shorter" in str(caught.value)
    assert "short-and-secret" not in str(caught.value)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 40 + "\n", "utf-8")
    environ = _environ()
    del environ["TIEDOLLA_SECRET_KEY"]
    settings = load_settings(environ | {"TIEDOLLA_SECRET_KEY_FILE": str(secret)})
    assert settings.secret_key.get_secret_value() == "s" * 40
    with pytest.raises(SettingsInvalid, match="TIEDOLLA_SECRET_KEY_FILE"):
        load_settings(environ | {"TIEDOLLA_SECRET_KEY_FILE": str(tmp_path / "nowhere")})


def test_partner_tokens_are_a_json_object() -> None:
    settings = load_settings(_environ() | {"TIEDOLLA_PARTNER_TOKENS": '{"voima": "t"}'})
    assert settings.partner_tokens["voima"].get_secret_value() == "t"
    with pytest.raises(SettingsInvalid, match="TIEDOLLA_PARTNER_TOKENS"):
        load_settings(_environ() | {"TIEDOLLA_PARTNER_TOKENS": "voima=t"})


def test_secrets_do_not_show_in_a_log_of_the_settings() -> None:
    settings = test_settings()
    assert settings.secret_key.get_secret_value() not in repr(settings)


def test_an_address_may_end_with_a_slash_but_not_lack_its_scheme() -> None:
    address = {"TIEDOLLA_BASE_URL": "https://verkko.example/"}
    assert load_settings(_environ() | address).base_url == "https://verkko.example"
    with pytest.raises(SettingsInvalid, match=r"TIEDOLLA_NIS_URL: .*http"):
        load_settings(_environ() | {"TIEDOLLA_NIS_URL": "nis.example"})


def _environ() -> dict[str, str]:
    required = [name for name, field in Settings.model_fields.items() if field.is_required()]
    values = {name: "http://x.example" if name.endswith("_url") else "x" * 10 for name in required}
    return {f"TIEDOLLA_{name.upper()}": value for name, value in values.items()} | {
        "TIEDOLLA_SECRET_KEY": "k" * 40,
        "TIEDOLLA_PARTNER_KEY": "p" * 40,
    }


@pytest.mark.parametrize(
    ("name", "value", "ok"),
    [
        ("sms_sender", "Verkkoyhtio", True),
        ("sms_sender", "+358454900900", True),
        ("sms_sender", "Verkkoyhtiö", False),
        ("sms_sender", "Verkko Oy Ab 1", False),
        ("sms_two_way_sender", "", True),
        ("sms_two_way_sender", "18123", True),
        ("sms_two_way_sender", "Verkko", False),
    ],
)
def test_req_28_29_a_sender_that_operators_would_drop_is_refused(
    name: str, value: str, ok: bool
) -> None:
    given = _environ() | {"TIEDOLLA_SMS_SENDER": "Verkko", f"TIEDOLLA_{name.upper()}": value}
    if ok:
        assert getattr(load_settings(given), name) == value
        return
    with pytest.raises(SettingsInvalid, match=f"TIEDOLLA_{name.upper()}: "):
        load_settings(given)
