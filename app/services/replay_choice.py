"""Which items a replay is about, and which of them may not be sent again, and why.

An item goes out again under its own key, so a receiver that tells repetitions by it does nothing
twice. Of mode *once* nothing that has arrived, or may have, is ever chosen (I2).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array, text_array

# What a file may name; more than the largest mass order has.
KEYS_MOST = 1_000_000


class Wanted(StrEnum):
    """Which items are meant: those that were given up, or also those that have arrived."""

    DEAD = "DEAD"
    SENT = "SENT"


class LeftOut(StrEnum):
    """Why an item that was meant is not sent again.

    WAITING: it is on its way anyway. SENT: it has arrived, and only what was given up is meant.
    MAY_HAVE_ARRIVED: nobody may get it twice. CALLED_OFF: something newer took its place before it
    left. NEWER: the receiver has been told something newer, or that was given up as well and is not
    meant. CONTENT_GONE: its time was over. NOT_FOUND: the lane has no such item.
    """

    WAITING = "WAITING"
    SENT = "SENT"
    MAY_HAVE_ARRIVED = "MAY_HAVE_ARRIVED"
    CALLED_OFF = "CALLED_OFF"
    NEWER = "NEWER"
    CONTENT_GONE = "CONTENT_GONE"
    NOT_FOUND = "NOT_FOUND"


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was asked for; everything that is given has to hold. keys: those that a file names."""

    wanted: Wanted = Wanted.DEAD
    error_class: str | None = None
    kind: str | None = None
    key: str | None = None
    mass_id: str | None = None
    message_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    item_ids: tuple[int, ...] | None = None
    file_name: str | None = None
    key_count: int | None = None

    @property
    def is_repair(self) -> bool:
        """Whether it is about what other systems lack, item by item (difference_acts.py)."""
        return self.wanted is Wanted.SENT and self.item_ids is not None

    @property
    def is_bounded(self) -> bool:
        """Whether it says more than "everything": what has arrived is chosen by something only."""
        return any(
            value is not None
            for value in (self.key, self.mass_id, self.message_id, self.since, self.item_ids)
        ) or bool(self.file_name)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The items, in the order in which they were written, and what was left out."""

    item_ids: list[int]
    left_out: dict[str, int]


# Where the receiver has, or gets, something newer, it would take the older one as news had it lost
# both. If the newer one was given up too, both may go again, one after the other.
_VERDICT = """
    CASE
        WHEN item.state IN ('READY', 'CLAIMED', 'HELD') THEN 'WAITING'
        WHEN item.state = 'CANCELLED' THEN 'CALLED_OFF'
        WHEN item.state = 'UNKNOWN' OR item.mode = 'once' AND (item.state = 'SENT' OR EXISTS (
            SELECT 1 FROM attempt a WHERE a.outbox_item_id = item.id
                AND (a.outcome IS NULL OR a.outcome IN ('SENT', 'UNKNOWN'))))
            THEN 'MAY_HAVE_ARRIVED'
        WHEN item.state = 'SENT' AND NOT CAST(:resend AS boolean) THEN 'SENT'
        WHEN item.mode <> 'once' AND EXISTS (
            SELECT 1 FROM outbox_item newer
            WHERE newer.business_key = item.business_key AND newer.lane = item.lane
                AND newer.kind = item.kind AND newer.id > item.id
                AND newer.version >= item.version
                AND newer.state NOT IN ('CANCELLED', 'DEAD'))
            THEN 'NEWER'
        WHEN item.payload ? 'removed' THEN 'CONTENT_GONE'
    END
"""

_CHOOSE = f"""
    SELECT item.id, item.business_key, {_VERDICT} AS left_out
    FROM outbox_item item {{joins}}
    WHERE item.lane = :lane {{where}}
    ORDER BY item.id
