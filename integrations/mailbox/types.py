"""What a mailbox is, and what a message of it holds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """Where a mailbox is; folder is looked into, the others take what was read or could not be."""

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: bool = True
    folder: str = "INBOX"
    done_folder: str = "Tiedolla-done"
    refused_folder: str = "Tiedolla-refused"
    timeout_s: float = 10.0
    max_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Listed:
    """A message that lies in the folder: its number there and its size in bytes."""

    uid: int
    size: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a message, byte for byte as its sender packed it."""

    name: str
    media_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message taken apart.

    content_hash: SHA-256 of all below the headers, which every relay adds its own lines to; so a
    message that comes by two ways, or again, is the same.
    """

    message_id: str
    content_hash: str
    sender: str
    subject: str
    attachments: tuple[Attachment, ...]
