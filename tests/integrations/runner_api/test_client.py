"""The runner's way to the centre: HTTPS only, every answer means one thing, keys may be replaced."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from integrations.runner_api.client import (
    Away,
    Central,
    CredentialUnreadable,
    NotAdmitted,
    Refused,
    check_server,
    read_credential,
)
from integrations.runner_api.types import Beat, Heartbeat
from tests.integrations.self_signed import self_signed
from tests.integrations.stub_server import Behaviour, Reply, StubServer

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BEAT = Reply(
    200, {"standing": {"now": NOW.isoformat(), "lease": 7, "leaseWithinS": 900.0}, "lanes": []}
)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Reply(503), Away, "503"),
        (Reply(500, {"code": "INTERNAL", "detail": "x"}), Away, "500"),
        (Reply(429), Away, "429"),
        (Reply(200, {"standing": 1}), Away, "not as agreed"),
        (Reply(200, b"<html>"), Away, "not as agreed"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), Refused, "302"),
        (Reply(409, {"code": "RUNNER_REPLACED", "detail": "x"}), Refused, "RUNNER_REPLACED"),
        (Reply(401, {"code": "KEY_REVOKED", "detail": "x"}), NotAdmitted, "KEY_REVOKED"),
        (Reply(403, {"code": "ZONE_INACTIVE", "detail": "x"}), NotAdmitted, "ZONE_INACTIVE"),
        (Behaviour.DROP_AFTER, Away, "connection lost"),
        (Behaviour.HANG, Away, "no answer in time"),
    ],
)
def test_every_answer_means_one_thing(
    tmp_path: Path, answer: Any, kind: type[Exception], words: str
) -> None:
    with StubServer(answer) as centre, pytest.raises(kind, match=words):
        _beat(_credential(tmp_path), centre.url, total_s=0.5)


def test_only_https_leaves_the_machine() -> None:
    assert check_server("https://tiedolla.example.fi/") == "https://tiedolla.example.fi"
    assert check_server("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    for address in ("http://tiedolla.example.fi", "ftp://x", "https://", "https://x/?a=1", "x"):
        with pytest.raises(ValueError, match="https"):
            check_server(address)


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(tmp_path: Path) -> None:
    with StubServer(BEAT, tls=self_signed(tmp_path)) as centre:
        with pytest.raises(Away, match="certificate"):
            _beat(_credential(tmp_path), centre.url)
        answer = _beat(_credential(tmp_path), centre.url, ca_file=tmp_path / "server.pem")
        assert answer.standing.lease == 7


def test_a_key_that_was_replaced_is_read_again_from_its_file(tmp_path: Path) -> None:
    path = _credential(tmp_path)
    with StubServer(Reply(401, {"code": "KEY_REVOKED", "detail": "x"}), BEAT) as centre:
        _beat(path, centre.url, before=lambda: _credential(tmp_path, "plant.2"))
        assert [r.headers["tiedolla-key"] for r in centre.received] == ["plant.1", "plant.2"]


def test_a_file_that_holds_no_key_of_the_zone_is_named(tmp_path: Path) -> None:
    path = _credential(tmp_path, "south.1")
    with pytest.raises(CredentialUnreadable, match="another zone"):
        read_credential(path, "plant")
    path.write_text("[]", "utf-8")
    with pytest.raises(CredentialUnreadable, match=r"key\.json"):
        read_credential(path, "plant")


def test_secrets_do_not_show_in_texts(tmp_path: Path) -> None:
    credential = read_credential(_credential(tmp_path), "plant")
    assert "the-token" not in repr(credential)
    assert "the-secret" not in repr(credential)


def _beat(
    credential: Path,
    url: str,
    *,
    ca_file: Path | None = None,
    total_s: float = 5.0,
    before: Callable[[], object] = lambda: None,
) -> Beat:
    told = Heartbeat(
        runner=uuid4(),
        boot=uuid4(),
        first=True,
        host="plant-1",
        version="1",
        started_at=NOW,
        clock_offset_ms=0,
        open=0,
        unreported=0,
    )

    async def call() -> Beat:
        central = Central(url, "plant", credential, ca_file=ca_file, total_s=total_s)
        before()
        try:
            return await central.beat(told)
        finally:
            await central.aclose()

    return asyncio.run(call())


def _credential(folder: Path, key_id: str = "plant.1") -> Path:
    path = folder / "key.json"
    words = {"key_id": key_id, "token": "the-token", "secret": "the-secret"}
    path.write_text(json.dumps(words), "utf-8")
    return path
