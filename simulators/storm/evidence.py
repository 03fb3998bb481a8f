"""What the providers took during a storm, read from their ledgers; and whether all is at rest."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from simulators.storm.judge import Message

LEDGERS = {"twilio": "message", "sendgrid": "mail"}
# What waits in these states moves by itself.
_MOVING = ("READY", "CLAIMED", "STORED", "WAITING")
_ITEMS = re.compile(r'tiedolla_lane_items\{lane="([^"]+)",state="([^"]+)"\} (\S+)')


def ledger_ends(folder: Path) -> dict[str, int]:
    """How long each provider's ledger is now, in bytes."""
    return {
        system: path.stat().st_size if (path := _path(folder, system)).exists() else 0
        for system in LEDGERS
    }


def read_messages(folder: Path, since: dict[str, int]) -> Iterator[Message]:
    """Every text and e-mail that was taken after the ledgers had these lengths."""
    for system, kind in LEDGERS.items():
        path = _path(folder, system)
        if not path.exists():
            continue
        with path.open("rb") as lines:
            lines.seek(since[system])
            wanted = f'"kind":"{kind}"'.encode()
            for line in lines:
                if wanted in line:
                    entry = json.loads(line)
                    yield _text(entry) if system == "twilio" else _mail(entry)


def wait_for_rest(base_url: str, patience_s: float, say: Callable[[str], None]) -> str | None:
    """Wait until nothing moves any more; what still did when patience ended, or None."""
    deadline = time.monotonic() + patience_s
    still, told_at = 0, 0.0
    moving: str | None = "nothing was looked at"
    while time.monotonic() < deadline:
        moving = _moving(base_url)
        still = still + 1 if moving is None else 0
        if still == 3:
            return None
        if moving is not None and time.monotonic() - told_at > 15:
            told_at = time.monotonic()
            say(f"waiting: {moving}")
        time.sleep(1.0)
    return moving


def _moving(base_url: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{base_url}/metrics", timeout=20) as answer:  # noqa: S310
            text = answer.read().decode()
    except (urllib.error.URLError, OSError) as error:
        return f"Tiedolla does not answer: {error}"
    for lane, state, count in _ITEMS.findall(text):
        if state in _MOVING and float(count):
            return f"{float(count):,.0f} items of {lane} are {state}"
    return None


def _text(entry: dict[str, Any]) -> Message:
    at, body = datetime.fromisoformat(entry["at"]), str(entry["body"])
    return Message(at, str(entry["to"]), "SMS", body, body, int(entry["segments"]))


def _mail(entry: dict[str, Any]) -> Message:
    at, subject = datetime.fromisoformat(entry["at"]), str(entry["subject"])
    # Two e-mails of one text differ in the link by which each is left.
    whole = re.sub(r"https?://\S+", "", f"{subject}\n{entry['text']}")
    return Message(at, str(entry["to"]).lower(), "EMAIL", subject, whole, 1)


def _path(folder: Path, system: str) -> Path:
    return folder / "ledger" / f"{system}.jsonl"
