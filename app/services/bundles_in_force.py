"""Which version of a partner's bundle counts now, and which runs beside it; read only.

A version in force that this program cannot run stops its own document of its own partner, and nobody
else: nothing takes its place, and whoever has something for it is told that it cannot be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.mapping.canonical import Direction, Document
from app.domain.mapping.vocabulary import MappingInvalid
from app.domain.states import BundleState
from app.models.partner import REST, Partner
from app.services.bundle_content import (
    CompiledBundle,
    compile_bundle,
    from_row,
    shipped_content,
)
from integrations.partners.manifest import BundleUnreadable, Sftp

log = structlog.get_logger()

# A partner over REST that nobody has given a bundle speaks our own form.
_OUR_OWN = "mass_installer"


@dataclass(frozen=True, slots=True)
class InForce:
    """The version of a document that counts now, and the one that runs beside it."""

    active: CompiledBundle
    shadow: CompiledBundle | None = None
    shadow_id: int = 0


_IN_FORCE = text(
    """
    SELECT DISTINCT ON (partner_code, direction, document, state) partner_code, id, state, content
    FROM partner_bundle
    WHERE document = :document AND direction = :direction
      AND (state = 'SHADOW' OR state = 'ACTIVE' AND valid_from <= :now)
      AND (CAST(:partner AS text) IS NULL OR partner_code = :partner)
    ORDER BY partner_code, direction, document, state, valid_from DESC, activated_at DESC, id DESC
    """
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What counts for each partner; unreadable: of whom it cannot be run by this program, and why."""

    in_force: dict[str, InForce]
    unreadable: dict[str, str]


def load(session: Session, document: str, direction: str, now: datetime) -> Loaded:
    """What counts now for each partner, and what runs beside it; read once per file or batch.

    A partner over REST without any version takes orders and gives acknowledgements in our own form;
    one whose version cannot be run has none.
    """
    found = _read(session, document, direction, None, now)
    if (document, direction) in _OUR_OWN_DOCUMENTS:
        ours = compile_bundle(shipped_content(_OUR_OWN, document, direction))
        rest = session.execute(select(Partner.code).where(Partner.transport == REST)).scalars()
        for code in rest:
            if code not in found.unreadable:
                found.in_force.setdefault(code, InForce(ours))
    return found


def find(
    session: Session, partner_code: str, document: str, direction: str, now: datetime
) -> InForce | None:
    """What counts now for one partner. Raises: BundleUnreadable (this program cannot run it)."""
    found = _read(session, document, direction, partner_code, now)
    why = found.unreadable.get(partner_code)
    if why is not None:
        raise BundleUnreadable(why)
    return found.in_force.get(partner_code)


def find_folders(session: Session, partner_code: str, now: datetime) -> Sftp | None:
    """Where on its server a partner's orders and rejects go; None when no bundle in force says so.

    Raises: BundleUnreadable.
    """
    for document, direction in _BY_FILE:
        found = find(session, partner_code, document, direction, now)
        if found is not None and isinstance(found.active.content.transport, Sftp):
            return found.active.content.transport
    return None


# A partner that gets no orders has at least a folder for what we refuse.
_BY_FILE = (
    (Document.ORDER.value, Direction.OUT.value),
    (Document.ACK.value, Direction.IN.value),
    (Document.DELIVERY.value, Direction.IN.value),
)
_OUR_OWN_DOCUMENTS = (
    (Document.ORDER.value, Direction.OUT.value),
    (Document.ACK.value, Direction.IN.value),
)


def _read(
    session: Session, document: str, direction: str, partner_code: str | None, now: datetime
) -> Loaded:
    values = {"document": document, "direction": direction, "partner": partner_code, "now": now}
    rows = session.execute(_IN_FORCE, values).all()
    active = {row.partner_code: row for row in rows if row.state == BundleState.ACTIVE}
    shadows = {row.partner_code: row for row in rows if row.state == BundleState.SHADOW}
    loaded = Loaded({}, {})
    for code, row in active.items():
        try:
            compiled = run_content(row.content)
        except BundleUnreadable as error:
            loaded.unreadable[code] = str(error)
            continue
        beside = shadows.get(code)
        loaded.in_force[code] = InForce(
            compiled, _find_shadow(beside), beside.id if beside is not None else 0
        )
    return loaded


def _find_shadow(row: Any) -> CompiledBundle | None:
    """The version that runs beside; one that this program cannot run keeps no message from its way."""
    if row is None:
        return None
    try:
        return run_content(row.content)
    except BundleUnreadable as error:
        log.warning("shadow_not_run", bundle=row.id, why=str(error))
        return None


def run_content(content: Mapping[str, Any]) -> CompiledBundle:
    """A stored version, ready to run. Raises: BundleUnreadable (not by this program), with the reason."""
    try:
        return compile_bundle(from_row(content))
    except BundleUnreadable:
        raise
    except (MappingInvalid, ValueError, LookupError) as error:
        raise BundleUnreadable(str(error) or type(error).__name__) from None
