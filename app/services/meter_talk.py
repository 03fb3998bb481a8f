"""Meters that talk: an installed one is COMMUNICATING from the first word that it said where it hangs.

The word is an event that the head-end passes on, or the test that an installer made with it. It may
come before the report that hangs the meter: then the register finds it when it writes that report.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.states import METER_MOVES, MeterState, check_move

# Locked in the sequence of the register; what a meter said before it hung there says nothing of it.
_HEARD = text(
    """
    WITH said AS (
        SELECT meter_number, gsrn, least(max(at), CAST(:now AS timestamptz)) AS at
        FROM meter_event WHERE inbound_message_id = :message_id AND meter_number IS NOT NULL
        GROUP BY meter_number, gsrn),
    heard AS (
        SELECT m.number, said.at FROM said
        JOIN meter m ON m.number = said.meter_number AND m.gsrn = said.gsrn
        WHERE m.state IN ('INSTALLED', 'COMMUNICATING')
          AND (m.installed_at IS NULL OR m.installed_at <= said.at)
          AND (m.last_comm_at IS NULL OR m.last_comm_at < said.at)
        ORDER BY m.number FOR UPDATE OF m)
    UPDATE meter SET state = 'COMMUNICATING', last_comm_at = heard.at, updated_at = :now
    FROM heard WHERE meter.number = heard.number
    """
)
_TESTED = text(
    """
    UPDATE meter SET state = 'COMMUNICATING', last_comm_at = greatest(last_comm_at, :at),
        updated_at = :now
    WHERE number = :number AND gsrn = :gsrn AND state = 'INSTALLED'
    """
)


def hear(session: Session, message_id: int, now: datetime) -> None:
    """Take what meters said in one message of the head-end; the same message again changes nothing."""
    check_move(METER_MOVES, MeterState.INSTALLED, MeterState.COMMUNICATING)
    session.execute(_HEARD, {"message_id": message_id, "now": now})


def note_test(session: Session, number: str, gsrn: str, at: datetime, now: datetime) -> None:
    """An installer has reached the meter where it hangs."""
    check_move(METER_MOVES, MeterState.INSTALLED, MeterState.COMMUNICATING)
    session.execute(_TESTED, {"number": number, "gsrn": gsrn, "at": at, "now": now})
