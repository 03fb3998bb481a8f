"""One connection for one request of the SendGrid SDK, which can be cut off from another thread.

Replaces the SDK's own opener, whose time-out is per read, which follows redirects and proxies,
and which cannot tell a request that never left from an answer that was lost.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

import python_http_client

from integrations.http_session import ANSWER_MAX_BYTES
from integrations.outcomes import LaneDown, Retryable, UnknownOutcome
from integrations.sendgrid_email.types import SendgridAccount

# At DEBUG the SDK writes the API key, the address and the text of every e-mail.
logging.getLogger("python_http_client").setLevel(logging.WARNING)


class Answer:
    """What the SDK wants of an answer; any status is one, also a refusal."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self._body = response.read(ANSWER_MAX_BYTES)

    def getcode(self) -> int:
        return self._response.status

    def read(self) -> bytes:
        return self._body

    def info(self) -> http.client.HTTPMessage:
        return self._response.headers


class Wire:
    """Promise: once cut() has returned False, the request never leaves."""

    def __init__(self, account: SendgridAccount, tls: ssl.SSLContext) -> None:
        self._account = account
        self._tls = tls
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._left = False
        self._cut = False

    def exchange(self, request: Request) -> Answer:
        """Send the request and read its answer.

        Raises: Retryable or LaneDown (never left), UnknownOutcome (may have left).
        """
        connection = self._connect(request)
        try:
            self._leave(connection.sock)
            address = urlsplit(request.full_url)
            body = request.data if isinstance(request.data, bytes) else None
            connection.request(
                request.get_method(), address.path, body, dict(request.header_items())
            )
            return Answer(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            what = "no answer in time" if isinstance(error, TimeoutError) else "connection lost"
            raise UnknownOutcome(f"sendgrid: {what}") from None
        finally:
            connection.close()

    def cut(self) -> bool:
        """End the exchange from another thread; True when the request may have left."""
        with self._lock:
            self._cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            return self._left

    def _connect(self, request: Request) -> http.client.HTTPConnection:
        address = urlsplit(request.full_url)
        host, wait_s = address.hostname or "", self._account.connect_s
        connection = (
            http.client.HTTPSConnection(host, address.port, timeout=wait_s, context=self._tls)
            if address.scheme == "https"
            else http.client.HTTPConnection(host, address.port, timeout=wait_s)
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError:
            connection.close()
            raise LaneDown("sendgrid: certificate not accepted") from None
        except OSError:
            connection.close()
            raise Retryable("sendgrid: connection not possible") from None
        return connection

    def _leave(self, connected: socket.socket) -> None:
        with self._lock:
            if self._cut:
                raise Retryable("sendgrid: no connection in time")
            self._socket = connected
            self._left = True
        connected.settimeout(self._account.total_s)


# The SDK ships no types, so its class is Any to mypy.
class WireClient(python_http_client.Client):  # type: ignore[misc]
    """The SDK's request builder on our wire."""

    def __init__(self, wire: Wire, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._wire = wire

    def _build_client(self, name: str | None = None) -> WireClient:
        return WireClient(
            self._wire,
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
        )

    def _make_request(self, opener: object, request: Request, timeout: object = None) -> Answer:
        return self._wire.exchange(request)
