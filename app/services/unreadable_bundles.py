"""Versions in force that this program cannot run: told of, and what stood still over them let go.

It happens when an older release is started over a database of a newer one. Such a version stops its
own document of its own partner: new orders have no route, changes of orders that the partner has wait
without a form (unformed_orders.py), its files stay unread. Once it can be run, or another one is in
force, all of that goes on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.lanes import PARTNER_FILES, UPKEEP
from app.doorbell import ring_after_commit
from app.services import alarms, partner_files, rerouting
from app.services.bundles_in_force import run_content
from app.services.watch import are_open
from integrations.partners.manifest import BundleUnreadable

ALARM = "BUNDLE_UNREADABLE"
_WORDS_CHARS = 500


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A version in force that cannot be run here, and why."""

    id: int
    partner_code: str
    name: str
    why: str


_IN_FORCE = text(
    """
    SELECT DISTINCT ON (partner_code, direction, document)
        id, partner_code, document, direction, version, content
    FROM partner_bundle WHERE state = 'ACTIVE' AND valid_from <= :now
    ORDER BY partner_code, direction, document, valid_from DESC, activated_at DESC, id DESC
    """
)


def find(session: Session, now: datetime) -> list[Unreadable]:
    """Every version in force that this program cannot run."""
    rows = session.execute(_IN_FORCE, {"now": now})
    found = []
    for row in rows:
        try:
            run_content(row.content)
        except BundleUnreadable as error:
            name = f"{row.document} {row.direction} {row.version}"
            found.append(Unreadable(row.id, row.partner_code, name, str(error)))
    return found


def watch(session: Session, now: datetime) -> None:
    """An alarm for each partner with such a version; where one ends, what it had stopped goes on."""
    by_partner: dict[str, list[Unreadable]] = {}
    for one in find(session, now):
        by_partner.setdefault(one.partner_code, []).append(one)
    told = {}
    for code, found in by_partner.items():
        names, why = ", ".join(one.name for one in found), "; ".join(one.why for one in found)
        told[code] = f"This program cannot run {names}: {why}"[:_WORDS_CHARS]
    mended = alarms.open_subjects(session, ALARM) - told.keys()
    are_open(session, ALARM, told, now)
    if mended:
        _go_on(session, sorted(mended), now)


_READ_AGAIN = text(
    """
    UPDATE inbound_message SET state = 'STORED', reason_code = NULL, attempts = 0, next_at = :now
    WHERE state = 'HELD' AND reason_code = 'INTERNAL BundleUnreadable' AND source = ANY(:sources)
    """
)


def _go_on(session: Session, partner_codes: list[str], now: datetime) -> None:
    rerouting.ask_again(session)
    # The CIS's own messages may come by a bundle as well, see iec_orders.py.
    sources = [partner_files.source_of(code) for code in partner_codes] + partner_codes
    session.execute(_READ_AGAIN, {"sources": sources, "now": now})
    for lane in (UPKEEP, PARTNER_FILES):
        ring_after_commit(lane)
