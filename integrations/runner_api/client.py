"""A lane runner's way to the centre: outbound HTTPS, signed, each answer with the centre's clock."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from integrations.http_session import describe, open_session
from integrations.outcomes import plain
from integrations.runner_api.signing import sign
from integrations.runner_api.types import (
    Beat,
    Claim,
    ClaimAsked,
    FileTaken,
    FileTold,
    Heartbeat,
    Settled,
    Settlements,
)

PATH = "/api/v1/runner"
_ANSWER_MAX_BYTES = 64 * 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

T = TypeVar("T")


class Away(Exception):
    """The centre cannot be reached or cannot answer now: go on with what there is, and try again.

    ours: it answered that the fault is its own, maybe because of what was told.
    """

    def __init__(self, why: str, *, ours: bool = False) -> None:
        super().__init__(why)
        self.ours = ours


class NotAdmitted(Exception):
    """The credential is not good (any more): somebody has to put a new one into the file."""


class Refused(Exception):
    """The centre will not do this, however often it is asked; code says why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class CredentialUnreadable(Exception):
    """The file is not what `flask zones credential` has written."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a runner shows and signs with."""

    key_id: str
    token: str = field(repr=False)
    secret: str = field(repr=False)


def read_credential(path: Path, zone: str) -> Credential:
    """Read a credential file. Raises: CredentialUnreadable."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        credential = Credential(*(str(found[name]) for name in ("key_id", "token", "secret")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CredentialUnreadable(f"{path.name}: {type(error).__name__}") from None
    if credential.key_id.partition(".")[0] != zone:
        raise CredentialUnreadable(f"{path.name} holds a key of another zone")
    return credential


def check_server(address: str) -> str:
    """The address without a slash at its end. Raises: ValueError (only HTTPS leaves a machine)."""
    parts = urlsplit(address)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not secure or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the server has to be an https:// address")
    return address.rstrip("/")


class Central:
    """Calls the centre under the credential of a file, which is read again when it is refused."""

    def __init__(
        self,
        server: str,
        zone: str,
        credential_file: Path,
        *,
        ca_file: Path | None = None,
        connect_s: float = 3.0,
        total_s: float = 20.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._server = check_server(server)
        self._zone = zone
        self._file = credential_file
        self._credential = read_credential(credential_file, zone)
        self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._patience = (connect_s, total_s)
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None
        # Ours minus the centre's; what is signed carries the centre's time.
        self.clock_offset_s = 0.0

    async def beat(self, told: Heartbeat) -> Beat:
        """Raises: Away, NotAdmitted, Refused."""
        return await self._call("heartbeats", told, Beat)

    async def claim(self, asked: ClaimAsked) -> Claim:
        """Raises: Away, NotAdmitted, Refused."""
        return await self._call("claims", asked, Claim)

    async def settle(self, told: Settlements) -> Settled:
        """Raises: Away, NotAdmitted, Refused."""
        return await self._call("settlements", told, Settled)

    async def file(self, told: FileTold) -> FileTaken:
        """Raises: Away, NotAdmitted, Refused."""
        return await self._call("files", told, FileTaken)

    def now(self) -> datetime:
        """The centre's time as far as we know it."""
        return datetime.fromtimestamp(self._wall() - self.clock_offset_s, UTC)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(self, path: str, told: msgspec.Struct, kind: type[T]) -> T:
        body = msgspec.json.encode(told)
        status, answer = await self._post(path, body)
        if status == 401:
            # The clock has been put right by that answer, and the file may hold a newer key.
            self._credential = self._reread()
            status, answer = await self._post(path, body)
        if status == 200:
            try:
                return msgspec.json.decode(answer, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise Away("the centre's answer is not as agreed", ours=True) from None
        code, why = _problem(answer)
        if status in (401, 403):
            raise NotAdmitted(f"{code or status}: {why}")
        if status in (408, 429) or status >= 500:
            raise Away(f"the centre answered {status} {code}", ours=status == 500)
        raise Refused(code or str(status), why)

    async def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        credential = self._credential
        timestamp = int(self._wall() - self.clock_offset_s)
        headers = {
            "Authorization": f"Bearer {credential.token}",
            "Content-Type": "application/json",
            "Tiedolla-Key": credential.key_id,
            "Tiedolla-Timestamp": str(timestamp),
            "Tiedolla-Signature": sign(credential.secret, timestamp, body),
        }
        try:
            async with self._opened().post(
                f"{self._server}{PATH}/{path}",
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=self._tls,
            ) as response:
                content = await _read(response)
                self._look_at_clock(response.headers.get("Date"), response.status)
                return response.status, content
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(describe(error)) from None

    def note_clock(self, theirs: datetime, asked_at: float) -> None:
        """Learn the difference of the clocks from an answer; asked_at by our wall clock.

        The middle of the call is the best guess of when the centre looked at its clock.
        """
        middle = (asked_at + self._wall()) / 2
        self.clock_offset_s = middle - theirs.timestamp()

    def _look_at_clock(self, date: str | None, status: int) -> None:
        """A signature may be refused for its time alone; whole seconds are enough to mend that."""
        if status != 401 or date is None:
            return
        try:
            self.clock_offset_s = self._wall() - parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError):
            return

    def _reread(self) -> Credential:
        try:
            return read_credential(self._file, self._zone)
        except CredentialUnreadable as error:
            raise NotAdmitted(str(error)) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(*self._patience, 16, {"Accept": "application/json"})
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _ANSWER_MAX_BYTES:
            response.close()
            raise Away("the centre answered too much", ours=True)
    return bytes(content)


def _problem(answer: bytes) -> tuple[str, str]:
    try:
        found = msgspec.json.decode(answer)
        return plain(str(found["code"])), plain(str(found["detail"]))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return "", "no reason was told"
