"""SFTP servers for the tests of the inbox: OpenSSH's own, and asyncssh as the simulators use it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import psutil

from integrations.sftp.inbox import SftpInbox, SftpPlace
from tests.servers import FOLDERS, SftpServer


def config_for(server: SftpServer, **changes: object) -> SftpPlace:
    """How to reach a server of the tests, impatiently."""
    values: dict[str, object] = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "key_file": server.private_key_file,
        "host_key": server.host_key,
        "connect_s": 2.0,
        "channel_s": 5.0,
        "max_bytes": 64 * 1024 * 1024,
    }
    return SftpPlace(**{**values, **changes})  # type: ignore[arg-type] # The test names its fields.


@contextmanager
def inbox_of(config: SftpPlace) -> Iterator[SftpInbox]:
    """An inbox that is closed at the end."""
    inbox = SftpInbox(config)
    try:
        yield inbox
    finally:
        inbox.close()


@contextmanager
def frozen(server: SftpServer) -> Iterator[None]:
    """Stop the server's processes without closing a single connection."""
    listener = psutil.Process(server.pid)
    family = [listener, *listener.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()


@contextmanager
def asyncssh_server(folder: Path, unreadable: bytes = b"none") -> Iterator[SftpServer]:
    """An asyncssh server in a thread of its own, shut up in its folder; it opens no file of one name.

    Nothing is unreadable to root, as whom the tests may run, so OpenSSH cannot refuse one.
    """
    root = folder / "files"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    key_file = folder / "client_key"
    key_file.write_bytes(user_key.export_private_key())
    authorized = folder / "authorized_keys"
    authorized.write_bytes(user_key.export_public_key())
    loop = asyncio.new_event_loop()
    guests: list[asyncssh.SSHServerConnection] = []

    class Gate(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            guests.append(conn)

    class Files(asyncssh.SFTPServer):
        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            if path.endswith(b"/" + unreadable):
                raise asyncssh.SFTPPermissionDenied("Permission denied")
            return super().open(path, pflags, attrs)

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Gate,
            server_host_keys=[host_key],
            authorized_client_keys=str(authorized),
            sftp_factory=lambda channel: Files(channel, chroot=str(root).encode()),
        )

    acceptor = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield SftpServer(
            host="127.0.0.1",
            port=acceptor.get_port(),
            user="tiedolla",
            private_key_file=key_file,
            host_key=host_key.export_public_key().decode().strip(),
            root=root,
            pid=0,
        )
    finally:
        asyncio.run_coroutine_threadsafe(_stop(acceptor, guests), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(acceptor: asyncssh.SSHAcceptor, guests: list[asyncssh.SSHServerConnection]) -> None:
    acceptor.close()
    await acceptor.wait_closed()
    for guest in guests:
        guest.abort()
        await guest.wait_closed()
