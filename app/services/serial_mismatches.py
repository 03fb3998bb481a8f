"""Meters that were reported as hung and are not what our stock says: a list with owner and age.

The bill waits meanwhile (REQ-20), everything else goes on. A delivery that explains the meter settles
it, so does a correction, and so does a person who says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.acks import check_ack
from app.domain.findings import Finding
from app.domain.lanes import BILLING
from app.domain.reject_codes import REJECT_CODES, RejectCode
from app.domain.states import MISMATCH_MOVES, AckVerdict, MismatchState, check_move
from app.models.ack import Ack
from app.models.meter_delivery import SerialMismatch
from app.models.outbox_item import OutboxItem
from app.models.work_order import WorkOrder
from app.services import ack_rows, audit, outbox, work_orders
from app.services.completion import Completion
from app.services.order_facts import load_surroundings, make_order_facts

CODES = frozenset(
    {
        RejectCode.METER_NOT_IN_STOCK,
        RejectCode.METER_SERIAL_MISMATCH,
        RejectCode.METER_ALREADY_INSTALLED,
    }
)
BY_DELIVERY = "system:deliveries"


class MismatchRefused(Exception):
    """It cannot be decided so; code is WRONG_STATE or NO_REASON."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def note(
    session: Session,
    order: WorkOrder,
    before: Completion | None,
    after: Completion | None,
    now: datetime,
) -> None:
    """Put the order on the list, or take it off, as the completion that counts now says.

    Costs nothing for orders whose meters are in no doubt.
    """
    told = _doubts(after)
    if after is not None and told:
        _open(session, order, after, told, now)
    elif _doubts(before):
        known = session.get(SerialMismatch, order.order_id, with_for_update=True)
        if known is not None and known.state != MismatchState.SETTLED:
            _settle(known, "CORRECTED", "system:acks", now)


def claim(session: Session, order_id: str, by: str, now: datetime) -> None:
    """Make it one's own. Raises: MismatchRefused."""
    known = _get(session, order_id)
    if known.state == MismatchState.SETTLED:
        raise MismatchRefused("WRONG_STATE")
    if known.state == MismatchState.OPEN:
        check_move(MISMATCH_MOVES, known.state, MismatchState.TAKEN)
        known.state = MismatchState.TAKEN
    known.owner = by
    audit.record(session, by, "MISMATCH_CLAIMED", f"order:{order_id}", {}, now)


def accept(session: Session, order_id: str, reason: str, by: str, now: datetime) -> None:
    """The meter hangs there as reported, whatever the stock says. Raises: MismatchRefused."""
    if not reason:
        raise MismatchRefused("NO_REASON")
    work_orders.get_for_update(session, order_id)
    known = _get(session, order_id)
    if known.state == MismatchState.SETTLED:
        raise MismatchRefused("WRONG_STATE")
    known.note = reason
    _let_bill_go(session, known, f"accepted by {by}: {reason}", now)
    _settle(known, "ACCEPTED", by, now)
    detail = {"meter": known.meter_number, "code": known.code, "reason": reason}
    audit.record(session, by, "MISMATCH_ACCEPTED", f"order:{order_id}", detail, now)


_EXPLAINED = text(
    """
    SELECT s.order_id FROM serial_mismatch s JOIN meter m ON m.number = s.meter_number
    WHERE s.state <> 'SETTLED' AND m.stock_at IS NOT NULL AND s.order_id > :after
    ORDER BY s.order_id LIMIT :limit
    """
)


def possibly_explained(session: Session, limit: int, after: str = "") -> list[str]:
    """Orders on the list of whose meter a delivery has told meanwhile."""
    return list(session.execute(_EXPLAINED, {"limit": limit, "after": after}).scalars())


def look_again(session: Session, order_id: str, now: datetime) -> bool:
    """Weigh the report once more against the stock as it is now; tells whether that settled it."""
    order = work_orders.get_for_update(session, order_id)
    known = session.get(SerialMismatch, order_id, with_for_update=True, populate_existing=True)
    if order is None or known is None or known.state == MismatchState.SETTLED:
        return False
    ack = session.get(Ack, (known.partner_code, known.ack_id), populate_existing=True)
    if ack is None:
        return False
    doubts = _weigh_again(session, order, ack)
    if not doubts:
        _let_bill_go(session, known, "explained by a delivery", now)
        _settle(known, "DELIVERY", BY_DELIVERY, now)
        return True
    first = doubts[0]
    if (known.code, known.detail) != (first.code, first.text):
        known.code, known.detail = str(first.code), first.text
    return False


