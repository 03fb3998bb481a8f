"""Rows for the tests of the pages: a few people, their meters, and all that happened to them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from app.domain.gsrn import check_digit
from app.domain.roles import Role
from app.domain.search_text import fold
from app.models import (
    Ack,
    Alarm,
    Contact,
    Customer,
    InboundChunk,
    InboundFinding,
    InboundMessage,
    InboundSms,
    Meter,
    MeteringPoint,
    MeterPlacement,
    MeterReading,
    Notice,
    Occupancy,
    Outage,
    OutagePoint,
    OutboxItem,
    PointSearch,
    Run,
    StaffAccount,
    Step,
    WorkOrder,
    WorkOrderChange,
)
from app.services import reply_cases, staff
from app.services.reply_cases import CaseReason

PASSWORD = "korkea-jännite-12kV"


def add_staff(session: Session, role: Role = Role.AGENT, **changes: Any) -> StaffAccount:
    """An account that logs in with PASSWORD."""
    names = {Role.AGENT: "aino", Role.OPERATOR: "otso", Role.ADMIN: "armi"}
    facts = {
        "username": names[role],
        "display_name": f"{names[role].title()} Esimerkki",
        "password": PASSWORD,
        "role": role,
        "now": datetime.now(UTC),
        "language": "fi",
        "by": "system:tests",
        **changes,
    }
    return staff.create(session, **facts)


def gsrn(number: int) -> str:
    """A valid GSRN of the test range."""
    first = f"6499990{number:010d}"
    return first + check_digit(first)


def add_point(
    session: Session,
    number: int,
    *,
    street: str = "Koivutie",
    house: str = "12",
    apartment: str = "3",
    staircase: str = "A",
    name: str = "Maija Meikäläinen",
    language: str = "fi",
    phone: str | None = "+358401234567",
    email: str | None = None,
    safety_ban: bool = False,
    meter: str | None = None,
    key_info: str | None = None,
) -> str:
    """A home with a customer, a contact and a meter; returns its GSRN."""
    now = datetime.now(UTC)
    point, customer = gsrn(number), f"C{number:06d}"
    meter = meter or f"M{number:07d}"
    session.add_all(
        [
            MeteringPoint(
                gsrn=point,
                version=1,
                dso_code=f"KP{number:06d}",
                status="AE01",
                type="AG01",
                street_name=street,
                house_number=house,
                staircase=staircase,
                apartment=apartment,
                postal_code="13210",
                post_office="HÄMEENLINNA",
                municipality_code="109",
                phases=3,
                main_fuse_a=25,
                transformer="M1234",
                feeder="JM-07",
                access_note="Mittarikeskus kellarissa",
                key_info=key_info,
                updated_at=now,
            ),
            Customer(
                cis_id=customer,
                version=1,
                kind="consumer",
                name=name,
                language=language,
                personal_safety_ban=safety_ban,
                preferred_channel="SMS" if phone else "EMAIL",
                updated_at=now,
            ),
            Meter(
                number=meter,
                maker="Aidon",
                model="5530",
                state="INSTALLED",
                gsrn=point,
                installed_at=now - timedelta(days=4000),
                updated_at=now,
            ),
        ]
    )
    session.flush()
    for kind, value in (("SMS", phone), ("EMAIL", email)):
        if value:
            session.add(
                Contact(
                    customer_id=customer,
                    kind=kind,
                    value=value,
                    state="UNVERIFIED",
                    source="CIS",
                    created_at=now,
                    enrolled=True,
                )
            )
    session.add_all(
        [
            Occupancy(
                contract_id=f"S{number}",
                version=1,
                customer_id=customer,
                gsrn=point,
                moved_in_on=date(2019, 5, 1),
                updated_at=now,
            ),
            MeterPlacement(meter_number=meter, gsrn=point, installed_at=now - timedelta(days=4000)),
            PointSearch(
                gsrn=point,
                haystack=fold(
                    f"{street} {house} {staircase} {apartment} 13210 Hämeenlinna {name} {customer}"
                    f" {point} {meter} {(phone or '').removeprefix('+')} {email or ''}"
                ),
                updated_at=now,
            ),
        ]
    )
    session.flush()
    return point


def add_order(session: Session, point: str, state: str, **changes: Any) -> WorkOrder:
    """A work order of the point that came three hours ago and is in this state."""
    now = datetime.now(UTC)
    begun = now - timedelta(hours=3)
    facts = {
        "order_id": f"TT-{point[7:17].lstrip('0')}",
        "revision": 1,
        "content_hash": "0" * 64,
        "order_type_code": "MVM",
        "state": state,
        "state_at": now,
        "base_state": "SENT",
        "priority": 3,
        "gsrn": point,
        "partner_code": "voima",
        "partner_ref": "VO-881204",
        "due_on": date(2026, 12, 31),
        "facts": {},
        "inbound_message_id": 1,
        "created_at": begun,
        "updated_at": now,
        **changes,
    }
    order = WorkOrder(**facts)
    session.add(order)
    for at, before, states, cause in (
        (begun, None, ["RECEIVED", "VALIDATED", "ROUTED"], "CIS file"),
        (begun + timedelta(seconds=3), "ROUTED", ["SENT"], "sent"),
    ):
        session.add(
            WorkOrderChange(
                order_id=order.order_id,
                revision=1,
                at=at,
                from_state=before,
                states=states,
                cause=cause,
            )
        )
    session.flush()
    return order


def add_ack(session: Session, order: WorkOrder, kind: str, at: datetime, **payload: Any) -> None:
    """An acknowledgement that was received a few seconds after what it tells."""
    session.add(
        Ack(
            partner_code="voima",
            ack_id=str(uuid4()),
            order_id=order.order_id,
            revision=order.revision,
            type=kind,
            occurred_at=at,
            reported_at=at,
            received_at=at + timedelta(seconds=4),
            payload=payload,
            payload_hash="0" * 64,
            verdict="APPLIED",
            findings=[],
            inbound_message_id=1,
            applied_at=at + timedelta(seconds=5),
        )
    )
    session.flush()


def add_cut(
    session: Session, order: WorkOrder, off: datetime, on: datetime | None, state: str = "OPEN"
) -> None:
    """The power cut of a meter replacement."""
    outage = Outage(
        source="ACK",
        source_ref=order.order_id,
        kind="METER_SWAP",
        state="CLOSED" if on else state,
        version=1,
        started_at=off,
        restored_at=on,
        created_at=off,
        updated_at=on or off,
    )
    session.add(outage)
    session.flush()
    session.add(OutagePoint(outage_id=outage.id, gsrn=order.gsrn, off_at=off, on_at=on))
    session.flush()


def add_notice(session: Session, point: str, kind: str, at: datetime, **changes: Any) -> Notice:
    """A text message about the point; delivered unless something else is said."""
    facts = {
        "type": kind,
        "dedupe_key": str(uuid4()),
        "gsrn": point,
        "topic": "METER_SWAP",
        "language": "fi",
        "channel": "SMS",
        "sent_to": "+358401234567",
        "body": "Verkkoyhtiö: Mittarinvaihto valmis klo 14.05, Koivutie 12 A 3. Sähköt on kytketty."
        " Jos sähköä ei ole, tarkista pääkytkin tai soita 0800 123 45.",
        "encoding": "GSM-7",
        "segments": 1,
        "state": "DELIVERED",
        "state_at": at,
        "decision": "SEND",
        "event_at": at,
        "provider": "twilio",
        "created_at": at,
        "sent_at": at + timedelta(seconds=1),
        "delivered_at": at + timedelta(seconds=6),
        **changes,
    }
    notice = Notice(**facts)
    session.add(notice)
    session.flush()
    return notice


def add_swap(session: Session, number: int = 1, **home: Any) -> str:
    """A home whose meter was replaced half an hour ago, with both messages; returns its GSRN."""
    now = datetime.now(UTC).replace(microsecond=0)
    point = add_point(session, number, **home)
    order = add_order(session, point, "REPORTED")
    begun, done = now - timedelta(minutes=52), now - timedelta(minutes=31)
    add_ack(session, order, "ACCEPTED", now - timedelta(hours=2, minutes=50))
    add_ack(session, order, "STARTED", begun, outage={"offAt": begun.isoformat()})
    new = f"N{number:07d}"
    add_ack(
        session,
        order,
        "COMPLETED",
        done,
        oldMeter={"number": f"M{number:07d}"},
        newMeter={"number": new},
    )
    session.add(
        WorkOrderChange(
            order_id=order.order_id,
            revision=1,
            at=done + timedelta(seconds=9),
            from_state="COMPLETED",
            states=["REPORTED"],
            cause="every system answered",
        )
    )
    _change_meter(session, point, f"M{number:07d}", new, done, order.order_id)
    add_cut(session, order, begun, done)
    text = "Verkkoyhtiö: Mittarinvaihto alkoi klo 13.44, Koivutie 12 A 3. Sähköt ovat poikki noin 20 min. Ilmoitamme, kun työ on valmis."
    add_notice(session, point, "METER_SWAP_STARTED", begun, body=text)
    add_notice(session, point, "METER_SWAP_DONE", done)
    for lane in ("cis", "nis", "dms", "billing"):
        add_item(session, lane, "SENT", business_key=order.order_id, gsrn=point)
    return point


def add_item(session: Session, lane: str, state: str, **changes: Any) -> OutboxItem:
    """Something on its way to an outside system."""
    now = datetime.now(UTC)
    facts = {
        "lane": lane,
        "kind": "NIS_DEVICE",
        "business_key": "TT-1",
        "order_key": "TT-1",
        "version": 1,
        "dedupe_key": str(uuid4()),
        "payload": {"orderId": "TT-1"},
        "payload_hash": "0" * 64,
        "mode": "once" if lane in ("sms", "email") else "idempotent",
        "priority": 50,
        "state": state,
        "next_at": now,
        "created_at": now - timedelta(minutes=12),
        **changes,
    }
    item = OutboxItem(**facts)
    session.add(item)
    session.flush()
    return item


def add_run(session: Session, process: str, state: str, **changes: Any) -> Run:
    """A run that took two seconds, with one step."""
    now = datetime.now(UTC)
    facts = {
        "process": process,
        "trigger": "doorbell",
        "state": state,
        "counts": {"SENT": 12},
        "started_at": now - timedelta(minutes=3),
        "ended_at": None
        if state == "RUNNING"
        else now - timedelta(minutes=3) + timedelta(seconds=2),
        **changes,
    }
    keys = facts.pop("keys", ["TT-1", gsrn(1)])
    run = Run(**facts)
    session.add(run)
    session.flush()
    session.add(
        Step(
            run_id=run.id,
            name="send NIS_DEVICE",
            state="SENT" if state == "OK" else "REJECTED",
            keys=keys,
            detail=None if state == "OK" else "422 newMeter.number: unknown to the receiver",
            error_class=None if state == "OK" else "Rejected",
            payload_hash="0" * 64,
            started_at=run.started_at,
            duration_ms=184,
        )
    )
    session.flush()
    return run


def add_reply(session: Session, number: str = "+358409999999") -> int:
    """A text message that nobody understood and that waits for customer service; returns its case."""
    moment = datetime.now(UTC) - timedelta(minutes=12)
    case_id = reply_cases.open_case(session, number, CaseReason.UNCLEAR, moment)
    session.add(
        InboundSms(
            sid=f"SM{uuid4().hex}",
            from_number=number,
            to_number="+358454900900",
            body="Milloin sähköt palaavat?",
            received_at=moment,
            state="DONE",
            verdict="UNCLEAR",
            next_at=moment,
            case_id=case_id,
        )
    )
    session.flush()
    return case_id


def add_inbound(session: Session, state: str, **changes: Any) -> InboundMessage:
    """A file of the CIS, with a finding unless all of it was taken in."""
    now = datetime.now(UTC)
    facts = {
        "source": "cis",
        "kind": "CIS_FILE",
        "name": "tilaukset-2026-11-24-0915.xml",
        "message_id": str(uuid4()),
        "body_hash": uuid4().hex + uuid4().hex,
        "size_bytes": 48213,
        "state": state,
        "reason_code": None,
        "counts": {"NEW": 19, "REJECTED": 1},
        "received_at": now - timedelta(minutes=20),
        "interpreted_at": now - timedelta(minutes=20),
        "next_at": now,
        **changes,
    }
    message = InboundMessage(**facts)
    session.add(message)
    session.flush()
    body = '<?xml version="1.0" encoding="UTF-8"?>\n<WorkOrderMessage>å ä ö</WorkOrderMessage>\n'
    session.add(InboundChunk(inbound_message_id=message.id, seq=0, body=body.encode()))
    if state != "INTERPRETED":
        session.add(
            InboundFinding(
                inbound_message_id=message.id,
                order_id="TT-77",
                line=412,
                path="WorkOrder/MeteringPoint/Identification",
                code="GSRN_INVALID",
                severity="ERROR",
                text="The check digit does not fit.",
                at=now,
            )
        )
    session.flush()
    return message


def add_alarm(session: Session, kind: str = "LANE_DOWN", subject: str = "nis") -> Alarm:
    """An alarm that is open."""
    now = datetime.now(UTC)
    alarm = Alarm(
        kind=kind,
        subject=subject,
        detail="The circuit opened: connection refused",
        opened_at=now - timedelta(minutes=8),
        last_seen_at=now,
    )
    session.add(alarm)
    session.flush()
    return alarm


def _change_meter(
    session: Session, point: str, old: str, new: str, at: datetime, order_id: str
) -> None:
    before = session.get_one(Meter, old)
    before.gsrn, before.state, before.removed_at = None, "REMOVED", at
    stay = session.query(MeterPlacement).filter_by(meter_number=old).one()
    stay.removed_at, stay.removed_by_order = at, order_id
    session.add_all(
        [
            Meter(
                number=new,
                maker="Aidon",
                model="6534",
                state="INSTALLED",
                gsrn=point,
                installed_at=at,
                updated_at=at,
            ),
            MeterPlacement(
                meter_number=new, gsrn=point, installed_at=at, installed_by_order=order_id
            ),
        ]
    )
    session.flush()
    for meter, value in ((old, Decimal("48213.000")), (new, Decimal("0.000"))):
        session.add(
            MeterReading(
                meter_number=meter,
                gsrn=point,
                register="1.8.0",
                value=value,
                unit="kWh",
                read_at=at,
                source="DISPLAY",
                order_id=order_id,
                ack_id=f"{order_id}-{meter}",
            )
        )
    session.flush()
