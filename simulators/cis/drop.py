"""Putting files into an inbox over SFTP as the CIS does: under a draft name, then renamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where files go and who brings them; the host's key is pinned, never learnt."""

    host: str
    port: int
    user: str
    client_key_file: Path
    host_key_file: Path
    folder: str = "inbox"


async def drop_files(inbox: Inbox, files: Sequence[tuple[Path, str]]) -> None:
    """Upload each (local file, name in the inbox); an existing name is never replaced.

    Raises: asyncssh.Error or OSError (the files up to the failing one have arrived).
    """
    host_key = asyncssh.read_public_key(str(inbox.host_key_file))
    async with (
        asyncssh.connect(
            inbox.host,
            inbox.port,
            username=inbox.user,
            client_keys=[str(inbox.client_key_file)],
            known_hosts=([host_key], [], []),
            agent_path=None,
            config=None,
            connect_timeout=10,
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        for path, name in files:
            final = f"{inbox.folder}/{name}"
            await sftp.put(str(path), f"{final}.tmp")
            await sftp.rename(f"{final}.tmp", final)
