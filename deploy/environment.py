"""The settings of a rehearsal: everything the product needs, with the simulators as its world."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.private_dirs import write_private

CONTRACTOR = "rautio"
SFTP_FOLDERS = ("inbox", "processing", "archive", "quarantine", "returns")


@dataclass(frozen=True)
class Rehearsal:
    """A folder that `simulate init` filled, and the ports that its simulators take."""

    folder: Path
    http_port: int
    sftp_port: int

    @property
    def url(self) -> str:
        """Base address of the simulated systems."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def config(self) -> dict[str, Any]:
        """The simulators' own configuration."""
        config: dict[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        return config

    @property
    def client_key_file(self) -> Path:
        """The private key with which the product logs in to the file server."""
        return self.folder / str(self.config["sftp"]["client_key_file"])

    @property
    def host_key(self) -> str:
        """The file server's public key, as the product pins it."""
        private = self.folder / str(self.config["sftp"]["host_key_file"])
        words = private.with_name(f"{private.name}.pub").read_text("utf-8").split()
        return " ".join(words[:2])

    @property
    def contractor_address(self) -> str:
        """Where the contractor's folders are."""
        user = self.config["contractor"]["user"]
        return f"sftp://{user}@127.0.0.1:{self.sftp_port}"

    def give_ack_credentials(self, credentials: Mapping[str, str]) -> None:
        """Tell the simulated installer with which key it signs what it sends to the product."""
        self._give("installer", "acks", credentials)

    def give_feed_credentials(self, credentials: Mapping[str, str]) -> None:
        """Tell the simulated DMS with which key it signs what it sends to the product."""
        self._give("dms", "feed", credentials)

    def give_head_end_credentials(self, credentials: Mapping[str, str]) -> None:
        """Tell the simulated head-end with which key it signs what it passes on to the product."""
        self._give("head_end", "feed", credentials)

    def _give(self, system: str, part: str, credentials: Mapping[str, str]) -> None:
        config = self.config
        config[system][part] = {**config[system].get(part, {}), **credentials}
        write_private(self.folder / "config.json", json.dumps(config, indent=2) + "\n")

    def let_crews_wait(self, shortest_s: float, longest_s: float) -> None:
        """Let crews wait for an answer to a time that they proposed, so that a person can type one."""
        config = self.config
        config["installer"]["answer_wait_s"] = [shortest_s, longest_s]
        write_private(self.folder / "config.json", json.dumps(config, indent=2) + "\n")

    def let_crews_have_done(self, wave: str) -> None:
        """Let the orders of a wave have been worked on in the weeks before today."""
        config = self.config
        config["installer"]["past_wave"] = wave
        write_private(self.folder / "config.json", json.dumps(config, indent=2) + "\n")

    def give_planner_credentials(self, credentials: Mapping[str, str]) -> None:
        """Tell the simulated planner with which key it asks for planned cuts."""
        write_private(self.folder / "planner.json", json.dumps(credentials, indent=2) + "\n")

    def give_maker_credentials(self, credentials: Mapping[str, str]) -> None:
        """Tell the simulated meter maker with which key it tells of its deliveries."""
        write_private(self.folder / "maker.json", json.dumps(credentials, indent=2) + "\n")


def keep_secrets(path: Path) -> dict[str, str]:
    """The product's own secrets, made once and readable to us alone."""
    known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    wanted = ("secret_key", "partner_key")
    whole = {name: known.get(name) or secrets.token_urlsafe(48) for name in wanted}
    if whole != known:
        write_private(path, json.dumps(whole, indent=2) + "\n")
    return whole


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the product and of Flask.

    A rehearsal must never reach the database or the provider that a person's shell points at.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TIEDOLLA_", "FLASK_", "GRANIAN_"))
    }


def settings_text(settings: Mapping[str, str]) -> str:
    """The settings as `flask --env-file` and a shell read them: one NAME='value' a line."""
    lines = ["# The demo's settings, made anew at each start: flask -e THIS-FILE doctor"]
    for name, value in sorted(settings.items()):
        if any(sign in value for sign in ("'", "\\", "\n", "${")):
            raise ValueError(f"{name} cannot be written into a file of settings")
        lines.append(f"{name}='{value}'")
    return "\n".join(lines) + "\n"


def product_settings(
    *,
    base_url: str,
    database_url: str,
    redis_url: str,
    own_secrets: Mapping[str, str],
    rehearsal: Rehearsal,
) -> dict[str, str]:
    """Every setting that has no default, and those that a rehearsal needs otherwise."""
    config, url = rehearsal.config, rehearsal.url
    public_key = rehearsal.folder / str(config["sendgrid"]["event_public_key_file"])
    settings = {
        "environment": "development",
        "enrolment_confirmation": "true",
        "base_url": base_url,
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_key": own_secrets["secret_key"],
        "partner_key": own_secrets["partner_key"],
        "secure_cookies": "false",
        "cis_sftp_host": "127.0.0.1",
        "cis_sftp_port": str(rehearsal.sftp_port),
        "cis_sftp_user": str(config["sftp"]["user"]),
        "cis_sftp_key_file": str(rehearsal.client_key_file),
        "cis_sftp_host_key": rehearsal.host_key,
        **{f"cis_{name}_dir": name for name in SFTP_FOLDERS},
        "cis_quiet_s": "1",
        "cis_poll_s": "2",
        "rollout_refresh_s": "20",
        "reconcile_systems": "partners,nis,dms,billing,cis",
        "reconcile_grace_s": "60",
        "partner_tokens": json.dumps({"voima": config["installer"]["token"]}),
        "partner_sftp_key_file": str(rehearsal.client_key_file),
        "partner_host_keys": json.dumps({CONTRACTOR: rehearsal.host_key}),
        "partner_poll_s": "2",
        "twilio_url": f"{url}/twilio",
        "twilio_account_sid": str(config["twilio"]["account_sid"]),
        "twilio_auth_token": str(config["twilio"]["auth_token"]),
        # A second provider stands by, so that a dead one parks nobody.
        "twilio2_url": f"{url}/twilio2",
        "twilio2_account_sid": str(config["twilio2"]["account_sid"]),
        "twilio2_auth_token": str(config["twilio2"]["auth_token"]),
        "status_snapshot_dir": str(rehearsal.folder.absolute().parent / "status"),
        "sms_sender": "Verkkoyhtio",
        "sms_two_way_sender": str(config["twilio"]["reply_number"]),
        "sendgrid_url": f"{url}/sendgrid",
        "sendgrid_api_key": str(config["sendgrid"]["api_key"]),
        "sendgrid_event_public_key": public_key.read_text("utf-8").strip(),
        "email_sender": "tiedotteet@verkkoyhtio.example",
        "brand": "Verkkoyhtio",
        "customer_service_phone": "0800 123 45",
    }
    for system in ("nis", "dms", "billing"):
        settings[f"{system}_url"] = f"{url}/{system}"
        settings[f"{system}_token"] = str(config[system]["token"])
    return {
        "FLASK_APP": "wsgi:app",
        **{f"TIEDOLLA_{name.upper()}": value for name, value in settings.items()},
    }
