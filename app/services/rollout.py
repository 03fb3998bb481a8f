"""Keeps the rollout's narrow copy of the orders, and the figures that were counted from it.

The copy is made anew where it differs from the orders, never by time or number, because commits
come in any order. Figures are counted in the same snapshot in which the last differences were
taken, so all of them, and the lists behind them, tell of one moment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import HELSINKI
from app.domain.failure_reasons import FAILURE_REASONS
from app.domain.rollout import INSTALLED, NO_REASON, NONE, ROLLOUT_TYPES, WORD_CHARS

# How many orders one statement makes anew; few enough to be far from the longest statement.
SLICE = 20_000
_SUMMARY = 1


def _named(column: str) -> str:
    """A name as the lists can be asked for it: blank, or the sign for none, is none."""
    return f"left(nullif(nullif(btrim({column}), ''), '{NONE}'), {WORD_CHARS})"


# Of an order with visits, what its reports say. Times are as the domain takes them: what lies in the
# future counts as its arrival. A failed visit after which the meter hangs is an installation.
_FACTS = f"""
    , facts AS (
        SELECT c.*, r.installed_at, r.crew, r.failed_reason
        FROM chosen c LEFT JOIN LATERAL (
            SELECT (array_agg(e.at ORDER BY e.at DESC, e.ack_id DESC)
                    FILTER (WHERE e.hung AND e.type <> 'CORRECTED'))[1] AS installed_at,
                (array_agg(e.crew ORDER BY e.at DESC, e.ack_id DESC) FILTER (WHERE e.hung))[1]
                    AS crew,
                (array_agg(e.reason ORDER BY e.at DESC, e.ack_id DESC) FILTER (WHERE NOT e.hung))[1]
                    AS failed_reason
            FROM (
                SELECT a.ack_id, a.type,
                    CASE WHEN a.occurred_at > a.received_at + interval '5 minutes'
                        THEN a.received_at ELSE a.occurred_at END AS at,
                    coalesce({_named("a.payload ->> 'crew'")},
                        {_named("a.payload ->> 'installerId'")}) AS crew,
                    coalesce({_named("a.payload #>> '{failure,reasonCode}'")}, :no_reason) AS reason,
                    CASE WHEN a.type = 'FAILED'
                        THEN coalesce(a.payload #>> '{{failure,reasonCode}}', '') = ANY(:hung)
                            AND a.payload #>> '{{newMeter,number}}' IS NOT NULL
                        ELSE a.payload #>> '{{failure,reasonCode}}' IS NULL END AS hung
                FROM ack a WHERE c.attempts > 0 AND a.order_id = c.order_id
                    AND a.type IN ('COMPLETED', 'FAILED', 'CORRECTED')
                    AND a.verdict IN ('APPLIED', 'HELD')) e
            ) r ON true)
"""  # noqa: S608 - our own constants, here and below.
# What a partner did not take is over once it has something newer of the same order.
_SOURCE = f"""
    WITH undelivered AS (
        SELECT DISTINCT i.business_key FROM outbox_item i WHERE i.lane LIKE 'partner.%'
            AND i.state IN ('DEAD', 'UNKNOWN') AND i.kind = 'WORK_ORDER'
            AND NOT EXISTS (SELECT 1 FROM outbox_item n WHERE n.business_key = i.business_key
                AND n.lane = i.lane AND n.kind = i.kind AND n.id > i.id AND n.state = 'SENT')),
    source AS (
        SELECT o.order_id, o.updated_at AS source_at, o.state, o.state_at, o.attempts, o.gsrn,
            o.order_type_code, o.mass_id, {_named("m.wave")} AS wave, coalesce(m.state = 'PAUSED', false) AS paused,
            o.municipality_code, o.partner_code, {_named("o.required_model")} AS model, v.from_at AS visit_at,
            u.business_key IS NOT NULL AS undelivered, x.code AS mismatch
        FROM work_order o
        LEFT JOIN mass_order m ON m.mass_id = o.mass_id
        LEFT JOIN visit v ON v.order_id = o.order_id
        LEFT JOIN undelivered u ON u.business_key = o.order_id
        LEFT JOIN serial_mismatch x ON x.order_id = o.order_id AND x.state <> 'SETTLED'
        WHERE o.order_type_code = ANY(:types))
"""  # noqa: S608
_COPIED = (
    "source_at",
    "state",
    "state_at",
    "attempts",
    "gsrn",
    "order_type_code",
    "mass_id",
    "wave",
    "paused",
    "municipality_code",
    "partner_code",
    "model",
    "visit_at",
    "undelivered",
    "mismatch",
)
_DERIVED = ("installed_on", "crew", "failed_reason")
_COLUMNS = (*_COPIED, *_DERIVED)
_WRITE = f"""
    INSERT INTO rollout_order AS r (order_id, {", ".join(_COLUMNS)})
    SELECT order_id, {", ".join(_COPIED)},
        CASE WHEN state = ANY(:installed)
            THEN (coalesce(installed_at, state_at) AT TIME ZONE '{HELSINKI.key}')::date END,
        CASE WHEN state = ANY(:installed) THEN crew END, failed_reason
    FROM facts
    ON CONFLICT (order_id) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in _COLUMNS)}
    WHERE ({", ".join(f"r.{c}" for c in _COLUMNS)})
        IS DISTINCT FROM ({", ".join(f"excluded.{c}" for c in _COLUMNS)})
