"""What the CIS asks of an order while somebody is at work on it: kept until the visit ends.

A change waits. A cancellation goes to the installer as a wish to stop; from then on the order's own
beginning is CANCELLED, so that whatever the visit ends in but a completion leaves it called off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.states import OrderRequestState
from app.services.slices import Slice

UPDATE = "UPDATE"
CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Request:
    """One revision that came too late to be simply taken; facts: the order as JSON."""

    order_id: str
    revision: int
    cancels: bool
    content_hash: str
    facts: str
    key_info: str | None


# Whatever is asked later says all that an earlier wish said.
_SUPERSEDE = text(
    """
    UPDATE order_request r SET state = :superseded, answered_at = :now, facts = '{}',
        key_info = NULL,
        answer = 'revision ' || n.revision || ' came after it'
    FROM unnest(CAST(:ids AS text[]), CAST(:revisions AS int[])) AS n (order_id, revision)
    WHERE r.order_id = n.order_id AND r.revision < n.revision AND r.state = :waiting
    """
)
_ADD = text(
    """
    INSERT INTO order_request (order_id, revision, action, state, content_hash, facts, key_info,
        inbound_message_id, asked_at)
    SELECT order_id, revision, action, :waiting, content_hash, CAST(facts AS jsonb), key_info,
        :message_id, :now
    FROM unnest(CAST(:ids AS text[]), CAST(:revisions AS int[]), CAST(:actions AS text[]),
        CAST(:hashes AS text[]), CAST(:facts AS text[]), CAST(:keys AS text[]))
        AS n (order_id, revision, action, content_hash, facts, key_info)
    ON CONFLICT (order_id, revision) DO UPDATE SET state = excluded.state,
        action = excluded.action, content_hash = excluded.content_hash, facts = excluded.facts,
        key_info = excluded.key_info, inbound_message_id = excluded.inbound_message_id,
        asked_at = excluded.asked_at, answered_at = NULL, answer = NULL
    """
)
_CALL_OFF = text(
    """
    UPDATE work_order o SET revision = n.revision, content_hash = n.content_hash,
        base_state = 'CANCELLED', inbound_message_id = :message_id, updated_at = :now
    FROM unnest(CAST(:ids AS text[]), CAST(:revisions AS int[]), CAST(:hashes AS text[]))
        AS n (order_id, revision, content_hash)
    WHERE o.order_id = n.order_id
    """
)


def keep(session: Session, requests: Sequence[Request], part: Slice) -> None:
    """Keep what is asked of orders under way; the caller holds the orders and tells the partner."""
    common = {
        "now": part.now,
        "message_id": part.message_id,
        "waiting": OrderRequestState.WAITING,
        "superseded": OrderRequestState.SUPERSEDED,
    }
    session.execute(_SUPERSEDE, {**_columns(requests), **common})
    session.execute(_ADD, {**_columns(requests), **common})
    cancelled = [request for request in requests if request.cancels]
    if cancelled:
        session.execute(_CALL_OFF, {**_columns(cancelled), **common})


def _columns(requests: Sequence[Request]) -> dict[str, list[object]]:
    return {
        "ids": [one.order_id for one in requests],
        "revisions": [one.revision for one in requests],
        "actions": [CANCEL if one.cancels else UPDATE for one in requests],
        "hashes": [one.content_hash for one in requests],
        "facts": [one.facts for one in requests],
        "keys": [one.key_info for one in requests],
    }
