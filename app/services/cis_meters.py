"""Meters as the CIS's master data places them.

What an installer reported is newer than the CIS's picture until the CIS shows a later
installation, so such a placement is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from integrations.cis.types import CisMeteringPoint

_PARAMETERS = """
    unnest(CAST(:gsrns AS text[]), CAST(:numbers AS text[]), CAST(:serials AS text[]),
        CAST(:models AS text[]), CAST(:multipliers AS numeric[]), CAST(:installed AS timestamptz[]))
        AS n (gsrn, number, serial, model, multiplier, installed_at)
"""

# A point whose placement came from a work order and is not older than what the CIS shows.
_OURS_IS_NEWER = """
    EXISTS (SELECT 1 FROM meter_placement p
            WHERE p.gsrn = n.gsrn AND p.installed_by_order IS NOT NULL
              AND (n.installed_at IS NULL OR p.installed_at >= n.installed_at))
"""

_TAKE_DOWN = text(
    f"""
    WITH gone AS (
        UPDATE meter SET state = 'REMOVED', gsrn = NULL, removed_at = :now, updated_at = :now
        FROM {_PARAMETERS}
        WHERE meter.gsrn = n.gsrn AND meter.number <> n.number AND NOT {_OURS_IS_NEWER}
        RETURNING meter.number, n.gsrn)
    UPDATE meter_placement p SET removed_at = :now
    FROM gone WHERE p.meter_number = gone.number AND p.gsrn = gone.gsrn AND p.removed_at IS NULL
    """  # noqa: S608 - made of our own constants only.
)

_HANG = text(
    f"""
    WITH hung AS (
        INSERT INTO meter (number, version, serial, model, multiplier, state, gsrn, installed_at,
            updated_at)
        SELECT number, 0, serial, model, coalesce(multiplier, 1), 'INSTALLED', gsrn, installed_at, :now
        FROM {_PARAMETERS} WHERE NOT {_OURS_IS_NEWER}
        ON CONFLICT (number) DO UPDATE SET serial = coalesce(excluded.serial, meter.serial),
            model = coalesce(excluded.model, meter.model), multiplier = excluded.multiplier,
            state = CASE WHEN meter.state = 'COMMUNICATING' AND meter.gsrn = excluded.gsrn
                    THEN meter.state ELSE 'INSTALLED' END,
            gsrn = excluded.gsrn,
            installed_at = coalesce(excluded.installed_at, meter.installed_at), removed_at = NULL,
            updated_at = excluded.updated_at
        RETURNING number, gsrn, installed_at)
    INSERT INTO meter_placement (meter_number, gsrn, installed_at)
    SELECT number, gsrn, installed_at FROM hung
    WHERE NOT EXISTS (SELECT 1 FROM meter_placement p
                      WHERE p.meter_number = hung.number AND p.gsrn = hung.gsrn
                        AND p.removed_at IS NULL)
    """  # noqa: S608 - made of our own constants only.
)


def sync(session: Session, records: Sequence[CisMeteringPoint], now: datetime) -> None:
    """Hang the meters of these points where the CIS says, and take down what hung there."""
    hung = [(record.gsrn, record.meter) for record in records if record.meter is not None]
    if not hung:
        return
    # One statement cannot touch a meter twice; the last point that names it wins.
    by_number = {meter.meter_number: (gsrn, meter) for gsrn, meter in hung}
    rows = list(by_number.values())
    parameters: dict[str, object] = {
        "now": now,
        "gsrns": [gsrn for gsrn, _ in rows],
        "numbers": [meter.meter_number for _, meter in rows],
        "serials": [meter.serial for _, meter in rows],
        "models": [meter.model for _, meter in rows],
        "multipliers": [meter.multiplier or Decimal(1) for _, meter in rows],
        "installed": [meter.installed_at for _, meter in rows],
    }
    session.execute(_TAKE_DOWN, parameters)
    session.execute(_HANG, parameters)
