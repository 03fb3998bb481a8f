"""Good and nearly good work order files, and what becomes of every order in them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.cis.types import CisWorkOrder, DocumentKind, MessageHeader, ParsedOrder
from integrations.cis.work_order_codec import parse_work_orders, sniff
from tests.integrations.cis.files import (
    DECLARATION,
    GOLDEN,
    HEADER,
    NAMESPACE,
    message,
    order,
    parse,
    parse_one,
)


def test_every_field_of_a_full_order_arrives_as_what_it_is() -> None:
    header, orders = parse((GOLDEN / "work_orders.xml").read_bytes())

    assert header == MessageHeader(
        message_id="6f1c2f0e-3f52-4a3e-9d53-0b8f6f6a0001",
        created_at=datetime(2026, 3, 2, 6, tzinfo=UTC),
        sender="6499990000019",
        receiver="6499990000026",
        schema_version="1.0",
    )
    assert orders[0] == ParsedOrder(
        line=11,
        order_id="WO-2026-000001",
        order=CisWorkOrder(
            order_id="WO-2026-000001",
            revision=2,
            action="UPDATE",
            order_type_code="MVM",
            priority=3,
            due_on=date(2026, 5, 31),
            window_from=datetime(2026, 4, 1, 5, tzinfo=UTC),
            window_to=datetime(2026, 4, 1, 7, tzinfo=UTC),
            gsrn="643000000000000017",
            local_code="KP-10017",
            physical_status="AE01",
            point_type="AG01",
            point_subtype="AQ01",
            street_name="Hämeenkatu",
            house_number="12",
            staircase="B",
            apartment="7",
            postal_code="33100",
            post_office="TAMPERE",
            municipality_code="837",
            lat=61.4981,
            lon=23.761,
            phases=3,
            main_fuse_a=25,
            multiplier_ct=Decimal(1),
            meter_place="tech room",
            access_note="Soita ensin",
            key_info="Avain huoltoyhtiöllä",
            old_meter_number="5012345",
            old_meter_model="E120LiME",
            last_reading=Decimal("48211.500"),
            last_reading_at=datetime(2026, 2, 28, 22, tzinfo=UTC),
            seals=("S-1001", "S-1002"),
            required_model="E360",
            comm_type="P2P",
            new_multiplier_ct=Decimal(1),
            customer_id="C000017",
            customer_name="Maija Meikäläinen",
            language="sv",
            phone="+358401234567",
            email="maija@example.fi",
            presence_required=True,
            safety_ban=False,
        ),
    )


def test_the_golden_file_gives_the_golden_answer_bad_order_and_all() -> None:
    parsed = list(parse_work_orders([(GOLDEN / "work_orders.xml").read_bytes()]))

    answer = msgspec.json.format(msgspec.json.encode(parsed)) + b"\n"
    assert answer == (GOLDEN / "work_orders.json").read_bytes()


def test_a_bad_order_is_refused_alone_with_its_id_line_and_every_reason() -> None:
    bad = order("WO-2").replace("<Revision>1<", "<Revision>x<").replace("<Action>NEW</Action>", "")
    _, orders = parse(message(order("WO-1"), bad, order("WO-3")))

    assert [(item.order_id, item.order is not None) for item in orders] == [
        ("WO-1", True),
        ("WO-2", False),
        ("WO-3", True),
    ]
    assert [(f.code, f.path, f.line, f.severity) for f in orders[1].findings] == [
        ("FIELD_MISSING", "Action", 19, "ERROR"),
        ("XML_SCHEMA", "Revision", 21, "ERROR"),
    ]
    assert orders[1].findings[0].text == "Action is missing."
    assert (
        orders[1].findings[1].text == "Revision is 'x'; it should be a whole number of 1 or more."
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("OrderId", "x" * 41, "a text of at most 40 characters"),
        ("Revision", "0", "a whole number of 1 or more"),
        ("Revision", "1_0", "a whole number of 1 or more"),
        ("Action", "DELETE", "one of NEW, UPDATE, CANCEL"),
        ("Priority", "6", "a whole number from 1 to 5"),
        ("DueDate", "31.3.2026", "a day such as 2026-03-31"),
        ("DueDate", "-0001-01-01", "a day such as 2026-03-31"),
        ("WindowFrom", "tomorrow", "a time such as 2026-03-31T06:00:00Z"),
        ("WindowTo", "2026-03-31T24:00:00Z", "a time such as 2026-03-31T06:00:00Z"),
        ("WindowTo", "9999-12-31T23:00:00-13:00", "a time such as 2026-03-31T06:00:00Z"),
        # Too early to be turned into UTC from Finnish time, too late to be shown in it.
        ("WindowFrom", "0001-01-01T00:00:00", "a time such as 2026-03-31T06:00:00Z"),
        ("WindowTo", "9999-12-31T23:00:00Z", "a time such as 2026-03-31T06:00:00Z"),
        ("DueDate", "9999-12-31", "a day such as 2026-03-31"),
    ],
)
def test_a_bad_value_is_answered_with_the_field_and_what_it_should_be(
    field: str, value: str, words: str
) -> None:
    given = order().replace(f"<{field}>", "<Old>").replace(f"</{field}>", "</Old>")
    parsed = parse_one(
        message(given.replace("  </WorkOrder>", f"<{field}>{value}</{field}></WorkOrder>"))
    )

    assert parsed.order is None
    (error,) = [finding for finding in parsed.findings if finding.severity == "ERROR"]
    assert (error.code, error.path) == ("XML_SCHEMA", field)
    assert error.text == f"{field} is {value[:40]!r}; it should be {words}."


@pytest.mark.parametrize(
    ("inside", "path"),
    [
        ("<Address><PostalCode>3310</PostalCode></Address>", "Address/PostalCode"),
        ("<Address><MunicipalityCode>TRE</MunicipalityCode></Address>", "Address/MunicipalityCode"),
        ("<Address><Lat>61,4981</Lat></Address>", "Address/Lat"),
        ("<Address><Lon>181</Lon></Address>", "Address/Lon"),
        ("<Address><Lat>NaN</Lat></Address>", "Address/Lat"),
        ("<Technical><Phases>4</Phases></Technical>", "Technical/Phases"),
        ("<Technical><MainFuse>3x25</MainFuse></Technical>", "Technical/MainFuse"),
        ("<Technical><MultiplierCt>0</MultiplierCt></Technical>", "Technical/MultiplierCt"),
        # More than the register has room for.
        (
            "<Technical><MultiplierCt>123456789012</MultiplierCt></Technical>",
            "Technical/MultiplierCt",
        ),
    ],
)
def test_a_bad_value_deep_inside_is_found_by_its_path(inside: str, path: str) -> None:
    text = message(order().replace("    </MeteringPoint>", f"{inside}</MeteringPoint>"))
    # Without line breaks only the path tells one field from another.
    for written in (text, text.replace("\n", " "), _with_prefix(text)):
        parsed = parse_one(written)
        assert parsed.order is None
        assert [f.path for f in parsed.findings] == [f"MeteringPoint/{path}"]


def test_key_information_and_personal_data_are_never_repeated_in_a_finding() -> None:
    secret = "S" * 600
    parsed = parse_one(
        message(
            order(
                extra=f"<Customer><CustomerId>C1</CustomerId><Phone>{secret}</Phone></Customer>"
            ).replace(
                "    </MeteringPoint>",
                f"<Technical><KeyInfo>{secret}</KeyInfo></Technical></MeteringPoint>",
            )
        )
    )

    assert [f.path for f in parsed.findings] == [
        "MeteringPoint/Technical/KeyInfo",
        "Customer/Phone",
    ]
    assert not any("SSS" in finding.text for finding in parsed.findings)


def test_a_missing_group_is_answered_with_the_field_that_matters_in_it() -> None:
    start, _, rest = order().partition("    <MeteringPoint>")
    parsed = parse_one(message(start + rest.partition("</MeteringPoint>\n")[2]))

    assert [(f.code, f.path) for f in parsed.findings] == [
        ("FIELD_MISSING", "MeteringPoint/Identification")
    ]


def test_a_field_given_twice_is_refused_even_where_order_is_free() -> None:
    twice = "<OldMeter><LastReading>1</LastReading><LastReading>2</LastReading></OldMeter>"
    parsed = parse_one(message(order(extra=twice)))

    assert parsed.order is None
    assert parsed.findings[0].text == "OldMeter/LastReading is given more than once."


def test_elements_may_come_in_any_order() -> None:
    first = "<Customer><Language>FI</Language><CustomerId>C1</CustomerId></Customer>"
    parsed = parse_one(message(order().replace("    <OrderId>", f"{first}<OrderId>")))

    assert parsed.order is not None
    assert parsed.findings == ()
    assert (parsed.order.customer_id, parsed.order.language) == ("C1", "fi")


def test_unknown_elements_and_attributes_are_ignored_and_noted() -> None:
    extra = (
        '    <Colour shade="deep">red<Deep/></Colour>\n    <x:Own xmlns:x="urn:other">1</x:Own>\n'
    )
    given = order(extra=extra).replace("<Revision>", '<Revision unit="each">')
    parsed = parse_one(message(given))

    assert parsed.order is not None
    assert [(f.severity, f.path) for f in parsed.findings] == [
        ("INFO", "Revision/@unit"),
        ("INFO", "Colour"),
        ("INFO", "Own"),
    ]


def test_unknown_elements_between_orders_are_noted_once_with_the_next_order() -> None:
    text = message(order("WO-1"), "<Batch>1</Batch><Batch>2</Batch>", order("WO-2"))
    _, orders = parse(text)

    assert [len(item.findings) for item in orders] == [0, 1]
    assert orders[1].findings[0].path == "Batch"


def test_a_schema_location_for_an_editor_does_no_harm() -> None:
    hint = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x x.xsd"'
    parsed = parse_one(message().replace("<WorkOrder>", f"<WorkOrder {hint}>"))

    assert parsed.order is not None
    assert parsed.findings == ()


def test_a_claimed_type_cannot_loosen_the_schema() -> None:
    hint = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Text500"'
    parsed = parse_one(message().replace("<Action>NEW", f"<Action {hint}>ERASE"))

    assert parsed.order is None
    assert parsed.findings[0].path == "Action"


def test_an_empty_element_is_the_same_as_none() -> None:
    extra = "<DueDate/><Priority> </Priority><NewMeter><RequiredModel></RequiredModel></NewMeter><Customer/>"
    parsed = parse_one(message(order(extra=extra)))

    assert parsed.order is not None
    assert parsed.findings == ()
    assert (parsed.order.due_on, parsed.order.priority, parsed.order.required_model) == (None,) * 3


def test_a_mandatory_field_that_is_empty_is_missing() -> None:
    parsed = parse_one(message(order(order_id=" ")))

    assert (parsed.order, parsed.order_id) == (None, None)
    assert [(f.code, f.path) for f in parsed.findings] == [("FIELD_MISSING", "OrderId")]


def test_text_is_composed_and_trimmed_but_keeps_its_case() -> None:
    decomposed = "  ma\u0308ki\n        KATU  "
    extra = f"<Customer><CustomerId>C1</CustomerId><Name>{decomposed}</Name></Customer>"
    parsed = parse_one(message(order(extra=extra)))

    assert parsed.order is not None
    assert parsed.order.customer_name == "mäki KATU"


def test_comments_instructions_and_cdata_inside_a_text_do_not_cut_it() -> None:
    name = "Mei<!-- a > b -->kä<?x y?>läi<![CDATA[nen & Co]]>&#33;"
    extra = f"<Customer><CustomerId>C1</CustomerId><Name>{name}</Name></Customer>"
    parsed = parse_one(message("<!-- before -->", order(extra=extra)))

    assert parsed.order is not None
    assert parsed.order.customer_name == "Meikäläinen & Co!"


def test_a_long_comment_between_orders_is_nobodys_length() -> None:
    _, orders = parse(message(order("WO-1"), f"<!--{'x' * 900_000}-->", order("WO-2")))

    assert [item.order_id for item in orders] == ["WO-1", "WO-2"]


def test_another_prefix_is_the_same_message() -> None:
    plain = (GOLDEN / "work_orders.xml").read_text(encoding="utf-8")

    assert parse(_with_prefix(plain)) == parse(plain)


def test_windows_line_ends_change_nothing_but_their_own_bytes() -> None:
    plain = (GOLDEN / "work_orders.xml").read_text(encoding="utf-8")

    assert parse(plain.replace("\n", "\r\n")) == parse(plain)


def test_a_byte_order_mark_changes_nothing() -> None:
    plain = (GOLDEN / "work_orders.xml").read_bytes()

    assert parse(b"\xef\xbb\xbf" + plain) == parse(plain)


def test_latin_1_is_read_when_it_is_declared() -> None:
    plain = (GOLDEN / "work_orders.xml").read_text(encoding="utf-8")
    declared = plain.replace('encoding="UTF-8"', "encoding='iso-8859-1'")

    assert parse(declared.encode("latin-1")) == parse(plain)


def test_no_declaration_means_utf_8() -> None:
    assert parse_one(message(declaration="")).order is not None


def test_times_without_an_offset_are_finnish_and_said_so() -> None:
    times = "<WindowFrom>2026-04-01T08:00:00</WindowFrom><WindowTo>2026-04-01T10:00:00.5</WindowTo>"
    parsed = parse_one(message(order(extra=times)))

    assert parsed.order is not None
    assert parsed.order.window_from == datetime(2026, 4, 1, 5, tzinfo=UTC)
    assert parsed.order.window_to == datetime(2026, 4, 1, 7, 0, 0, 500000, tzinfo=UTC)
    assert [(f.severity, f.path) for f in parsed.findings] == [
        ("WARN", "WindowFrom"),
        ("WARN", "WindowTo"),
    ]


@pytest.mark.parametrize(
    ("written", "meant", "words"),
    [
        ("2026-10-25T03:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "comes twice"),
        ("2026-03-29T03:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "is skipped"),
    ],
)
def test_an_hour_that_the_clocks_turn_is_taken_with_a_warning(
    written: str, meant: datetime, words: str
) -> None:
    parsed = parse_one(message(order(extra=f"<WindowFrom>{written}</WindowFrom>")))

    assert parsed.order is not None
    assert parsed.order.window_from == meant
    assert words in parsed.findings[0].text


def test_both_hours_of_the_autumn_night_are_told_apart_by_their_offset() -> None:
    times = (
        "<WindowFrom>2026-10-25T03:30:00+03:00</WindowFrom>"
        "<WindowTo>2026-10-25T03:30:00+02:00</WindowTo>"
    )
    parsed = parse_one(message(order(extra=times)))

    assert parsed.order is not None
    assert parsed.order.window_from is not None
    assert parsed.order.window_to is not None
    assert (parsed.order.window_to - parsed.order.window_from).total_seconds() == 3600
    assert parsed.findings == ()


def test_an_order_inside_an_order_is_not_taken_for_one() -> None:
    _, orders = parse(message(order("WO-1", extra=order("WO-2"))))

    assert [item.order_id for item in orders] == ["WO-1"]
    assert orders[0].findings[0].severity == "INFO"


def test_lines_lead_to_the_right_order_beyond_the_sixteen_bits_of_libxml2() -> None:
    bad = order("WO-X").replace("<Revision>1<", "<Revision>x<")
    _, orders = parse(message(*(order(f"WO-{n}") for n in range(9000)), bad))

    # A field is exact; the line of an element of elements is that of its first field.
    assert orders[8999].line == 10 + 8999 * 9 + 1
    assert orders[9000].findings[0].line == 10 + 9000 * 9 + 2


def test_the_kind_of_a_document_is_told_by_its_beginning() -> None:
    master = (GOLDEN / "master_data.xml").read_bytes()
    mass = f'<m:MassWorkOrderMessage xmlns:m="{NAMESPACE}">'

    assert sniff(message().encode()[:200]) is DocumentKind.WORK_ORDERS
    assert sniff(master) is DocumentKind.MASTER_DATA
    assert sniff(mass.encode()) is DocumentKind.MASS_WORK_ORDERS


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=700), min_size=1, max_size=40))
def test_how_a_file_is_cut_into_chunks_changes_nothing(sizes: list[int]) -> None:
    data = (GOLDEN / "work_orders.xml").read_bytes()
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    chunks.append(data[at:])

    assert list(parse_work_orders(chunks)) == list(parse_work_orders([data]))


def test_a_header_notes_what_it_does_not_know() -> None:
    header, _ = parse(message(header=HEADER.replace("</Header>", "<Origin>x</Origin></Header>")))

    assert [(f.severity, f.path) for f in header.findings] == [("INFO", "Header/Origin")]


def _with_prefix(text: str) -> str:
    body = text.removeprefix(DECLARATION)
    body = body.replace("</", "\0").replace("<", "<w:").replace("\0", "</w:")
    return DECLARATION + body.replace("xmlns=", "xmlns:w=")