"""  # noqa: S608 - our own text.


def choose(
    session: Session, lane: str, choice: Choice, keys: Sequence[str] | None = None
) -> Chosen:
    """The items that a choice is about at this moment; keys: business keys that a file names."""
    joins, where = [], []
    values: dict[str, Any] = {"lane": lane, "resend": choice.wanted is Wanted.SENT}
    if keys is not None:
        joins.append(
            "JOIN (SELECT DISTINCT key FROM unnest(CAST(:keys AS text[])) AS n (key)) n"
            " ON n.key = item.business_key"
        )
        values["keys"] = text_array(list(keys))
    elif choice.item_ids is not None:
        where.append("item.id = ANY(CAST(:ids AS bigint[]))")
        values["ids"] = plain_array(choice.item_ids)
    else:
        where.append("item.state = :state")
        values["state"] = choice.wanted.value
    if choice.mass_id is not None or choice.message_id is not None:
        joins.append("JOIN work_order o ON o.order_id = item.business_key")
    for name, condition in _CONDITIONS.items():
        value = getattr(choice, name)
        if value is not None:
            where.append(condition)
            values[name] = value
    statement = _CHOOSE.format(joins=" ".join(joins), where="".join(f" AND {w}" for w in where))
    ids: list[int] = []
    left_out: Counter[str] = Counter()
    found: set[str] = set()
    for row in session.execute(text(statement), values):
        found.add(row.business_key)
        if row.left_out is None:
            ids.append(row.id)
        else:
            left_out[row.left_out] += 1
    if keys is not None:
        left_out[LeftOut.NOT_FOUND] += len(set(keys) - found)
    left = behind(session, ids, ids)
    left_out[LeftOut.NEWER] += len(left)
    return Chosen([one for one in ids if one not in left], dict(+left_out))


_GIVEN_UP_LATER = text(
    """
    SELECT item.id, newer.id AS newer_id
    FROM outbox_item item JOIN outbox_item newer
        ON newer.business_key = item.business_key AND newer.lane = item.lane
        AND newer.kind = item.kind AND newer.id > item.id AND newer.version >= item.version
    WHERE item.id = ANY(CAST(:ids AS bigint[])) AND item.mode <> 'once' AND newer.state = 'DEAD'
    """
)


def behind(session: Session, ids: Sequence[int], meant: Sequence[int]) -> set[int]:
    """Those of ids behind which something newer was given up that is not meant; meant: rising.

    Else a partner would get an order again and not hear that it has lost it.
    """
    if not ids:
        return set()
    rows = session.execute(_GIVEN_UP_LATER, {"ids": plain_array(ids)})
    return {row.id for row in rows if not _is_among(row.newer_id, meant)}


def _is_among(item_id: int, rising: Sequence[int]) -> bool:
    place = bisect_left(rising, item_id)
    return place < len(rising) and rising[place] == item_id


_CONDITIONS = {
    "error_class": "item.last_error_class = :error_class",
    "kind": "item.kind = :kind",
    "key": "item.business_key = :key",
    "mass_id": "o.mass_id = :mass_id",
    "message_id": "o.inbound_message_id = :message_id",
    "since": "item.created_at >= :since",
    "until": "item.created_at < :until",
}

# Looked at once more when it is carried out: what was true at the preview may be true no more. All
# tries are theirs anew but one: what was tried may have arrived, and must be called off aloud.
SEND_AGAIN = text(
    f"""
    WITH due AS (
        SELECT item.id FROM outbox_item item
        WHERE item.id = ANY(CAST(:ids AS bigint[])) AND item.lane = :lane
          AND item.state IN ('DEAD', 'SENT') AND {_VERDICT} IS NULL
        ORDER BY item.id FOR UPDATE)
    UPDATE outbox_item item
    SET state = 'READY', next_at = :now, attempts = least(item.attempts, 1), settled_at = NULL
    FROM due WHERE item.id = due.id AND item.state IN ('DEAD', 'SENT')
    RETURNING item.id
    """  # noqa: S608 - our own text.
)


def read_keys(body: str) -> list[str]:
    """The business keys that a file names: the first column of each line, headings and blanks apart."""
    keys = []
    for line in body.lstrip("\ufeff").splitlines():
        first = line.replace(";", ",").replace("\t", ",").split(",", 1)[0].strip().strip('"')
        if first and any(sign.isdigit() for sign in first):
            keys.append(first[:80])
    return keys[:KEYS_MOST]
