"""The bench: what versions make of a record, and what is kept from whoever may not see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import transaction
from app.services import bench_masks, bench_run
from app.services.bench_run import Bench, BenchRefused, Pair
from app.services.bundle_content import CompiledBundle, compile_bundle, shipped_content
from integrations.cis.types import CisWorkOrder
from tests.services.world import GSRN, add_customer, add_point

# After the first versions have come into force, which is when the tables are made.
NOW = datetime.now(UTC) + timedelta(hours=1)
_SEE_KEYS = text("UPDATE partner SET sees_key_info = true WHERE code = 'voima' RETURNING code")
GOLDEN = Path(__file__).parents[1] / "integrations" / "cis" / "golden"
IEC = Path("integrations/partners/cis_iec/golden/order-in-1/create.in.xml")
ORDER = CisWorkOrder(
    order_id="MVY-1",
    revision=2,
    action="NEW",
    order_type_code="MVY",
    gsrn=GSRN,
    street_name="Koivutie",
    house_number="12",
    postal_code="33100",
    municipality_code="837",
    lat=61.5,
    lon=23.76,
    main_fuse_a=25,
    key_info="Avain 4711",
    access_note="Ovikoodi 1234",
    customer_id="C1",
    customer_name="Aino Virtanen",
    phone="+358401234567",
    language="fi",
)
ACK = {
    "ackId": "7c2f2cbb-2f5c-4a35-9a39-7d2d7d5f3f10",
    "orderId": "MVY-1",
    "revision": 1,
    "type": "FAILED",
    "occurredAt": "2026-11-24T10:00:00Z",
    "reportedAt": "2026-11-24T10:01:00Z",
    "failure": {"reasonCode": "ACC_DOG", "text": "Koira pihalla Koivutiellä"},
    "site": {"accessNote": "Avain kukkaruukussa", "lat": 61.5, "mainFuse": "3x25"},
    "notes": "Aino soittaa",
    "van": "ABC-123 Koivutie",
}


def test_two_versions_are_run_side_by_side_and_differ_where_they_differ(session: Session) -> None:
    pair = bench_run.run_order(session, _bench("order", "out", 2, beside=1), ORDER, "NEW")
    assert [(one.path, one.kind) for one in pair.differences] == [("site.mainFuseA", "EXTRA")]
    assert pair.main is not None
    assert pair.beside is not None
    assert "mainFuseA" in (pair.main.outgoing or "")
    assert "mainFuseA" not in (pair.beside.outgoing or "")


@pytest.mark.parametrize("sees", [True, False])
def test_key_information_is_shown_only_to_whom_it_may_be_shown(
    session: Session, sees: bool
) -> None:
    bench = _bench("order", "out", 1, kind="own_crews", sees=sees)
    partner = session.execute(_SEE_KEYS).scalar_one()
    assert partner == "voima"
    pair = bench_run.run_order(session, bench, ORDER, "NEW")
    assert ("Avain 4711" in _all_of(pair)) is sees
    # What the partner is told beside is the same for both, and the mask says what it hides.
    assert "Koivutie" in _all_of(pair)
    assert pair.hidden == (() if sees else ("key_info",))


def test_req_31_under_a_ban_neither_people_nor_their_place_are_on_the_bench(
    session: Session,
) -> None:
    add_point(session)
    add_customer(session, safety_ban=True)
    bench = _bench("order", "out", 1)
    # The order itself says nothing of the ban.
    shown = _all_of(bench_run.run_order(session, bench, ORDER, "NEW"))
    for secret in ("Koivutie", "33100", "61.5", "1234567", "Virtanen", "Ovikoodi", "Avain"):
        assert secret not in shown
    assert GSRN in shown
    # The partner goes there all the same, so whoever arranges visits may look at what it gets.
    seeing = _all_of(
        bench_run.run_order(session, _bench("order", "out", 1, sees=True), ORDER, "NEW")
    )
    assert "Koivutie" in seeing
    assert "Virtanen" not in seeing


def test_a_message_of_theirs_shows_no_way_in_and_under_a_ban_nothing_of_the_place(
    session: Session,
) -> None:
    body = msgspec.json.encode(ACK)
    bench = _bench("ack", "in", 1)
    (pair,) = bench_run.run_incoming(session, bench, body)
    shown = _all_of(pair)
    assert "kukkaruukussa" not in shown
    assert "Aino soittaa" in shown
    assert pair.key == "MVY-1"
    assert pair.main is not None
    assert pair.main.unread == ("van",)
    add_point(session)
    add_customer(session, safety_ban=True)
    _store(session)
    (pair,) = bench_run.run_incoming(session, bench, body)
    shown = _all_of(pair)
    for secret in ("kukkaruukussa", "Aino", "Koivutie", "61.5", "3x25", "ABC-123"):
        assert secret not in shown
    # Which fields there are, and whether they can be read, is no secret.
    assert pair.main is not None
    assert pair.main.findings == ()
    assert pair.main.unread == ("van",)
    assert set(pair.hidden) >= {"site.accessNote", "site.lat", "notes", "van", "failure.text"}


def test_stand_ins_are_of_the_sort_of_what_they_stand_for() -> None:
    bundle = _compiled("ack", "in", 1)
    record = {**ACK, "photos": [{"ref": "a", "sha256": "b"}, {"ref": "c"}], "site": {"lat": "61,5"}}
    hidden, names = bench_masks.hide_in_record(bundle, record, ban=True)
    assert hidden["site"] == {"lat": "0"}
    assert hidden["photos"] == [{"ref": "***", "sha256": "***"}, {"ref": "***"}]
    assert "site.accessNote" not in names
    assert hidden["orderId"] == "MVY-1"
    assert record["site"] == {"lat": "61,5"}


def test_orders_are_read_out_of_files_of_the_cis_and_out_of_json(session: Session) -> None:
    read = bench_run.read_orders(session, (GOLDEN / "work_orders.xml").read_bytes(), NOW)
    ids = [order.order_id for order in read.orders]
    assert len(ids) > 1
    one = bench_run.read_orders(session, (GOLDEN / "work_orders.xml").read_bytes(), NOW, ids[1])
    assert [order.order_id for order in one.orders] == [ids[1]]
    assert bench_run.read_orders(session, IEC.read_bytes(), NOW).orders
    body = msgspec.json.encode({"order": ORDER, "action": "NEW"})
    assert bench_run.read_orders(session, body, NOW).orders == (ORDER,)
    assert bench_run.read_orders(session, msgspec.json.encode(ORDER), NOW).orders == (ORDER,)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "NOT_JSON"),
        (b'{"a": 1}', "NOT_JSON"),
        ((GOLDEN / "mass_order.xml").read_bytes(), "MASS_FILE"),
        ((GOLDEN / "master_data.xml").read_bytes(), "NOT_ORDERS"),
    ],
)
def test_what_holds_no_order_says_so(session: Session, body: bytes, code: str) -> None:
    with pytest.raises(BenchRefused, match=code):
        bench_run.read_orders(session, body, NOW)


def test_a_file_that_cannot_be_read_is_a_finding(session: Session) -> None:
    read = bench_run.read_orders(session, b"<!DOCTYPE a><a/>", NOW)
    assert read.orders == ()
    assert [str(finding.code) for _key, finding in read.findings] == ["XML_MALFORMED"]


def test_records_that_only_one_version_finds_stay_beside_nothing(session: Session) -> None:
    one = shipped_content("regional_contractor", "ack", "in")
    other = msgspec.structs.replace(one, limits=msgspec.structs.replace(one.limits, rows_max=1))
    heading = "KUITTAUS;TILAUS;REVISIO;TAPAHTUMA;AIKA;ILMOITETTU\r\n"
    row = "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06\r\n"
    bench = Bench("voima", compile_bundle(one), compile_bundle(other), True, NOW)
    pairs = bench_run.run_incoming(session, bench, (heading + row + row).encode())
    assert [(one.main is not None, one.beside is not None) for one in pairs] == [
        (True, True),
        (True, False),
    ]
    swapped = Bench("voima", compile_bundle(other), compile_bundle(one), True, NOW)
    pairs = bench_run.run_incoming(session, swapped, (heading + row + row).encode())
    assert [(one.main is not None, one.beside is not None) for one in pairs] == [
        (True, True),
        (False, True),
    ]


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    with app.app_context(), transaction() as found:
        yield found


def _compiled(
    document: str, direction: str, version: int, kind: str = "mass_installer"
) -> CompiledBundle:
    return compile_bundle(shipped_content(kind, document, direction, version))


def _bench(
    document: str,
    direction: str,
    version: int,
    *,
    beside: int | None = None,
    kind: str = "mass_installer",
    sees: bool = False,
) -> Bench:
    other = None if beside is None else _compiled(document, direction, beside, kind)
    return Bench("voima", _compiled(document, direction, version, kind), other, sees, NOW)


def _all_of(pair: Pair) -> str:
    """Everything that a page could show of a record."""
    told: list[Any] = [pair.differences]
    for one in (pair.main, pair.beside):
        if one is not None:
            told += [one.source, one.canonical, one.outgoing, one.findings, one.unread]
    return str(told)


def _store(session: Session) -> None:
    session.execute(
        text(
            "INSERT INTO work_order (order_id, revision, content_hash, order_type_code, state,"
            " state_at, base_state, priority, presence_required, gsrn, facts, attempts,"
            " inbound_message_id, created_at, updated_at) VALUES ('MVY-1', 1, '0', 'MVY', 'SENT',"
            " now(), 'SENT', 3, false, :gsrn, '{}', 0, 1, now(), now())"
        ),
        {"gsrn": GSRN},
    )