def _weigh_again(session: Session, order: WorkOrder, ack: Ack) -> list[Finding]:
    """What the checks of the meter's number and serial say now.

    By now the meter hangs here by this very report; what counts is whose stock it was given to.
    """
    wire = ack_rows.wire_of(ack.payload)
    fact = ack_rows.fact_of(wire, ack.partner_code, ack.received_at, ())
    around = load_surroundings(session, order, fact.new_meter_number, ack.partner_code)
    facts = make_order_facts(session, order, ack.partner_code, around)
    meter = facts.new_meter
    if meter is not None and meter.partner_code not in {None, ack.partner_code}:
        told = f"Meter {meter.number} was delivered to {meter.partner_code}."
        return [Finding(RejectCode.METER_NOT_IN_STOCK, "newMeter/number", told)]
    found = check_ack(fact, facts, ack.received_at)
    return [finding for finding in found if finding.code in CODES]


def _open(
    session: Session,
    order: WorkOrder,
    completion: Completion,
    told: list[Finding],
    now: datetime,
) -> None:
    known = session.get(SerialMismatch, order.order_id, with_for_update=True)
    new = completion.ack.new_meter
    values = {
        "gsrn": order.gsrn,
        "partner_code": completion.partner_code,
        "ack_id": str(completion.ack.ack_id),
        "meter_number": (new.number if new else None) or "",
        "serial": new.serial if new else None,
        "code": str(told[0].code),
        "detail": told[0].text,
    }
    if known is None:
        opened = {"state": MismatchState.OPEN, "opened_at": now}
        session.add(SerialMismatch(order_id=order.order_id, **values, **opened))
        return
    if known.state == MismatchState.SETTLED:
        check_move(MISMATCH_MOVES, known.state, MismatchState.OPEN)
        known.state, known.opened_at, known.owner = MismatchState.OPEN, now, None
        known.settled_at = known.settled_by = known.resolution = known.note = None
    for name, value in values.items():
        setattr(known, name, value)


def _doubts(completion: Completion | None) -> list[Finding]:
    if completion is None:
        return []
    return [finding for finding in completion.checks if finding.code in CODES]


def _settle(known: SerialMismatch, resolution: str, by: str, now: datetime) -> None:
    check_move(MISMATCH_MOVES, known.state, MismatchState.SETTLED)
    known.state = MismatchState.SETTLED
    known.resolution, known.settled_by, known.settled_at = resolution, by, now


def _let_bill_go(session: Session, known: SerialMismatch, words: str, now: datetime) -> None:
    """The doubt is over: the report says so from now on, and the bill waits only for other doubts."""
    ack = session.get(Ack, (known.partner_code, known.ack_id), with_for_update=True)
    if ack is not None:
        ack.findings = [
            _settled(one, words) if one["code"] in CODES else one for one in ack.findings
        ]
        if ack.verdict == AckVerdict.HELD and not _holds(one["code"] for one in ack.findings):
            ack.verdict = AckVerdict.APPLIED
    held = session.execute(
        select(OutboxItem)
        .where(
            OutboxItem.business_key == known.order_id,
            OutboxItem.lane == BILLING,
            OutboxItem.state == "HELD",
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalars()
    for item in held:
        reasons = [one for one in (item.hold_reason or "").split(", ") if one not in CODES]
        if reasons:
            item.hold_reason = ", ".join(reasons)
            session.flush()
        else:
            outbox.release_held(session, item.lane, [item.id], now)


def _settled(finding: dict[str, str], words: str) -> dict[str, str]:
    info = REJECT_CODES[RejectCode.MISMATCH_SETTLED]
    return {
        **finding,
        "code": str(RejectCode.MISMATCH_SETTLED),
        "severity": str(info.severity),
        "text": f"{finding['code']}: {finding['text']} Settled: {words}",
    }


def _holds(codes: Iterable[str]) -> bool:
    return any(REJECT_CODES[RejectCode(code)].holds_billing for code in codes)


def _get(session: Session, order_id: str) -> SerialMismatch:
    known = session.get(SerialMismatch, order_id, with_for_update=True, populate_existing=True)
    if known is None:
        raise MismatchRefused("WRONG_STATE")
    return known