"""  # noqa: S608 - our own constants.
_CHANGED = text(
    f"""
    {_SOURCE}, chosen AS (
        SELECT s.* FROM source s LEFT JOIN rollout_order k ON k.order_id = s.order_id
        WHERE k.order_id IS NULL OR ({", ".join(f"s.{c}" for c in _COPIED)})
            IS DISTINCT FROM ({", ".join(f"k.{c}" for c in _COPIED)})
        LIMIT :limit)
    {_FACTS}, written AS ({_WRITE} RETURNING 1)
    SELECT count(*) FROM chosen
    """  # noqa: S608 - our own constants.
)
_REREAD = text(
    f"""
    {_SOURCE}, chosen AS (
        SELECT s.* FROM source s WHERE s.order_id > :after AND s.order_id <= :last)
    {_FACTS}, written AS ({_WRITE} RETURNING 1)
    SELECT count(*) FROM chosen
    """  # noqa: S608 - our own constants.
)
_LAST = text(
    "SELECT order_id FROM rollout_order WHERE order_id > :after ORDER BY order_id"
    " OFFSET :limit - 1 LIMIT 1"
)
_END = text("SELECT max(order_id) FROM rollout_order WHERE order_id > :after")
_GONE = text(
    """
    DELETE FROM rollout_order r WHERE r.order_id > :after AND r.order_id <= :last
        AND NOT EXISTS (SELECT 1 FROM work_order o WHERE o.order_id = r.order_id
            AND o.order_type_code = ANY(:types))
    """
)
_PUBLISH = text(
    """
    INSERT INTO rollout_summary (id, as_of_at, took_ms, reread_after, figures)
    VALUES (:id, :now, :took_ms, :reread_after, CAST(:figures AS jsonb))
    ON CONFLICT (id) DO UPDATE SET as_of_at = excluded.as_of_at, took_ms = excluded.took_ms,
        reread_after = excluded.reread_after, figures = excluded.figures
    """
)


def open_snapshot(session: Session) -> None:
    """Let all that follows in this transaction see one moment; before its first statement."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def take_changes(session: Session, limit: int = SLICE) -> int:
    """Make the copies of up to `limit` orders anew that differ; as many again mean: there are more."""
    return int(session.execute(_CHANGED, {**_values(), "limit": limit}).scalar_one())


def reread(session: Session, after: str, limit: int = SLICE) -> str:
    """Read the next few orders anew, changed or not, and forget those that are gone.

    A correction of a correction changes an order's facts without changing the order: so it is seen
    within some hours. Returns the order to go on behind; empty: from the beginning.
    """
    last = session.execute(_LAST, {"after": after, "limit": limit}).scalar()
    next_after = str(last) if last is not None else ""
    if last is None:
        last = session.execute(_END, {"after": after}).scalar()
    if last is not None:
        values = {**_values(), "after": after, "last": last}
        session.execute(_REREAD, values)
        session.execute(_GONE, values)
    return next_after


def publish(
    session: Session, figures: object, now: datetime, took_ms: int, reread_after: str
) -> None:
    """Keep the figures of the whole, counted in the transaction that took the last changes.

    figures: what msgspec writes as JSON.
    """
    session.execute(
        _PUBLISH,
        {
            "id": _SUMMARY,
            "now": now,
            "took_ms": took_ms,
            "reread_after": reread_after,
            "figures": msgspec.json.encode(figures).decode(),
        },
    )


def _values() -> dict[str, Any]:
    hung = [reason.code for reason in FAILURE_REASONS.values() if reason.counts_as_installed]
    return {
        "types": list(ROLLOUT_TYPES),
        "hung": hung,
        "no_reason": NO_REASON,
        "installed": [str(state) for state in INSTALLED],
    }
