"""One connection to one mailbox: list, fetch without marking, move away."""

from __future__ import annotations

import imaplib
import re
import ssl
from types import TracebackType
from urllib.parse import unquote, urlsplit

from integrations.mailbox.types import Account, Listed
from integrations.outcomes import ContractBroken, LaneDown, Retryable

_SIZE = re.compile(rb"UID (\d+).*?RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+).*?UID (\d+)", re.DOTALL)
_UNSAFE = re.compile(r'[\r\n"\\]')
# So many at a time keep a poll short; the next one takes more.
LISTED_MOST = 200
_SCHEMES = {"imap": (False, 143), "imaps": (True, 993)}


def parse_address(name: str, address: str, *, timeout_s: float, max_bytes: int) -> Account:
    """The account behind imaps://user:password@host:port/FOLDER. Raises: LaneDown."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise LaneDown(f"mailbox {name}: its address cannot be read") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or not parts.username:
        raise LaneDown(f"mailbox {name}: imaps://user:password@host/FOLDER is needed")
    folder = unquote(parts.path.strip("/")) or "INBOX"
    if not folder.isascii():
        # It would need modified UTF-7, which nobody could read in the settings.
        raise LaneDown(f"mailbox {name}: the folder's name needs plain letters")
    tls, usual = _SCHEMES[parts.scheme]
    return Account(
        name=name,
        host=parts.hostname,
        port=port or usual,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        tls=tls,
        folder=folder,
        timeout_s=timeout_s,
        max_bytes=max_bytes,
    )


class Mailbox:
    """A mailbox while it is looked through; every wait is bounded.

    Raises, from each method: LaneDown (it does not let us in), Retryable (it went away),
    ContractBroken (it does not speak as it should).
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._imap: imaplib.IMAP4 | None = None
        self._can: frozenset[str] = frozenset()

    def __enter__(self) -> Mailbox:
        account = self._account
        try:
            if account.tls:
                self._imap = imaplib.IMAP4_SSL(
                    account.host,
                    account.port,
                    ssl_context=ssl.create_default_context(),
                    timeout=account.timeout_s,
                )
            else:
                self._imap = imaplib.IMAP4(account.host, account.port, timeout=account.timeout_s)
        except (OSError, imaplib.IMAP4.error) as error:
            raise Retryable(f"mailbox {account.name}: {type(error).__name__}") from None
        try:
            _log_in(self._imap, account)
        except imaplib.IMAP4.abort as error:
            self._close()
            raise Retryable(f"mailbox {account.name}: {type(error).__name__}") from None
        except imaplib.IMAP4.error:
            self._close()
            raise LaneDown(f"mailbox {account.name}: the login was refused") from None
        except OSError as error:
            self._close()
            raise Retryable(f"mailbox {account.name}: {type(error).__name__}") from None
        # Before the login a server tells only what it takes to log in.
        told = b" ".join(self._ask("CAPABILITY", "capability")).decode("ascii", "replace")
        self._can = frozenset(told.upper().split())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def list_folder(self) -> list[Listed]:
        """The oldest messages of the folder, up to LISTED_MOST."""
        self._ask("SELECT", "select", _quoted(self._account.folder))
        found = self._ask("SEARCH", "uid", "SEARCH", "UNDELETED")
        numbers = sorted(int(number) for part in found if part for number in part.split())
        if not numbers:
            return []
        wanted = ",".join(str(number) for number in numbers[:LISTED_MOST])
        listed = []
        for line in self._ask("FETCH", "uid", "FETCH", wanted, "(UID RFC822.SIZE)"):
            match = _SIZE.search(line or b"")
            if match is not None:
                uid, size = (match[1], match[2]) if match[1] else (match[4], match[3])
                listed.append(Listed(int(uid), int(size)))
        return sorted(listed, key=lambda one: one.uid)

    def fetch(self, uid: int) -> bytes | None:
        """The bytes of one message, which stays unread; None when somebody took it away."""
        for part in self._ask_raw("FETCH", "uid", "FETCH", str(uid), "(BODY.PEEK[])"):
            if isinstance(part, tuple):
                return bytes(part[1])
        return None

    def move_done(self, uid: int) -> None:
        """Put a message where those go that were stored."""
        self._move(uid, self._account.done_folder)

    def move_refused(self, uid: int) -> None:
        """Put a message where those go that nothing can be made of."""
        self._move(uid, self._account.refused_folder)

    def _move(self, uid: int, folder: str) -> None:
        # It is there from the second time on, which the server says with NO.
        self._quietly("create", _quoted(folder))
        if "MOVE" in self._can:
            self._ask("MOVE", "uid", "MOVE", str(uid), _quoted(folder))
            return
        self._ask("COPY", "uid", "COPY", str(uid), _quoted(folder))
        self._ask("STORE", "uid", "STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
        if "UIDPLUS" in self._can:
            self._ask("EXPUNGE", "uid", "EXPUNGE", str(uid))
        else:
            self._ask("EXPUNGE", "expunge")

    def _open(self) -> imaplib.IMAP4:
        if self._imap is None:
            raise RuntimeError("the mailbox is not open")
        return self._imap

    def _ask(self, what: str, method: str, *arguments: str) -> list[bytes]:
        return [
            part[0] if isinstance(part, tuple) else part
            for part in self._ask_raw(what, method, *arguments)
            if part is not None
        ]

    def _ask_raw(
        self, what: str, method: str, *arguments: str
    ) -> list[bytes | tuple[bytes, bytes]]:
        name = self._account.name
        try:
            status, data = getattr(self._open(), method)(*arguments)
        except imaplib.IMAP4.abort as error:
            raise Retryable(f"mailbox {name}: {what}: {type(error).__name__}") from None
        except imaplib.IMAP4.error as error:
            raise ContractBroken(f"mailbox {name}: {what}: {type(error).__name__}") from None
        except OSError as error:
            raise Retryable(f"mailbox {name}: {what}: {type(error).__name__}") from None
        if status != "OK":
            raise ContractBroken(f"mailbox {name}: {what} was answered {status}")
        return list(data)

    def _quietly(self, method: str, *arguments: str) -> None:
        try:
            getattr(self._open(), method)(*arguments)
        except imaplib.IMAP4.abort as error:
            raise Retryable(f"mailbox {self._account.name}: {type(error).__name__}") from None
        except imaplib.IMAP4.error:
            return
        except OSError as error:
            raise Retryable(f"mailbox {self._account.name}: {type(error).__name__}") from None

    def _close(self) -> None:
        imap, self._imap = self._imap, None
        if imap is not None:
            try:
                imap.logout()
            except (OSError, imaplib.IMAP4.error):
                # It is gone already, which is all that we wanted.
                return


def _log_in(imap: imaplib.IMAP4, account: Account) -> None:
    if account.user.isascii() and account.password.isascii():
        imap.login(account.user, account.password)
        return
    # LOGIN carries ASCII only (RFC 3501), AUTHENTICATE PLAIN carries UTF-8 (RFC 4616).
    words = f"\0{account.user}\0{account.password}".encode()
    imap.authenticate("PLAIN", lambda _challenge: words)


def _quoted(folder: str) -> str:
    return '"' + _UNSAFE.sub("_", folder) + '"'
