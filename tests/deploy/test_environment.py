"""The settings of a rehearsal: complete, private, and never those of the person's own shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.settings import load_settings
from deploy.demo_record import ROLES, keep_logins, write_record
from deploy.environment import (
    Rehearsal,
    clean_environment,
    keep_secrets,
    product_settings,
    settings_text,
)
from tests.deploy.owners import ROOT


def test_the_settings_of_a_rehearsal_are_all_that_the_product_asks_for(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    settings = load_settings(
        product_settings(
            base_url="http://127.0.0.1:8000",
            database_url="postgresql+psycopg://nobody@/nowhere",
            redis_url="unix:///nowhere.sock",
            own_secrets=keep_secrets(tmp_path / "secrets.json"),
            rehearsal=rehearsal,
        )
    )
    assert settings.environment == "development"
    assert settings.cis_sftp_host_key.startswith("ssh-ed25519 ")
    assert settings.cis_sftp_key_file.exists()
    assert settings.twilio_url == "http://127.0.0.1:9/twilio"
    assert settings.twilio2_url == "http://127.0.0.1:9/twilio2"
    assert settings.twilio2_account_sid not in ("", settings.twilio_account_sid)


def test_secrets_and_logins_stay_the_same_and_only_we_can_read_them(tmp_path: Path) -> None:
    for keep, name in ((keep_secrets, "secrets.json"), (keep_logins, "logins.json")):
        first = keep(tmp_path / name)
        assert keep(tmp_path / name) == first
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_settings_of_the_persons_shell_do_not_reach_a_rehearsal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIEDOLLA_DATABASE_URL", "postgresql+psycopg://production")
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("LANG", "fi_FI.UTF-8")
    environment = clean_environment()
    assert not [name for name in environment if name.startswith(("TIEDOLLA_", "FLASK_"))]
    assert environment["LANG"] == "fi_FI.UTF-8"


def test_the_record_tells_a_program_all_it_needs(rehearsal: Rehearsal, tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    logins = keep_logins(tmp_path / "logins.json")
    write_record(
        path,
        base_url="http://127.0.0.1:8000",
        rehearsal=rehearsal,
        settings=tmp_path / "demo.env",
        logins=logins,
        pids={"web": 1},
    )
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_mode & 0o777 == 0o600
    keys = {"base_url", "simulator_url", "settings_file", "sftp", "logins", "pids"}
    assert set(record) == keys
    assert set(record["logins"]) == set(ROLES)
    assert Path(record["sftp"]["private_key_file"]).exists()
    assert {"host", "port", "user", "host_key", "inbox", "returns"} <= set(record["sftp"])


def test_the_settings_file_says_the_same_to_flask_and_to_a_shell(tmp_path: Path) -> None:
    settings = {"TIEDOLLA_PARTNER_TOKENS": '{"voima": "a$b`c"}', "TIEDOLLA_BRAND": "Verkko #1 yö"}
    path = tmp_path / "demo.env"
    path.write_text(settings_text(settings), encoding="utf-8")
    assert dotenv_values(path) == settings
    script = 'set -a; . "$0"; printf "%s\\0%s" "$TIEDOLLA_PARTNER_TOKENS" "$TIEDOLLA_BRAND"'
    told = subprocess.run(["sh", "-c", script, str(path)], capture_output=True, check=True).stdout
    assert told.decode().split("\0") == list(settings.values())
    with pytest.raises(ValueError, match="TIEDOLLA_BRAND"):
        settings_text({"TIEDOLLA_BRAND": "it's"})


def test_a_command_beside_throwaway_servers_gets_its_settings_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    code = (
        "import os, psycopg, redis\n"
        "url = os.environ['TIEDOLLA_DATABASE_URL']\n"
        "redis.Redis.from_url(os.environ['TIEDOLLA_REDIS_URL']).ping()\n"
        "psycopg.connect(url.replace('+psycopg', '')).execute('SELECT 1')\n"
        "print(url.split('host=')[1])\n"
        "raise SystemExit(3)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "deploy.with_servers", sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    socket_dir = Path(done.stdout.strip())
    assert not socket_dir.exists()
    assert not socket_dir.parents[1].exists()


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("simulators")
    command = [sys.executable, "-m", "simulators", "init", "--dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return Rehearsal(folder, http_port=9, sftp_port=9)
