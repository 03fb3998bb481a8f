"""The SFTP server of the CIS and of a contractor: real SSH, a key, nothing outside a user's folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncssh

from simulators.cis.file_record import FOLDERS
from simulators.faults import FaultBox
from simulators.settings import Sftp

Result = TypeVar("Result")


class Record(Protocol):
    """Who wants to know what happens in somebody's folders."""

    async def note_finished(self, path: Path) -> None: ...

    async def note_move(self, old: Path, new: Path) -> None: ...

    async def note_removed(self, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Account:
    """One user of the server: its own folder, and who notes what happens there."""

    root_dir: Path
    record: Record
    faults: FaultBox


async def start_file_server(
    sftp: Sftp, accounts: Mapping[str, Account], host: str, port: int
) -> asyncssh.SSHAcceptor:
    """Listen for SFTP on folders that are there already; each user sees nothing but its own."""
    # Every login and every request is worth a line to asyncssh; a poller makes thousands a day.
    asyncssh.set_log_level("WARNING")
    return await asyncssh.listen(
        host,
        port,
        server_factory=lambda: _Gate(sftp, accounts),
        server_host_keys=[str(sftp.host_key_file)],
        sftp_factory=lambda channel: FileServer(channel, accounts),
        allow_scp=False,
    )


def make_folders(root: Path) -> None:
    """The folders that the CIS and Tiedolla agreed on."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)


class _Gate(asyncssh.SSHServer):  # type: ignore[misc]  # asyncssh is not followed by mypy.
    """Lets the known users in, with a key that the file of authorized keys names."""

    def __init__(self, sftp: Sftp, accounts: Mapping[str, Account]) -> None:
        self._sftp = sftp
        self._accounts = accounts

    def connection_made(self, conn: Any) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        if username in self._accounts:
            self._connection.set_authorized_keys(str(self._sftp.authorized_keys_file))
        return True


class FileServer(asyncssh.SFTPServer):  # type: ignore[misc]  # asyncssh is not followed by mypy.
    """One client's session.

    A link may point anywhere, but what it points to is served only inside the folder. A plain
    rename never replaces a file; the POSIX one does. Every move is in the ledger before its
    answer leaves.
    """

    def __init__(self, channel: Any, accounts: Mapping[str, Account]) -> None:
        account = accounts[channel.get_extra_info("username")]
        self._root = account.root_dir.resolve()
        self._record = account.record
        self._faults = account.faults
        self._written: dict[int, Path] = {}
        super().__init__(channel, chroot=os.fsencode(self._root))

    async def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        def work() -> Any:
            target = self._followed(path)
            file = super(FileServer, self).open(path, pflags, attrs)
            if pflags & asyncssh.FXF_WRITE:
                self._written[id(file)] = target
            return file

        return await self._serve(work)

    async def close(self, file_obj: Any) -> None:
        target = self._written.pop(id(file_obj), None)

        async def record() -> None:
            if target is not None:
                await self._record.note_finished(target)

        await self._serve(file_obj.close, record)

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        return await self._serve(lambda: super(FileServer, self).read(file_obj, offset, size))

    async def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        return await self._serve(lambda: super(FileServer, self).write(file_obj, offset, data))

    async def scandir(self, path: bytes) -> AsyncIterator[Any]:
        for name in await self._serve(lambda: self._listed(path)):
            yield name

    async def stat(self, path: bytes) -> Any:
        return await self._serve(lambda: os.stat(self._followed(path)))

    async def lstat(self, path: bytes) -> Any:
        return await self._serve(lambda: os.lstat(self._named(path)))

    async def fstat(self, file_obj: Any) -> Any:
        return await self._serve(lambda: super(FileServer, self).fstat(file_obj))

    async def setstat(self, path: bytes, attrs: Any) -> None:
        self._followed(path)
        await self._serve(lambda: super(FileServer, self).setstat(path, attrs))

    async def realpath(self, path: bytes) -> Any:
        return await self._serve(lambda: self.reverse_map_path(os.fsencode(self._followed(path))))

    async def readlink(self, path: bytes) -> Any:
        """Inside its own folder a link's target is shown; a target outside does not exist."""
        self._named(path)
        return await self._serve(lambda: super(FileServer, self).readlink(path))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        def work() -> None:
            old, new = self._named(oldpath), self._named(newpath)
            if os.path.lexists(new):
                raise asyncssh.SFTPFileAlreadyExists("File already exists")
            old.rename(new)

        await self._serve(work, self._moved(oldpath, newpath))

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        def work() -> None:
            self._named(oldpath).replace(self._named(newpath))

        await self._serve(work, self._moved(oldpath, newpath))

    async def remove(self, path: bytes) -> None:
        target = self._named(path)
        await self._serve(target.unlink, lambda: self._record.note_removed(target))

    async def mkdir(self, path: bytes, attrs: Any) -> None:
        self._named(path)
        await self._serve(lambda: super(FileServer, self).mkdir(path, attrs))

    async def rmdir(self, path: bytes) -> None:
        target = self._named(path)
        await self._serve(target.rmdir)

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        self._named(newpath)
        await self._serve(lambda: super(FileServer, self).symlink(oldpath, newpath))

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("Hard links are not served")

    def _moved(self, oldpath: bytes, newpath: bytes) -> Callable[[], Awaitable[None]]:
        return lambda: self._record.note_move(self._named(oldpath), self._named(newpath))

    async def _serve(
        self,
        work: Callable[[], Result],
        record: Callable[[], Awaitable[None]] | None = None,
    ) -> Result:
        """Do one request with the faults now in force, its entry written before the answer."""
        fate = self._faults.draw()
        await self._faults.wait(fate.delay_s)
        if fate.drop_before:
            self._hang_up()
        if fate.fail:
            raise asyncssh.SFTPFailure("The rehearsal refuses this request")
        result = work()
        if record is not None:
            await record()
        await self._faults.wait(self._faults.now.hang_s)
        if fate.drop_answer:
            self._hang_up()
        if fate.fail_after:
            raise asyncssh.SFTPFailure("The rehearsal refuses this request")
        return result

    def _hang_up(self) -> None:
        """Cut the connection as a broken network would."""
        with contextlib.suppress(AttributeError):
            self.connection.abort()
        raise asyncssh.SFTPConnectionLost("The rehearsal cut the connection")

    def _listed(self, path: bytes) -> list[Any]:
        folder = self._followed(path)
        names = [
            asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs.from_local(folder.lstat()))
            for name in (b".", b"..")
        ]
        with os.scandir(folder) as entries:
            for entry in entries:
                # A file that was moved away in the meantime is simply not listed.
                with contextlib.suppress(FileNotFoundError):
                    attrs = asyncssh.SFTPAttrs.from_local(entry.stat(follow_symlinks=False))
                    names.append(asyncssh.SFTPName(os.fsencode(entry.name), attrs=attrs))
        return names

    def _followed(self, path: bytes) -> Path:
        """The real place of a path after all links; outside the folder there is nothing."""
        real = Path(os.path.realpath(os.fsdecode(self.map_path(path))))
        if real != self._root and self._root not in real.parents:
            raise asyncssh.SFTPNoSuchFile("No such file")
        return real

    def _named(self, path: bytes) -> Path:
        """The place of a name whose folder is inside; the name itself may be a link."""
        local = Path(os.fsdecode(self.map_path(path)))
        if local == self._root:
            return local
        return self._followed(b"/" + os.fsencode(local.parent.relative_to(self._root))) / local.name
