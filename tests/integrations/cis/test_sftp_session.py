"""Getting in to the right server only, and getting away from one that is dead, frozen or false."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from integrations.outcomes import LaneDown, Retryable
from tests.integrations.cis.servers import config_for, frozen, inbox_of
from tests.servers import SftpServer

OTHER_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFm5sYgT2h2yv0eR6mvfTg1aWeVJkOqKk8sWkqLr3o5C somebody"
)


def test_a_server_with_another_host_key_never_hears_who_we_are(
    sshd: SftpServer, tmp_path: Path
) -> None:
    with (
        inbox_of(config_for(sshd, host_key=OTHER_KEY)) as inbox,
        pytest.raises(LaneDown, match="another host key"),
    ):
        inbox.list_inbox()
    log = (tmp_path / "sshd" / "log").read_text(encoding="utf-8")
    assert "Accepted" not in log
    assert "Failed" not in log


@pytest.mark.parametrize(
    "host_key", ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-wrong AAAA", "ssh-rsa AAAAB3Nza"]
)
def test_a_pinned_key_that_cannot_be_met_is_for_an_operator(
    sshd: SftpServer, host_key: str
) -> None:
    with inbox_of(config_for(sshd, host_key=host_key)) as inbox, pytest.raises(LaneDown):
        inbox.list_inbox()


def test_a_refused_user_or_key_is_for_an_operator(server: SftpServer, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(stranger)], check=True
    )
    with (
        inbox_of(config_for(server, key_file=stranger)) as inbox,
        pytest.raises(LaneDown, match="refused our key"),
    ):
        inbox.list_inbox()


def test_a_private_key_that_cannot_be_used_is_for_an_operator(
    sshd: SftpServer, tmp_path: Path
) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    for key_file in (rubbish, tmp_path / "missing", tmp_path):
        with inbox_of(config_for(sshd, key_file=key_file)) as inbox:
            with pytest.raises(LaneDown) as caught:
                inbox.list_inbox()
            assert "secret" not in caught.value.why


def test_nobody_listening_is_worth_another_try(sshd: SftpServer) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with inbox_of(config_for(sshd, port=port)) as inbox, pytest.raises(Retryable):
            inbox.list_inbox()


def test_a_listener_that_says_nothing_does_not_hold_us(sshd: SftpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = config_for(sshd, port=port, connect_s=0.5, channel_s=0.5)
        with inbox_of(config) as inbox, _within(5), pytest.raises(Retryable):
            inbox.list_inbox()


def test_a_server_frozen_before_the_login_does_not_hold_us(sshd: SftpServer) -> None:
    config = config_for(sshd, connect_s=0.5, channel_s=0.5)
    with inbox_of(config) as inbox:
        with frozen(sshd), _within(5), pytest.raises(Retryable):
            inbox.list_inbox()
        assert inbox.list_inbox() == []


@pytest.mark.parametrize("step", ["list", "claim", "fetch", "archive", "put_return", "close"])
def test_a_server_frozen_in_the_middle_does_not_hold_us_and_all_is_well_after(
    sshd: SftpServer, step: str
) -> None:
    (sshd.folder("inbox") / "a.xml").write_bytes(b"a")
    (sshd.folder("processing") / "b.xml").write_bytes(os.urandom(3_000_000))
    with inbox_of(config_for(sshd, channel_s=0.5)) as inbox:
        inbox.list_inbox()
        chunks = inbox.fetch("b.xml")
        next(chunks)
        calls: dict[str, Callable[[], object]] = {
            "list": inbox.list_inbox,
            "claim": lambda: inbox.claim("a.xml"),
            "fetch": lambda: list(chunks),
            "archive": lambda: inbox.archive("b.xml"),
            "put_return": lambda: inbox.put_return("c.xml", os.urandom(5_000_000)),
        }
        with frozen(sshd), _within(5):
            if step == "close":
                inbox.close()
            else:
                with pytest.raises(Retryable):
                    calls[step]()
        chunks.close()

        if step == "claim":
            # The server took the order to rename before it froze, so either answer is right.
            names = [f.name for f in inbox.list_inbox() + inbox.list_processing()]
            assert sorted(names) == ["a.xml", "b.xml"]
        else:
            assert [file.name for file in inbox.list_inbox()] == ["a.xml"]


def test_a_lost_connection_is_made_anew(sshd: SftpServer) -> None:
    with inbox_of(config_for(sshd)) as inbox:
        inbox.list_inbox()
        _kill_sessions(sshd)
        # A loss that shows between two calls needs no error to be mended.
        with contextlib.suppress(Retryable):
            inbox.list_inbox()
        assert inbox.list_inbox() == []


def test_a_fetch_does_not_go_on_over_another_connection(sshd: SftpServer) -> None:
    (sshd.folder("processing") / "b.xml").write_bytes(os.urandom(3_000_000))
    with inbox_of(config_for(sshd)) as inbox:
        chunks = inbox.fetch("b.xml")
        next(chunks)
        inbox.close()
        with pytest.raises(Retryable):
            list(chunks)
        assert len(b"".join(inbox.fetch("b.xml"))) == 3_000_000


def test_a_folder_that_we_may_not_write_is_for_an_operator(sshd: SftpServer) -> None:
    if os.geteuid() == 0:
        # Root may write everywhere, so the folder is made one that nobody can write.
        with inbox_of(config_for(sshd, returns="/proc")) as inbox, pytest.raises(LaneDown):
            inbox.put_return("a.xml", b"x")
        return
    sshd.folder("returns").chmod(0o500)
    with inbox_of(config_for(sshd)) as inbox, pytest.raises(LaneDown):
        inbox.put_return("a.xml", b"x")


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def _kill_sessions(server: SftpServer) -> None:
    for process in psutil.Process(server.pid).children(recursive=True):
        process.kill()
