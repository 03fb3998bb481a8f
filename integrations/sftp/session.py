"""One SFTP connection: the right server, our key, and never a wait without end.

The host key is compared before we say who we are. Every wait has a limit, because a server that
freezes keeps its connection open and silent; what times out is dropped and made anew next time.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from integrations.outcomes import LaneDown, Retryable
from integrations.sftp.client import SftpClient

# Every failure becomes an exception that its caller logs with what it meant to do.
_LOG_CHANNEL = "integrations.sftp.ssh"
logging.getLogger(_LOG_CHANNEL).setLevel(logging.CRITICAL + 1)

_KEEPALIVE_S = 30
# What paramiko raises when the other side breaks off or answers with what is no SFTP.
_NOT_SFTP = (EOFError, UnicodeDecodeError, paramiko.SSHException, paramiko.SFTPError)
# A key of type ssh-rsa signs with newer algorithms than its name says.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """Where somebody's files are and how to get in.

    host_key is the server's public key as `ssh-ed25519 AAAA…`; times in seconds: connect_s for the
    network, channel_s for every answer; files above max_bytes are never read.
    """

    host: str
    port: int
    user: str
    key_file: Path
    host_key: str
    inbox: str = "inbox"
    processing: str = "processing"
    archive: str = "archive"
    quarantine: str = "quarantine"
    returns: str = "returns"
    connect_s: float = 3.0
    channel_s: float = 10.0
    max_bytes: int = 512 * 1024 * 1024


class SftpSession:
    """Connects on first use and again after a loss; one call at a time."""

    def __init__(self, config: SftpPlace) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._transport: paramiko.Transport | None = None
        self._client: SftpClient | None = None

    @contextlib.contextmanager
    def calling(self) -> Iterator[SftpClient]:
        """A connected client for the calls of one step.

        Raises: LaneDown (another host key, our key or permission refused), Retryable (everything
        that may be over next time). FileNotFoundError, and OSError for a plain refusal by the
        server, are left to the caller, who knows what they mean.
        """
        with self._lock:
            client = self._connected()
            try:
                yield client
            except FileNotFoundError:
                raise
            except PermissionError:
                raise LaneDown("sftp: permission denied by the server") from None
            except TimeoutError:
                self.close()
                raise Retryable("sftp: the server does not answer") from None
            except _NOT_SFTP as error:
                self.close()
                raise Retryable(f"sftp: connection lost ({type(error).__name__})") from None
            except OSError:
                if self.alive:
                    raise
                self.close()
                raise Retryable("sftp: connection lost") from None

    def close(self) -> None:
        """Drop the connection without a word; a frozen server would not take our goodbye."""
        with self._lock:
            transport, self._transport, self._client = self._transport, None, None
            if transport is not None:
                _hang_up(transport)

    @property
    def alive(self) -> bool:
        """Whether there is a connection now; after an error that was only about one file there is."""
        return self._transport is not None and self._transport.is_active()

    def _connected(self) -> SftpClient:
        if self._client is not None and self.alive:
            return self._client
        self.close()
        config = self._config
        pinned_type, pinned_key = _parse_host_key(config.host_key)
        private_key = _load_private_key(config.key_file)
        try:
            link = socket.create_connection((config.host, config.port), timeout=config.connect_s)
        except OSError as error:
            raise Retryable(f"sftp: cannot connect ({type(error).__name__})") from None
        transport = paramiko.Transport(link)
        # Some steps of the way in have no time-out of their own in paramiko; closing ends them all.
        limit_s = config.connect_s + config.channel_s
        watchdog = threading.Timer(limit_s, _hang_up, (transport,))
        watchdog.daemon = True
        watchdog.start()
        try:
            client = _log_in(transport, config, pinned_type, pinned_key, private_key)
        except (LaneDown, Retryable):
            _hang_up(transport)
            raise
        except (*_NOT_SFTP, OSError) as error:
            _hang_up(transport)
            raise Retryable(f"sftp: no session ({type(error).__name__})") from None
        finally:
            watchdog.cancel()
        self._transport, self._client = transport, client
        return client


def _log_in(
    transport: paramiko.Transport,
    config: SftpPlace,
    pinned_type: str,
    pinned_key: bytes,
    private_key: paramiko.PKey,
) -> SftpClient:
    transport.set_log_channel(_LOG_CHANNEL)
    transport.banner_timeout = config.connect_s
    transport.auth_timeout = config.channel_s
    # A server has keys of several types and shows the one that we ask for.
    options = transport.get_security_options()
    try:
        options.key_types = _SIGNATURES.get(pinned_type, (pinned_type,))
    except ValueError:
        raise LaneDown(f"sftp: host key type {pinned_type} is not supported") from None
    try:
        transport.start_client(timeout=config.channel_s)
        shown = transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer:
        raise LaneDown("sftp: the server has no host key of the pinned type") from None
    if (shown.get_name(), shown.asbytes()) != (pinned_type, pinned_key):
        raise LaneDown("sftp: the server shows another host key than the pinned one")
    try:
        transport.auth_publickey(config.user, private_key)
    except paramiko.AuthenticationException as error:
        # paramiko says this also of a server that went away or fell silent meanwhile.
        if not transport.is_active() or "timeout" in str(error).lower():
            raise Retryable("sftp: the server does not answer") from None
        raise LaneDown("sftp: the server refused our key") from None
    transport.set_keepalive(_KEEPALIVE_S)
    channel = transport.open_session(timeout=config.channel_s)
    channel.settimeout(config.channel_s)
    channel.invoke_subsystem("sftp")
    return SftpClient(channel)


def _hang_up(transport: paramiko.Transport) -> None:
    transport.close()
    # paramiko leaves the socket to the garbage collector when the server went away first.
    transport.sock.close()


def _parse_host_key(line: str) -> tuple[str, bytes]:
    """Type and key of `ssh-ed25519 AAAA… comment`."""
    parts = line.split()
    try:
        return parts[0], base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raise LaneDown("sftp: the pinned host key is not `type base64`") from None


def _load_private_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnsupportedAlgorithm) as error:
        # The message may quote the key, so only its kind is told.
        raise LaneDown(f"sftp: private key is not usable ({type(error).__name__})") from None
