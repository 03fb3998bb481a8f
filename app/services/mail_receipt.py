"""E-mails as they arrive: kept byte-exact, each attachment as a message of its own, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.lanes import INTAKE, NETWORK
from app.doorbell import ring_after_commit
from app.models.process import MailMessage
from app.services import audit, feed_receipt, inbound, triggers
from app.services.triggers import Mail
from integrations.mailbox.types import Attachment, Letter

MAIL = "MAIL"
ATTACHMENT = "MAIL_ATTACHMENT"
# What is read by its own reader once it is stored, by the mailbox that it came to: the address is
# known to those who may send it only. Everything else waits for a process that takes it.
_READERS = {"cis": ("cis", "CIS_FILE", INTAKE), "dms": ("dms", feed_receipt.DMS_OUTAGES, NETWORK)}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a message: its row, those of its attachments, and whether it was new."""

    inbound_id: int
    attachment_ids: tuple[int, ...]
    new: bool
    started: int = 0


def keep(session: Session, mailbox: str, raw: bytes, letter: Letter, now: datetime) -> Kept:
    """Store a message and start what waits for it, in one transaction; the same again does nothing."""
    ledger = session.execute(
        insert(MailMessage)
        .values(
            mailbox=mailbox,
            message_id=letter.message_id,
            content_hash=letter.content_hash,
            taken_at=now,
        )
        .on_conflict_do_nothing()
        .returning(MailMessage.id)
    ).scalar_one_or_none()
    if ledger is None:
        known = session.execute(
            select(MailMessage.inbound_message_id).where(
                MailMessage.mailbox == mailbox,
                MailMessage.message_id == letter.message_id,
                MailMessage.content_hash == letter.content_hash,
            )
        ).scalar_one()
        return Kept(known or 0, (), False)
    stored = inbound.store(
        session,
        source=source_of(mailbox),
        kind=MAIL,
        name=letter.subject[:200] or "without a subject",
        chunks=(raw,),
        now=now,
        message_id=letter.message_id,
        state="INTERPRETED",
    )
    session.execute(
        update(MailMessage).where(MailMessage.id == ledger).values(inbound_message_id=stored.id)
    )
    ids = tuple(_keep_attachment(session, mailbox, one, letter, now) for one in letter.attachments)
    audit.record(
        session,
        f"mailbox:{mailbox}",
        "MAIL_RECEIVED",
        f"inbound:{stored.id}",
        {"attachments": list(ids)},
        now,
    )
    mail = Mail(
        mailbox,
        letter.message_id,
        letter.content_hash,
        letter.sender,
        letter.subject,
        stored.id,
        ids,
    )
    return Kept(stored.id, ids, True, triggers.mail_came(session, mail, now))


def keep_refused(session: Session, mailbox: str, raw: bytes, code: str, now: datetime) -> int:
    """Store a message of which nothing can be made, with the reason."""
    return inbound.store(
        session,
        source=source_of(mailbox),
        kind=MAIL,
        name="unreadable",
        chunks=(raw,),
        now=now,
        state="REJECTED",
        reason_code=code,
    ).id


def source_of(mailbox: str) -> str:
    """Under which name the messages of a mailbox are stored."""
    return f"mail:{mailbox}"


def is_name(mailbox: str) -> bool:
    """Whether a mailbox may be called so."""
    return _NAME.fullmatch(mailbox) is not None


def _keep_attachment(
    session: Session, mailbox: str, attachment: Attachment, letter: Letter, now: datetime
) -> int:
    source, kind, lane = _READERS.get(mailbox, (source_of(mailbox), ATTACHMENT, None))
    stored = inbound.store(
        session,
        source=source,
        kind=kind,
        name=attachment.name,
        chunks=(attachment.body,),
        now=now,
        message_id=letter.message_id,
        state="STORED" if lane else "INTERPRETED",
    )
    if lane and stored.new:
        ring_after_commit(lane)
    return stored.id
