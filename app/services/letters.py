"""Letters that are owed: printed, posted, or withdrawn once what they say has passed.

Who gets one is decided in aftercare.py. Name and address are those of the moment of printing. One about
a plan that was changed or called off since is taken back until it is in the post; whoever may have read
it is told of the change by letter as well (audience_sql.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.letter_text import OCCUPANT
from app.domain.notice_values import short_address
from app.services import audit

PRINT_MOST = 500


@dataclass(frozen=True, slots=True)
class PrintableLetter:
    """A letter with everything that stands on the paper; receiver: lines of the address window."""

    id: int
    receiver: tuple[str, ...]
    language: Language
    subject: str
    body: str
    gsrn: str
    created_at: datetime


_PRINTABLE = text(
    """
    SELECT l.id, l.language, l.subject, l.body, l.gsrn, l.created_at, l.nameless,
        c.name, c.personal_safety_ban, m.street_name, m.house_number, m.staircase, m.apartment,
        m.postal_code, m.post_office
    FROM letter l
    JOIN metering_point m ON m.gsrn = l.gsrn
    LEFT JOIN customer c ON c.cis_id = l.customer_id
    WHERE l.id = ANY(:ids) AND l.state IN ('DUE', 'PRINTED')
      AND m.street_name IS NOT NULL AND m.postal_code IS NOT NULL
    ORDER BY m.postal_code, m.street_name, l.id FOR UPDATE OF l
    """
)
_PRINTED = text(
    "UPDATE letter SET state = 'PRINTED', printed_at = :now, printed_by = :by WHERE id = ANY(:ids)"
)


def print_out(
    session: Session, ids: Sequence[int], *, by: str, now: datetime
) -> list[PrintableLetter]:
    """The letters for the printer, in the order of the postal codes; recorded as printed.

    One that was printed before may be printed again until it is posted: paper jams.
    """
    withdraw_outdated(session)
    letters = _printable(session, ids)
    printed = [letter.id for letter in letters]
    session.execute(_PRINTED, {"ids": printed, "by": by, "now": now})
    _record(session, "LETTERS_PRINTED", printed, by, now)
    return letters


def list_out(
    session: Session, ids: Sequence[int], *, by: str, now: datetime
) -> list[PrintableLetter]:
    """The same for a mailing house's list; that somebody saw the addresses is recorded."""
    withdraw_outdated(session)
    letters = _printable(session, ids)
    _record(session, "LETTERS_LISTED", [letter.id for letter in letters], by, now)
    return letters


def mark_posted(session: Session, ids: Sequence[int], *, by: str, now: datetime) -> int:
    """Note that printed letters are in the post; what was never printed stays due."""
    withdraw_outdated(session)
    posted = list(
        session.execute(
            text(
                "UPDATE letter SET state = 'POSTED', posted_at = :now, posted_by = :by"
                " WHERE id = ANY(:ids) AND state = 'PRINTED' RETURNING id"
            ),
            {"ids": list(ids), "by": by, "now": now},
        ).scalars()
    )
    _record(session, "LETTERS_POSTED", sorted(posted), by, now)
    return len(posted)


def withdraw_passed(session: Session, now: datetime) -> int:
    """Take back what has not been printed before it stopped being true; it stays on record."""
    result = session.execute(
        text(
            "UPDATE letter SET state = 'WITHDRAWN' WHERE state = 'DUE' AND expires_at <= :now"
            " RETURNING id"
        ),
        {"now": now},
    )
    return len(result.all())


_WITHDRAW_OUTDATED = text(
    """
    UPDATE letter l SET state = 'WITHDRAWN' FROM notice n
    WHERE n.id = l.notice_id AND l.state IN ('DUE', 'PRINTED')
      AND l.type IN ('PLANNED_NOTICE', 'PLANNED_CHANGED')
      AND EXISTS (SELECT 1 FROM announcement newer
        WHERE newer.outage_id = n.outage_id AND newer.id > n.announcement_id
          AND newer.type IN ('PLANNED_CHANGED', 'PLANNED_CANCELLED')
          AND newer.state <> 'WITHDRAWN')
    RETURNING l.id
    """
)


def withdraw_outdated(session: Session) -> int:
    """Take back what is not in the post and tells of a plan that is none any more (REQ-16)."""
    return len(session.execute(_WITHDRAW_OUTDATED).all())


def _printable(session: Session, ids: Sequence[int]) -> list[PrintableLetter]:
    rows = session.execute(_PRINTABLE, {"ids": list(ids)[:PRINT_MOST]})
    found = []
    for row in rows:
        language = Language(row.language)
        # A ban may have come after the letter was owed.
        nameless = row.nameless or row.name is None or row.personal_safety_ban
        street = short_address(row.street_name, row.house_number, row.staircase, row.apartment)
        place = f"{row.postal_code} {(row.post_office or '').upper()}".strip()
        name = OCCUPANT.in_language(language) if nameless else row.name
        receiver = (name, street or "", place)
        found.append(
            PrintableLetter(
                row.id, receiver, language, row.subject, row.body, row.gsrn, row.created_at
            )
        )
    return found


def _record(session: Session, action: str, ids: Sequence[int], by: str, now: datetime) -> None:
    if ids:
        audit.record(session, by, action, "letters", {"letters": list(ids)}, now)
