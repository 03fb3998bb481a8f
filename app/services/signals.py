"""What is posted to the address that the customer chose: alarms, and signals of processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.lanes import WEBHOOK
from app.services import outbox
from app.services.outbox import NewItem
from app.settings import Settings
from integrations.alarm_webhook.codec import build_signal
from integrations.alarm_webhook.types import Signal

KIND = "SIGNAL"


def put_signal(
    session: Session, settings: Settings, signal: Signal, key: str, now: datetime
) -> int:
    """Put a signal on its way, once per key; 0 when there is no address or it was put before."""
    if not settings.alarm_webhook_url:
        return 0
    item = NewItem(
        lane=WEBHOOK,
        kind=KIND,
        business_key=signal.subject,
        # Cleared must not overtake raised.
        order_key=signal.subject,
        version=signal.occurrence,
        dedupe_key=f"signal/{key}",
        payload=build_signal(signal),
    )
    return outbox.put(session, [item], now)


def put_process_signal(
    session: Session,
    settings: Settings,
    process: str,
    key_id: int,
    params: Mapping[str, Any],
    now: datetime,
) -> int:
    """Tell that a process was started, and by what; one start and its repetitions tell it once."""
    words = ", ".join(f"{name}={value}" for name, value in sorted(params.items()))
    signal = Signal(
        event="PROCESS_SIGNAL",
        subject=f"process:{process}",
        name=process,
        text=words[:1000],
        at=now.isoformat(),
        occurrence=key_id,
    )
    return put_signal(session, settings, signal, f"process/{process}/{key_id}", now)
