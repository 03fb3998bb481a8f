"""Making and completing the rehearsal folder's config.json; what is there is never overwritten."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulators.settings import read_object


def make_defaults() -> dict[str, Any]:
    """A complete configuration with fresh secrets; delays are a demo's, in seconds."""
    return {
        "tiedolla_base_url": "http://127.0.0.1:5000",
        "seed": 1,
        "sftp": {
            "user": "tiedolla",
            "root_dir": "sftp",
            "host_key_file": "keys/sftp_host_ed25519",
            "authorized_keys_file": "keys/tiedolla_ed25519.pub",
            "client_key_file": "keys/tiedolla_ed25519",
        },
        "installer": {
            "token": secrets.token_urlsafe(32),
            "acks": {
                "token": secrets.token_urlsafe(32),
                "key_id": "voima.1",
                "secret": secrets.token_urlsafe(32),
            },
            "meter_series": f"{secrets.randbelow(9000) + 1000}",
            "accepted_after_s": [0.5, 2.0],
            "scheduled_after_s": [1.0, 3.0],
            "started_after_s": [3.0, 8.0],
            "completed_after_s": [6.0, 15.0],
            "answer_wait_s": [0.0, 0.0],
            "scheduled_ratio": 0.6,
            "fail_ratio": 0.1,
            "past_wave": "",
        },
        "contractor": {
            "user": "rautio",
            "root_dir": "contractor",
            "accepted_after_s": [1.0, 3.0],
            "started_after_s": [4.0, 9.0],
            "completed_after_s": [9.0, 20.0],
            "fail_ratio": 0.15,
        },
        "nis": {"token": secrets.token_urlsafe(32)},
        "dms": {
            "token": secrets.token_urlsafe(32),
            "feed": {
                "token": secrets.token_urlsafe(32),
                "key_id": "dms.1",
                "secret": secrets.token_urlsafe(32),
            },
        },
        "head_end": {
            "feed": {
                "token": secrets.token_urlsafe(32),
                "key_id": "head-end.1",
                "secret": secrets.token_urlsafe(32),
            },
        },
        "billing": {"token": secrets.token_urlsafe(32)},
        "twilio": {
            "account_sid": f"AC{secrets.token_hex(16)}",
            "auth_token": secrets.token_hex(16),
            "reply_number": "+358454900900",
            "sent_after_s": [0.2, 0.8],
            "delivered_after_s": [1.0, 3.0],
        },
        "twilio2": {
            "account_sid": f"AC{secrets.token_hex(16)}",
            "auth_token": secrets.token_hex(16),
            "reply_number": "+358454900901",
            "sent_after_s": [0.2, 0.8],
            "delivered_after_s": [1.0, 3.0],
        },
        "sendgrid": {
            "api_key": f"SG.{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}",
            "event_private_key_file": "keys/sendgrid_events.pem",
            "event_public_key_file": "keys/sendgrid_events_public.txt",
            "processed_after_s": [0.2, 0.8],
            "delivered_after_s": [1.0, 3.0],
        },
    }


def complete_config(path: Path) -> bool:
    """Fill in every missing field of the file, keeping what is there; True when it changed.

    Raises: ConfigInvalid (the file is not a JSON object).
    """
    before = read_object(path) if path.exists() else {}
    after = _merged(make_defaults(), before)
    if after == before:
        return False
    _write(path, after)
    return True


def set_tiedolla_url(path: Path, url: str) -> None:
    """Keep where Tiedolla listens: reports go there."""
    raw = read_object(path)
    if raw.get("tiedolla_base_url") != url:
        _write(path, {**raw, "tiedolla_base_url": url})


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _write(path: Path, raw: Mapping[str, Any]) -> None:
    write_private(path, json.dumps(raw, indent=2, ensure_ascii=False) + "\n")


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {**defaults, **given}
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(given.get(name), dict):
            merged[name] = _merged(default, given[name])
    return merged
