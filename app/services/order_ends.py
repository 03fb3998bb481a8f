"""Telling the CIS of orders that end without a completion: given back after too many visits, or stopped.

A completion that is reported after all takes the place of such a message (fan_out.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy.orm import Session

from app.domain.acks import AckType
from app.domain.states import WorkOrderState
from app.services import fan_out
from app.services.ack_news import News
from app.services.completion import is_completing
from integrations.cis.types import CisCompletion

_ENDS = frozenset({WorkOrderState.RETURNED, WorkOrderState.CANCELLED})


def tell(session: Session, news: News, before: str) -> None:
    """Tell of an end that the order has just come to; before is the state that it came from."""
    state = news.order.state
    if state == before or state not in _ENDS:
        return
    if state == WorkOrderState.CANCELLED and before != WorkOrderState.STARTED:
        # The CIS called it off itself, or reads the partner's refusal from the parked order.
        return
    fan_out.tell_end(session, news.order, _message(news), news.now)


def _message(news: News) -> dict[str, Any]:
    order, visits = news.order, _failed_visits(news)
    last = news.after.failed_at or max(one.fact.happened_at for one in news.reports.values())
    message = CisCompletion(
        order_id=order.order_id,
        revision=order.revision,
        order_type_code=order.order_type_code,
        final_state=order.state,
        completed_at=last,
        gsrn=order.gsrn,
        outage_off_at=news.after.off_at,
        outage_on_at=news.after.on_at if news.after.off_at is not None else None,
        failure_reason=news.after.failed_reason,
        failure_text="; ".join(f"{at:%Y-%m-%d} {reason}" for at, reason in visits) or None,
    )
    return cast("dict[str, Any]", msgspec.to_builtins(message))


def _failed_visits(news: News) -> list[tuple[datetime, str]]:
    """Every visit in vain with its reason, in the order in which they were made."""
    return sorted(
        (one.fact.happened_at, one.fact.reason_code or "no reason given")
        for one in news.reports.values()
        if one.fact.type is AckType.FAILED and not is_completing(one.fact)
    )
