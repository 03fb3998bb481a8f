"""The commands set up, run, send, show and disturb, with nothing of the product around them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simulators.cli import simulate
from tests.simulators.running import RunningRehearsal


def test_init_makes_a_private_configuration_with_fresh_secrets_and_shows_none(
    tmp_path: Path,
) -> None:
    results = [call("init", "--dir", str(tmp_path / name)) for name in ("a", "b")]
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("a", "b")]
    secrets = [
        (
            config["installer"]["token"],
            config["installer"]["acks"]["secret"],
            config["twilio"]["auth_token"],
            config["sendgrid"]["api_key"],
        )
        for config in configs
    ]
    assert not set(secrets[0]) & set(secrets[1])
    assert not [secret for secret in secrets[0] if secret in results[0].output]
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_init_fills_in_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    call("init", "--dir", str(tmp_path))
    config_file = tmp_path / "config.json"
    config = json.loads(config_file.read_text())
    secret = config["installer"]["acks"]["secret"]
    del config["installer"]["acks"]["token"], config["nis"]
    config["installer"]["fail_ratio"] = 0.5
    config_file.write_text(json.dumps(config))
    host_key = (tmp_path / "keys" / "sftp_host_ed25519").read_bytes()
    call("init", "--dir", str(tmp_path), "--tiedolla-url", "http://127.0.0.1:8123")
    again = json.loads(config_file.read_text())
    assert again["installer"]["acks"]["secret"] == secret
    assert again["installer"]["acks"]["token"]
    assert again["nis"]["token"]
    assert again["installer"]["fail_ratio"] == 0.5
    assert again["tiedolla_base_url"] == "http://127.0.0.1:8123"
    assert (tmp_path / "keys" / "sftp_host_ed25519").read_bytes() == host_key


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[]", "JSON object"),
        ("{", "not JSON"),
        ('{"twilio": {"sent_after_s": 3}}', "twilio.sent_after_s"),
        ('{"tiedolla_base_url": 3}', "tiedolla_base_url"),
        ('{"installer": {"fail_ratio": -1}}', "installer.fail_ratio"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "config.json").write_text(text)
    result = CliRunner().invoke(simulate, ["init", "--dir", str(tmp_path)])
    assert result.exit_code == 1
    assert word in result.output


def test_a_second_rehearsal_on_the_same_folder_is_refused(shared: RunningRehearsal) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "simulators", "run", "--dir", str(shared.folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 1
    assert "another rehearsal" in second.stderr


def test_a_rehearsal_ends_cleanly_on_sigterm_and_starts_again(
    rehearsal: RunningRehearsal,
) -> None:
    assert rehearsal.stop() == 0
    rehearsal.start()
    output = (rehearsal.folder / "output").read_text()
    assert output.count("simulators ready") == 2
    assert "Traceback" not in output


def test_files_travel_over_sftp_into_the_inbox(shared: RunningRehearsal) -> None:
    where = ("--dir", str(shared.folder))
    master = call("cis", "master-data", *where, "--points", "20").output.split()
    one_file = call("cis", "orders", *where, "--count", "3").output.split()
    files = call("cis", "orders", *where, "--count", "3", "--files").output.split()
    assert (len(master), len(one_file), len(files)) == (1, 1, 3)
    inbox = shared.folder / "sftp" / "inbox"
    assert {*master, *one_file, *files} == {path.name for path in inbox.iterdir()}
    noted = {one["name"] for one in shared.ledger("cis", "put")}
    assert noted == {*master, *one_file, *files}


def test_any_file_is_dropped_as_it_is_and_never_twice(
    shared: RunningRehearsal, tmp_path: Path
) -> None:
    path = tmp_path / "odd.xml"
    path.write_bytes(b"\xef\xbb\xbfnot xml \x00")
    call("cis", "drop", "--dir", str(shared.folder), str(path))
    assert (shared.folder / "sftp" / "inbox" / "odd.xml").read_bytes() == path.read_bytes()
    again = CliRunner().invoke(simulate, ["cis", "drop", "--dir", str(shared.folder), str(path)])
    assert again.exit_code == 1
    assert "exists" in again.output


def test_files_go_to_any_server_that_shows_the_pinned_key(shared: RunningRehearsal) -> None:
    keys = shared.folder / "keys"
    options = ["cis", "orders", "--count", "1", "--sftp-port", str(shared.sftp_port)]
    options += ["--sftp-key", str(keys / "tiedolla_ed25519"), "--sftp-host-key"]
    assert len(call(*options, str(keys / "sftp_host_ed25519.pub")).output.split()) == 1
    wrong = CliRunner().invoke(simulate, [*options, str(keys / "tiedolla_ed25519.pub")])
    assert wrong.exit_code == 1
    assert "key" in wrong.output.lower()


def test_files_are_written_locally_without_any_server(tmp_path: Path) -> None:
    names = call("cis", "orders", "--count", "2", "--files", "--out", str(tmp_path)).output.split()
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_two_calls_make_new_order_ids_unless_the_prefix_is_given(tmp_path: Path) -> None:
    for name, prefix in (("a", ()), ("b", ()), ("c", ("--order-prefix", "P"))):
        call("cis", "orders", "--count", "1", "--out", str(tmp_path / name), *prefix)
    texts = [next((tmp_path / name).iterdir()).read_text() for name in ("a", "b", "c")]
    ids = [text.split("<OrderId>")[1].split("<")[0] for text in texts]
    assert len(set(ids)) == 3
    assert ids[2] == "P-0000001"


def test_faults_are_set_shown_and_cleared_from_the_command_line(shared: RunningRehearsal) -> None:
    where = ("--dir", str(shared.folder))
    shown = call("faults", "dms", *where, "--fail-ratio", "0.5", "--status", "429").output
    assert json.loads(shown) == {"fail_ratio": 0.5, "status": 429}
    assert json.loads(call("faults", "dms", *where).output) == {"fail_ratio": 0.5, "status": 429}
    assert "Nothing goes wrong" in call("faults", "dms", *where, "--clear").output


def test_the_ledger_is_printed_line_by_line(shared: RunningRehearsal) -> None:
    call("cis", "master-data", "--dir", str(shared.folder), "--points", "1")
    lines = call("ledger", "cis", "--dir", str(shared.folder), "--limit", "1").output.splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1]


def test_a_folder_without_a_rehearsal_is_a_plain_message(tmp_path: Path) -> None:
    result = CliRunner().invoke(simulate, ["ledger", "cis", "--dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "no rehearsal has run here" in result.output


def call(*arguments: str) -> Result:
    """Run a command that must succeed."""
    result = CliRunner().invoke(simulate, list(arguments))
    assert result.exit_code == 0, result.output
    return result
