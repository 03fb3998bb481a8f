"""What the CIS is told about a file that could not be taken whole."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from lxml import etree

from integrations.cis.record_schema import load_schema
from integrations.cis.reject_codec import build_reject
from integrations.cis.types import CisReject, RejectEntry
from tests.integrations.cis.files import GOLDEN

MESSAGE_ID = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bee"
REJECT = CisReject(
    file_name="työt-2026-03-02.xml",
    rejected_message_id="6f1c2f0e-3f52-4a3e-9d53-0b8f6f6a0001",
    created_at=datetime(2026, 3, 2, 6, 0, 5, tzinfo=UTC),
    entries=(
        RejectEntry(
            code="XML_SCHEMA",
            iec_code="1.8",
            order_id="WO-2026-000003",
            line=80,
            path="Revision",
            text="Revision is '0'; it should be a whole number of 1 or more.",
        ),
        RejectEntry(code="XML_MALFORMED", iec_code="1.8", text="The file stops before its end."),
    ),
)


def test_a_reject_is_the_golden_one_and_keeps_to_its_schema() -> None:
    data = build_reject(REJECT, MESSAGE_ID)

    load_schema("reject-1.xsd").assertValid(etree.fromstring(data))
    assert data == (GOLDEN / "reject.xml").read_bytes()


def test_a_hostile_name_and_order_id_give_a_good_answer_all_the_same() -> None:
    hostile = msgspec.structs.replace(
        REJECT,
        file_name="../\x00\n\udcff<&" + "x" * 1000,
        rejected_message_id="\x00" * 90,
        entries=(
            RejectEntry(code="XML_SCHEMA", order_id="<\x01" * 90, line=0, text="\x0b" * 5000),
        ),
    )

    load_schema("reject-1.xsd").assertValid(etree.fromstring(build_reject(hostile, MESSAGE_ID)))
