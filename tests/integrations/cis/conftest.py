"""Fixtures of SFTP servers with the agreed folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.sftp.inbox import SftpInbox
from tests.integrations.cis.servers import asyncssh_server, config_for, inbox_of
from tests.servers import SftpServer


@pytest.fixture(params=["openssh", "asyncssh"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SftpServer]:
    """Each of the servers in turn."""
    if request.param == "openssh":
        yield request.getfixturevalue("sshd")
    else:
        with asyncssh_server(tmp_path / "asyncssh") as running:
            yield running


@pytest.fixture
def inbox(server: SftpServer) -> Iterator[SftpInbox]:
    """The inbox on the server of this test."""
    with inbox_of(config_for(server)) as open_inbox:
        yield open_inbox
