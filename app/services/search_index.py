"""The line by which staff find a metering point: everything about it in folded lower case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

# The letters that app.domain.search_text.fold() maps, so that both sides of a search agree.
FOLD_SQL = "translate(lower({0}), 'åäöéüšž', 'aaoeusz')"

_REBUILD = f"""
    INSERT INTO point_search (gsrn, haystack, updated_at)
    SELECT p.gsrn, {
    FOLD_SQL.format(
        "concat_ws(' ', p.gsrn, p.dso_code, concat_ws(' ', p.street_name,"
        " p.house_number, p.staircase, p.apartment), p.postal_code, p.post_office, m.numbers, c.words)"
    )
},
        :now
    FROM metering_point p
    LEFT JOIN LATERAL (
        SELECT string_agg(meter.number, ' ') AS numbers FROM meter WHERE meter.gsrn = p.gsrn) m ON true
    LEFT JOIN LATERAL (
        SELECT string_agg(concat_ws(' ', customer.cis_id, customer.name, contact.value), ' ') AS words
        FROM occupancy o
        JOIN customer ON customer.cis_id = o.customer_id
        LEFT JOIN contact ON contact.customer_id = customer.cis_id AND contact.state <> 'REMOVED'
        WHERE o.gsrn = p.gsrn AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)) c ON true
    WHERE p.gsrn = ANY(:gsrns)
    ON CONFLICT (gsrn) DO UPDATE SET haystack = excluded.haystack, updated_at = excluded.updated_at
    WHERE point_search.haystack <> excluded.haystack
"""  # noqa: S608 - made of our own constants only.


def rebuild(session: Session, gsrns: Sequence[str], now: datetime) -> None:
    """Write the lines of these points anew; called by whoever changed what stands in them."""
    if gsrns:
        session.execute(text(_REBUILD), {"gsrns": list(gsrns), "now": now, "today": now.date()})
