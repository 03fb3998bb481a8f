"""One search box: from any part of anything to the metering points that it may mean.

Exact keys are tried first, then parts, and similar spellings only when nothing else fits: that
order is also the order of what they cost among hundreds of thousands of points.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.search_text import fold, words

# Shorter parts would fit almost everything.
PART_MIN_CHARS = 2
SIMILAR_MIN_CHARS = 4
SIMILAR_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PointHit:
    """One metering point as a line of the results; who lives there today, if anybody."""

    gsrn: str
    street: str
    place: str
    customer_id: str | None
    customer_name: str | None
    safety_ban: bool
    meter_number: str | None
    order_type_code: str | None
    order_state: str | None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found; how is EXACT, PART or SIMILAR, more is True when there are further ones."""

    hits: list[PointHit]
    how: str
    more: bool


def search_points(session: Session, query: str, today: date, limit: int = 20) -> SearchResult:
    """Find metering points by whatever the query is a part of."""
    key = query.strip()
    if not key:
        return SearchResult([], "EXACT", False)
    found = _exact(session, key, limit + 1)
    how = "EXACT"
    parts = [part for part in words(key) if len(part) >= PART_MIN_CHARS]
    if not found and parts:
        found, how = _by_parts(session, words(key), limit + 1), "PART"
    if not found and len(fold(key)) >= SIMILAR_MIN_CHARS:
        found, how = _similar(session, fold(key), limit + 1), "SIMILAR"
    hits = _hits(session, found[:limit], today)
    return SearchResult(hits, how, len(found) > limit)


_EXACT = text(
    """
    SELECT gsrn FROM metering_point WHERE gsrn = :key
    UNION SELECT gsrn FROM metering_point WHERE dso_code = :key
    UNION SELECT gsrn FROM meter_placement WHERE meter_number = :key
    UNION SELECT gsrn FROM meter WHERE number = :key AND gsrn IS NOT NULL
    UNION SELECT gsrn FROM work_order WHERE order_id = :key
    UNION SELECT gsrn FROM work_order WHERE partner_ref = :key
    UNION SELECT gsrn FROM occupancy WHERE customer_id = :key
    UNION SELECT o.gsrn FROM contact c JOIN occupancy o ON o.customer_id = c.customer_id
          WHERE c.value = ANY(:addresses) AND c.state <> 'REMOVED'
    ORDER BY gsrn LIMIT :limit
    """
)


def _exact(session: Session, key: str, limit: int) -> list[str]:
    values = {"key": key, "addresses": _addresses(key), "limit": limit}
    return list(session.execute(_EXACT, values).scalars())


def _addresses(key: str) -> list[str]:
    """The forms in which a phone number or an e-mail address may be stored."""
    digits = "".join(sign for sign in key if sign.isdigit())
    forms = [key.lower()]
    if len(digits) >= 5:
        forms.append("+" + digits)
        if digits.startswith("0"):
            forms.append("+358" + digits[1:])
    return forms


def _by_parts(session: Session, parts: list[str], limit: int) -> list[str]:
    # The longest parts are the rarest: the index then leaves the fewest rows to look at.
    ordered = sorted(parts, key=len, reverse=True)[:6]
    values: dict[str, object] = {"limit": limit}
    conditions = []
    for number, part in enumerate(ordered):
        values[f"part{number}"] = f"%{_escaped(part)}%"
        conditions.append(f"haystack LIKE :part{number}")
    # Only names of our own parameters are put together here, never the query itself.
    statement = "SELECT gsrn FROM point_search WHERE " + " AND ".join(conditions)  # noqa: S608
    return list(session.execute(text(statement + " ORDER BY gsrn LIMIT :limit"), values).scalars())


# Weighing each similar line costs more than finding it, and a common word has tens of thousands.
_SIMILAR = text(
    """
    SELECT gsrn FROM (
        SELECT gsrn, haystack FROM point_search WHERE :query <% haystack LIMIT 1000) AS candidate
    ORDER BY :query <<-> haystack, gsrn LIMIT :limit
    """
)


def _similar(session: Session, folded: str, limit: int) -> list[str]:
    values = {"query": folded, "limit": min(limit, SIMILAR_SHOWN)}
    return list(session.execute(_SIMILAR, values).scalars())


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_HITS = text(
    """
    SELECT p.gsrn,
        concat_ws(' ', p.street_name, p.house_number, p.staircase, p.apartment) AS street,
        concat_ws(' ', p.postal_code, p.post_office) AS place,
        c.cis_id, c.name, coalesce(o.banned, false), m.number,
        w.order_type_code, w.state
    FROM unnest(CAST(:gsrns AS text[])) WITH ORDINALITY AS wanted (gsrn, place)
    JOIN metering_point p ON p.gsrn = wanted.gsrn
    LEFT JOIN LATERAL (
        -- A safety ban of anybody there hides the address.
        SELECT o.customer_id, bool_or(who.personal_safety_ban) OVER () AS banned
        FROM occupancy o JOIN customer who ON who.cis_id = o.customer_id
        WHERE o.gsrn = p.gsrn AND o.moved_in_on <= :today
          AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)
        ORDER BY o.moved_in_on DESC, o.contract_id LIMIT 1) o ON true
    LEFT JOIN customer c ON c.cis_id = o.customer_id
    LEFT JOIN LATERAL (
        SELECT number FROM meter WHERE meter.gsrn = p.gsrn ORDER BY installed_at DESC NULLS LAST
        LIMIT 1) m ON true
    LEFT JOIN LATERAL (
        SELECT order_type_code, state FROM work_order
        WHERE work_order.gsrn = p.gsrn ORDER BY updated_at DESC LIMIT 1) w ON true
    ORDER BY wanted.place
    """
)


def _hits(session: Session, gsrns: list[str], today: date) -> list[PointHit]:
    if not gsrns:
        return []
    return [PointHit(*row) for row in session.execute(_HITS, {"gsrns": gsrns, "today": today})]
