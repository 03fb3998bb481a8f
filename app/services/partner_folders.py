"""Whose folders files for us lie in, by which bundle each is read, and who fetches them.

A partner's files are fetched in the zone in which its lane is drained: here by the poll, elsewhere
by a lane runner. What is fetched is kept in the same way by both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.lanes import INTAKE, PARTNER_FILES
from app.domain.mapping.canonical import Direction, Document
from app.domain.zones import CENTRAL
from app.models.lane import Lane
from app.models.partner import SFTP, Partner
from app.services import bundles_in_force, inbound, meter_deliveries, partner_files
from app.services.bundle_content import CompiledBundle
from integrations.sftp.inbox import FILE_TOO_LARGE

POLL = "poll partners"
ALARM = "PARTNER_SFTP"
LEFT_ALONE_ALARM = "PARTNER_LEFT_ALONE"


@dataclass(frozen=True, slots=True)
class Meant:
    """What the files of a document are: as what they are kept, who reads them, whom findings name."""

    document: Document
    kind: str
    lane: str
    about: str


MEANT = (
    Meant(Document.ACK, partner_files.KIND, PARTNER_FILES, partner_files.ABOUT_ORDERS),
    Meant(Document.DELIVERY, meter_deliveries.KIND, INTAKE, partner_files.ABOUT_METERS),
)


@dataclass(frozen=True, slots=True)
class Sender:
    """A partner that leaves files, and by which bundle each document of it comes."""

    code: str
    base_url: str
    documents: Sequence[tuple[Meant, CompiledBundle]]


def senders(session: Session, zone: str, now: datetime) -> list[Sender]:
    """The partners in use whose files are fetched in a zone, that of their lanes.

    Where the files of one whose bundle cannot be run lie, nobody knows here: they wait there.
    """
    own = select(Lane.zone).where(Lane.name == "partner." + Partner.code).scalar_subquery()
    partners = session.execute(
        select(Partner.code, Partner.base_url)
        .where(Partner.transport == SFTP, Partner.active)
        .where(func.coalesce(own, CENTRAL) == zone)
        .order_by(Partner.code)
    ).all()
    if not partners:
        return []
    known = [
        (one, bundles_in_force.load(session, one.document, Direction.IN, now).in_force)
        for one in MEANT
    ]
    found = (
        Sender(
            row.code,
            row.base_url,
            [(one, bundles[row.code].active) for one, bundles in known if row.code in bundles],
        )
        for row in partners
    )
    return [sender for sender in found if sender.documents]


def refuse_unread(
    session: Session, code: str, meant: Meant, name: str, size: int, why: str, now: datetime
) -> None:
    """Record a file that is put aside unread for its size, and answer it."""
    finding = partner_files.unreadable(FILE_TOO_LARGE, why)
    stored = inbound.store_small(
        session,
        source=partner_files.source_of(code),
        kind=meant.kind,
        name=name,
        body=f"unread {name} {size}".encode(),
        now=now,
        state="REJECTED",
        reason_code=FILE_TOO_LARGE,
    )
    if stored.new:
        told = [(None, finding)]
        inbound.add_findings(session, stored.id, told, now)
        partner_files.put_reject(session, code, name, stored.body_hash, told, now, meant.about)
