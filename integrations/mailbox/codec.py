"""From the bytes of a message to what is in it."""

from __future__ import annotations

import hashlib
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr

from integrations.mailbox.types import Attachment, Letter
from integrations.outcomes import plain

ATTACHMENTS_MOST = 100
_NAME_MOST = 150
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_UNSAFE = re.compile(r"[^\w.() -]")


class LetterUnreadable(Exception):
    """Nothing can be made of it: put it aside; code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def parse_letter(raw: bytes) -> Letter:
    """Take a message apart. Raises: LetterUnreadable."""
    try:
        message = message_from_bytes(raw, policy=policy.default)
        attachments = tuple(_attachment(part, n) for n, part in enumerate(_files_of(message), 1))
        sender = parseaddr(str(message.get("From", "")))[1]
        subject = plain(str(message.get("Subject", "")))
        message_id = plain(str(message.get("Message-ID", "")).strip())
    except Exception as error:
        # The library's own defects differ by version; whatever it cannot read, nobody can use.
        raise LetterUnreadable("MAIL_MALFORMED") from error
    if len(attachments) > ATTACHMENTS_MOST:
        raise LetterUnreadable("TOO_MANY_ATTACHMENTS")
    end = _HEADERS_END.search(raw)
    if end is None:
        raise LetterUnreadable("MAIL_MALFORMED")
    content = hashlib.sha256(raw[end.end() :]).hexdigest()
    return Letter(message_id or f"none:{content}", content, plain(sender), subject, attachments)


def _files_of(message: EmailMessage) -> list[EmailMessage]:
    found: list[EmailMessage] = []
    for part in message.walk():
        one = part
        if one.is_multipart():
            continue
        if one.get_content_disposition() == "attachment" or one.get_filename():
            found.append(one)
    return found


def _attachment(part: EmailMessage, number: int) -> Attachment:
    body = part.get_payload(decode=True)
    if not isinstance(body, bytes):
        raise LetterUnreadable("MAIL_MALFORMED")
    # A name is only for people and patterns: it never becomes a path.
    name = (part.get_filename() or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = _UNSAFE.sub("_", plain(name)).strip(". ")[:_NAME_MOST]
    return Attachment(name or f"attachment-{number}", part.get_content_type(), body)
