"""The DMS's end of Tiedolla's interface: signed messages, each tried until it is taken."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from simulators.settings import Feed as FeedKey
from simulators.signed_post import signed_headers

PATH = "/api/v1/dms/outages"
TAKEN = 202
_TIMEOUT_S = 20
_PAUSE_S = 0.3
_TRIES = 200


class FeedRefused(Exception):
    """Tiedolla does not take the DMS's messages; the text says why."""


class Feed:
    """One kept-alive connection; not for several threads."""

    def __init__(self, base_url: str, key: FeedKey) -> None:
        address = urlsplit(base_url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._key = key
        self._connection: http.client.HTTPConnection | None = None

    def send(self, record: Mapping[str, Any], message_id: str) -> None:
        """Send one version, again and again until it is taken.

        Raises: FeedRefused (it will never be taken, or nobody has answered for a minute).
        """
        message = {"messageId": message_id, "outages": [record]}
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        told = ""
        for _ in range(_TRIES):
            try:
                status, told = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                status, told = 0, str(error)
            if status == TAKEN:
                return
            if 400 <= status < 500 and status != 429:
                break
            time.sleep(_PAUSE_S)
        raise FeedRefused(f"{message_id} was not taken: {told[:500]}")

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> tuple[int, str]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._host, self._port, timeout=_TIMEOUT_S
            )
        key = self._key
        headers = signed_headers(key_id=key.key_id, token=key.token, secret=key.secret, body=body)
        self._connection.request("POST", PATH, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
