"""How whoever holds one of Tiedolla's keys signs what it sends, and a simple way to send it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SystemKey:
    """What a system got from Tiedolla to show who it is."""

    key_id: str
    token: str
    secret: str


@dataclass(frozen=True)
class Answer:
    """What Tiedolla answered."""

    status: int
    body: dict[str, Any]


def read_key(path: Path) -> SystemKey:
    """The key in a JSON file. Raises: OSError, ValueError, KeyError."""
    words = json.loads(path.read_text("utf-8"))
    return SystemKey(words["key_id"], words["token"], words["secret"])


def signed_headers(*, key_id: str, token: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers of a JSON body: HMAC-SHA256 over the timestamp, a dot and the raw body."""
    timestamp = str(int(time.time()))
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {token}",
        "Tiedolla-Key": key_id,
        "Tiedolla-Timestamp": timestamp,
        "Tiedolla-Signature": f"v1={signed.hexdigest()}",
    }


def post(url: str, key: SystemKey, content: dict[str, Any], timeout_s: float) -> Answer:
    """Send it once. Raises: OSError when nobody answers."""
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = signed_headers(key_id=key.key_id, token=key.token, secret=key.secret, body=body)
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the rehearsal's own.
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return Answer(answer.status, json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, json.loads(error.read() or b"{}"))
