"""The pages of partners' mappings: versions, the bench, what differs, what nobody reads."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.domain.roles import Role
from app.models import Alarm, AuditEntry, Lane, PartnerBundle, UnmappedField, WorkOrder
from app.services import (
    bundle_activation,
    bundle_drift,
    bundle_versions,
    inbound,
    partner_files,
    setup,
    unreadable_bundles,
)
from app.services.bundle_content import shipped_content
from app.web.operators import bundle_upload as upload_page
from integrations.cis.types import CisWorkOrder
from integrations.partners.manifest import SHIPPED, CsvCodec
from tests.services.queueing import set_lane
from tests.services.routing_world import a_swap, take
from tests.web.visitor import Visitor, visitor_as

CODE = "rautio"
HEAD = "KUITTAUS;TILAUS;REVISIO;TAPAHTUMA;AIKA;ILMOITETTU;AUTO\r\n"
GOOD_ROW = "K-1;A-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;ABC-123\r\n"
BAD_ROW = "K-2;A-2;1;OUTO;24.11.2026 11.05;24.11.2026 11.06;\r\n"


def test_a_version_goes_from_a_draft_by_a_shadow_into_force_by_two_people(
    app: Flask, world: dict[str, int], operator: Visitor, other: Visitor
) -> None:
    draft = world["draft"]
    page = operator.get("/bundles?lang=en").text
    assert "Rautio Oy" in page
    assert "Orders to them, version 2" in page
    assert "In force" in page
    here = f"/bundles/{draft}"
    assert "new" in operator.get(f"{here}?lang=en").text
    operator.post(f"{here}/shadow", page=here)
    assert _state(app, draft) == "SHADOW"
    operator.post(f"{here}/propose", page=here)
    assert "Somebody who has not worked on it" in operator.get(f"{here}?lang=en").text
    operator.post(f"{here}/activate", page=here)
    assert _state(app, draft) == "SHADOW"
    # Whoever added it is no second person either, and the list tells everybody that one is needed.
    assert "Waits for a second person" in other.get("/bundles?lang=en").text
    other.post(f"{here}/activate", page=here)
    assert _state(app, draft) == "ACTIVE"
    assert _state(app, world["first"]) == "RETIRED"
    back = f"/bundles/{world['first']}"
    operator.post(f"{back}/roll-back", page=back)
    assert (_state(app, draft), _state(app, world["first"])) == ("RETIRED", "ACTIVE")
    with app.app_context(), transaction() as session:
        acts = session.execute(
            select(AuditEntry.actor, AuditEntry.action)
            .where(AuditEntry.action.like("BUNDLE%"), AuditEntry.actor.in_(_PEOPLE))
            .order_by(AuditEntry.id)
        ).all()
        assert [tuple(one) for one in acts] == [
            ("staff:otso", "BUNDLE_SHADOWED"),
            ("staff:otso", "BUNDLE_PROPOSED"),
            ("staff:armi", "BUNDLE_ACTIVATED"),
            ("staff:otso", "BUNDLE_ROLLED_BACK"),
        ]


def test_a_version_in_force_that_this_program_cannot_run_says_so_on_the_pages(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "UPDATE partner_bundle SET content = (content - 'transport') || '{\"wire\": 2}'"
                " WHERE id = :id"
            ),
            {"id": world["first"]},
        )
        unreadable_bundles.watch(session, datetime.now(UTC))
    words = "This program cannot run it"
    assert words in operator.get(f"/bundles?partner={CODE}&lang=en").text
    page = operator.get(f"/bundles/{world['first']}?lang=en")
    assert page.status_code == 200
    assert words in page.text
    assert "transport" in page.text
    # Its next version can still be looked at, and be brought into force in its place.
    assert operator.get(f"/bundles/{world['draft']}?lang=en").status_code == 200
    alarms = operator.get("/alarms?lang=en").text
    assert f'href="/bundles?partner={CODE}"' in alarms
    assert "This program cannot run order out 1: " in alarms
    back = f"/bundles/{world['first']}"
    assert operator.get(f"{back}/bench?lang=en").status_code in (200, 403)


def test_a_version_is_proposed_from_a_moment_on(
    app: Flask, world: dict[str, int], operator: Visitor, other: Visitor
) -> None:
    here = f"/bundles/{world['draft']}"
    operator.post(f"{here}/propose", {"from": "2030-03-31T03:30"}, page=here)
    with app.app_context(), transaction() as session:
        # The clock skips this hour.
        assert session.get_one(PartnerBundle, world["draft"]).proposed_by is None
    operator.post(f"{here}/propose", {"from": "2030-01-01T00:00"}, page=here)
    other.post(f"{here}/activate", page=here)
    assert _state(app, world["draft"]) == "ACTIVE"
    page = operator.get(f"{here}?lang=en").text
    assert "Comes into force later" in page
    assert "Call it off: version 1 stays" in page
    assert _state(app, world["first"]) == "ACTIVE"
    operator.post(f"/bundles/{world['first']}/roll-back", page=here)
    assert (_state(app, world["draft"]), _state(app, world["first"])) == ("RETIRED", "ACTIVE")


def test_what_cannot_be_is_refused_in_words(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    here = f"/bundles/{world['draft']}"
    operator.post(f"{here}/activate", page=here)
    assert "Nobody has proposed it yet." in operator.get(f"{here}?lang=en").text
    operator.post(f"{here}/roll-back", page=here)
    assert "Somebody else was quicker" in operator.get(f"{here}?lang=en").text
    assert operator.post(f"{here}/nonsense", page=here).status_code == 404
    assert _state(app, world["draft"]) == "DRAFT"


def test_a_retired_version_that_runs_beside_is_no_proposal(
    app: Flask, world: dict[str, int], operator: Visitor, other: Visitor
) -> None:
    draft, here = world["draft"], f"/bundles/{world['draft']}"
    operator.post(f"{here}/propose", page=here)
    other.post(f"{here}/activate", page=here)
    first = f"/bundles/{world['first']}"
    operator.post(f"{first}/roll-back", page=first)
    operator.post(f"{here}/shadow", page=here)
    other.post(f"{here}/activate", page=here)
    assert _state(app, draft) == "SHADOW"


@pytest.mark.parametrize("way", ["order", "message", "pasted", "incoming", "nothing"])
def test_the_bench_writes_nothing_but_that_somebody_looked_and_sends_nothing(
    app: Flask, world: dict[str, int], operator: Visitor, way: str
) -> None:
    paths = {
        "order": f"/bundles/{world['draft']}/bench?order=A-1",
        "message": f"/bundles/{world['draft']}/bench?message={world['cis_file']}",
        "pasted": f"/bundles/{world['draft']}/bench",
        "incoming": f"/bundles/{world['acks']}/bench?message={world['file']}",
        "nothing": f"/bundles/{world['draft']}/bench?q=A-1",
    }
    operator.get("/bundles")
    before = _counts(app)
    if way == "pasted":
        body = msgspec.json.encode(_order()).decode()
        answer = operator.post(paths[way], {"pasted": body}, page=paths[way])
    else:
        answer = operator.get(paths[way])
    assert answer.status_code == 200
    looked = 0 if way == "nothing" else 1
    assert _counts(app) == {**before, "audit_entry": before["audit_entry"] + looked}
    if looked:
        with app.app_context(), transaction() as session:
            last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
            assert last is not None
            assert (last.actor, last.action) == ("staff:otso", "BENCH_RUN")
            assert last.detail["protected"] == "hidden"
            assert "Koivutie" not in str(last.detail)


def test_an_order_is_shown_through_two_versions_with_what_differs(
    world: dict[str, int], operator: Visitor
) -> None:
    page = operator.get(f"/bundles/{world['draft']}/bench?order=A-1&lang=en").text
    assert "What differs" in page
    assert "HUOM" in page
    assert "What goes out, version 1" in page
    assert "What goes out, version 2" in page
    alone = operator.get(f"/bundles/{world['draft']}/bench?order=A-1&beside=0&lang=en").text
    assert "What differs" not in alone
    assert "Our form" in alone
    called_off = operator.get(
        f"/bundles/{world['draft']}/bench?order=A-1&action=CANCEL&beside=0&lang=en"
    ).text
    assert "Koivutie" not in called_off
    assert "There is no order" in operator.get(f"/bundles/{world['draft']}/bench?order=X-9").text


@pytest.mark.parametrize(("role", "sees"), [(Role.OPERATOR, False), (Role.ADMIN, True)])
def test_key_information_is_kept_from_who_may_not_see_it(
    app: Flask, world: dict[str, int], role: Role, sees: bool
) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE partner SET sees_key_info = true"))
    visitor = visitor_as(app, role)
    page = visitor.get(f"/bundles/{world['draft']}/bench?order=A-1&lang=en").text
    assert ("Avain 4711" in page) is sees
    assert ("Hidden from you: key_info" in page) is not sees
    page = visitor.get(f"/bundles/{world['draft']}/bench?message={world['cis_file']}").text
    assert ("Avain 4711" in page) is sees


def test_req_31_a_safety_ban_hides_people_and_place_on_the_bench(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    with app.app_context(), transaction() as session:
        order = session.get_one(WorkOrder, "A-1")
        order.facts = {**order.facts, "safety_ban": True}
    page = operator.get(f"/bundles/{world['draft']}/bench?order=A-1&lang=en").text
    assert "Koivutie" not in page
    assert "Hidden from you" in page


def test_a_message_of_theirs_is_shown_row_by_row_with_findings_and_what_nobody_reads(
    world: dict[str, int], operator: Visitor
) -> None:
    bench = f"/bundles/{world['acks']}/bench"
    page = operator.get(f"{bench}?message={world['file']}&lang=en").text
    assert "Nobody reads, in version 1:" in page
    assert "TAPAHTUMA should be one of the codes" in page
    assert page.index("A-2") < page.index("ABC-123")
    only = operator.get(f"{bench}?message={world['file']}&at=A-1&lang=en").text
    assert "TAPAHTUMA should be" not in only
    assert "ABC-123" in only


@pytest.mark.parametrize("words", ["A-1", "paiva", "{file}"])
def test_an_archived_message_is_found_by_order_file_name_and_number(
    world: dict[str, int], operator: Visitor, words: str
) -> None:
    asked = words.format(**world)
    page = operator.get(f"/bundles/{world['acks']}/bench?q={asked}&lang=en").text
    assert f"message={world['file']}" in page
    assert "No message fits" in operator.get(f"/bundles/{world['acks']}/bench?q=zzz&lang=en").text
    # A file of somebody else is not among them, nor is another sort of message.
    assert f"message={world['cis_file']}" not in page
    orders = operator.get(f"/bundles/{world['draft']}/bench?q=A-1&lang=en").text
    assert "order=A-1" in orders


def test_orders_messages_and_alarms_lead_here(world: dict[str, int], operator: Visitor) -> None:
    order = operator.get("/orders/A-1?lang=en").text
    assert f"/bundles/{world['first']}/bench?order=A-1" in order
    message = operator.get(f"/inbound/{world['file']}?lang=en").text
    assert f"/bundles/{world['acks']}/bench?message={world['file']}" in message
    assert "/bench" not in operator.get(f"/inbound/{world['cis_file']}?lang=en").text
    assert "/bundles/unmapped" in operator.get("/alarms?lang=en").text


def test_customer_service_sees_none_of_it(app: Flask, world: dict[str, int]) -> None:
    visitor = visitor_as(app, Role.AGENT)
    for path in ("/bundles", f"/bundles/{world['draft']}", f"/bundles/{world['draft']}/bench"):
        assert visitor.get(path).status_code == 403


@pytest.mark.parametrize("body", ["", "nonsense", "{", "<a/>", "å" * 1000])
def test_nonsense_on_the_bench_is_answered_in_words(
    world: dict[str, int], operator: Visitor, body: str
) -> None:
    for number in (world["draft"], world["acks"]):
        path = f"/bundles/{number}/bench"
        assert operator.post(path, {"pasted": body}, page=path).status_code == 200
    assert operator.get(f"/bundles/{world['acks']}/bench?message=99999999").status_code == 200
    assert operator.get(f"/bundles/{world['acks']}/bench?message=x&beside=y").status_code == 200


def test_where_a_shadow_differs_leads_to_the_bench_with_that_order(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    here = f"/bundles/{world['draft']}"
    operator.post(f"{here}/shadow", page=here)
    with app.app_context():
        take([a_swap(7, order_type_code="MVY", access_note="Soita")], now=datetime.now(UTC))
    page = operator.get(f"{here}?lang=en").text
    assert "1 of 1 document" in page
    assert "1 of 1 documents" not in page
    assert "HUOM" in page
    assert f"{here}/bench?order=A-7" in page
    assert "What differs" in operator.get(f"{here}/bench?order=A-7&lang=en").text


def test_a_field_that_nobody_reads_is_accepted_and_its_alarm_ends(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    page = operator.get("/bundles/unmapped?lang=en").text
    assert "AUTO" in page
    assert f"/bundles/{world['acks']}/bench?q=A-1" in page
    field = {"partner": CODE, "document": "ack", "path": "AUTO"}
    operator.post("/bundles/unmapped/accept", field, page="/bundles/unmapped")
    with app.app_context(), transaction() as session:
        seen = session.scalars(select(UnmappedField)).one()
        assert seen.accepted_by == "staff:otso"
        assert session.scalars(select(Alarm.closed_at)).one() is not None
    assert "No: otso" in operator.get("/bundles/unmapped?lang=en").text
    unknown = {**field, "path": "NOBODY"}
    page_of = f"/bundles/{world['draft']}"
    assert operator.post("/bundles/unmapped/accept", unknown, page=page_of).status_code == 404


def test_a_draft_is_uploaded_as_a_mapping_that_follows_a_version(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    here, follows = f"/bundles/add?from={world['first']}", {"from": str(world["first"])}
    assert f"/bundles/add?from={world['first']}" in operator.get(f"/bundles/{world['first']}").text
    mapping = shipped_content("regional_contractor", "order", "out").mapping
    answer = _upload(
        operator, here, json.dumps(mapping).encode(), note="the same once more", **follows
    )
    assert answer.status_code == 302
    # Version 2 is somebody else's draft already.
    page = operator.get(answer.headers["Location"] + "?lang=en").text
    assert "Orders to them, version 3" in page
    assert "the same once more" in page
    assert "It is a draft." in page
    bad = {**mapping, "rules": [*mapping["rules"], {"target": "NIMI", "source": "no_such"}]}
    answer = _upload(operator, here, json.dumps(bad).encode(), **follows)
    assert answer.status_code == 422
    assert "MAP_SOURCE_UNKNOWN" in answer.text
    assert "Nothing was kept." in answer.text
    with app.app_context(), transaction() as session:
        added = session.scalars(
            select(AuditEntry).where(
                AuditEntry.action == "BUNDLE_ADDED", AuditEntry.actor == "staff:otso"
            )
        ).all()
        assert [one.detail["bundle"] for one in added] == ["regional_contractor order out 3"]


def test_a_folder_is_uploaded_as_an_archive_for_a_partner(
    app: Flask, world: dict[str, int], operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"/bundles/add?partner={CODE}"
    answer = _upload(operator, here, _archive("regional_contractor"), partner=CODE)
    assert answer.headers["Location"].endswith(f"/bundles?partner={CODE}")
    assert "Everything in it is here already." in operator.get(f"/bundles?partner={CODE}").text
    for body, told in (
        (b"", "Choose a file."),
        (b"{}", "a ZIP archive of a bundle"),
        (_archive("mass_installer"), "REST or SFTP, is not the partner"),
    ):
        answer = _upload(operator, here, body, partner=CODE)
        assert (answer.status_code, told in answer.text) == (422, True), told
    with monkeypatch.context() as patch:
        patch.setattr(upload_page, "UPLOAD_MOST_BYTES", 1_000)
        answer = _upload(operator, here, b"x" * 1_001, partner=CODE)
        assert (answer.status_code, "The file is too large" in answer.text) == (422, True)
    answer = _upload(operator, here, _archive("regional_contractor"), partner="nobody")
    assert (answer.status_code, "Choose a partner." in answer.text) == (422, True)
    assert operator.get("/bundles/add?from=999").status_code == 404
    assert operator.get("/bundles/add?from=x").status_code == 404


def test_limits_that_a_version_asks_for_are_shown_and_taken_over(
    app: Flask, world: dict[str, int], operator: Visitor
) -> None:
    here = f"/bundles/{world['first']}"
    assert "Limits of the lane" not in operator.get(here).text
    with app.app_context():
        set_lane(f"partner.{CODE}", in_flight_count=9)
    page = operator.get(here).text
    assert "Limits of the lane" in page
    assert "the lane has 9" in page
    operator.post(f"{here}/limits", page=here)
    assert "Limits of the lane" not in operator.get(here).text
    with app.app_context(), transaction() as session:
        assert session.get_one(Lane, f"partner.{CODE}").in_flight_count == 4


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_every_page_is_there_in_every_language(
    world: dict[str, int], operator: Visitor, language: str
) -> None:
    for path in (
        "/bundles",
        f"/bundles?partner={CODE}&state=DRAFT",
        f"/bundles/{world['draft']}",
        "/bundles/unmapped",
        "/bundles/add",
        f"/bundles/add?from={world['draft']}",
        f"/bundles/{world['draft']}/bench",
        f"/bundles/{world['draft']}/bench?order=A-1",
        f"/bundles/{world['acks']}/bench?message={world['file']}",
    ):
        mark = "&" if "?" in path else "?"
        answer = operator.get(f"{path}{mark}lang={language}")
        assert answer.status_code == 200, path
        assert f'<html lang="{language}"' in answer.text


_PEOPLE = ("staff:otso", "staff:armi")


def _upload(visitor: Visitor, page: str, body: bytes, **fields: str) -> TestResponse:
    data = {**fields, "csrf_token": visitor.token(page), "file": (io.BytesIO(body), "upload")}
    return visitor.client.post("/bundles/add", data=data, content_type="multipart/form-data")


def _archive(kind: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path in sorted((SHIPPED / kind).rglob("*")):
            if path.is_file():
                archive.write(path, f"{kind}/{path.relative_to(SHIPPED / kind)}")
    return made.getvalue()


def _order() -> CisWorkOrder:
    order = a_swap(1, order_type_code="MVY", key_info="Avain 4711").order
    assert order is not None
    return order


def _state(app: Flask, number: int) -> str:
    with app.app_context(), transaction() as session:
        return session.get_one(PartnerBundle, number).state


def _counts(app: Flask) -> dict[str, int]:
    """How many rows each table has."""
    with app.app_context(), transaction() as session:
        names = session.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ).scalars()
        return {
            name: session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()
            for name in list(names)
        }


@pytest.fixture
def world(app: Flask) -> dict[str, int]:
    """A contractor that works with files, a draft of its next form, and what it sent."""
    now = datetime.now(UTC)
    with app.app_context():
        with transaction() as session:
            found = _install(session, app, now)
        order = a_swap(1, order_type_code="MVY", key_info="Avain 4711")
        take([order], found["cis_file"], datetime.now(UTC))
        db.session.remove()
    return found


def _install(session: Session, app: Flask, now: datetime) -> dict[str, int]:
    setup.add_partner(
        session,
        CODE,
        "Rautio Oy",
        transport="SFTP",
        base_url="sftp://a@127.0.0.1:1",
        order_types=[],
        sees_key_info=False,
        settings=app.extensions["tiedolla_settings"],
        now=now,
    )
    session.execute(text("UPDATE route_rule SET partner_code = :code"), {"code": CODE})
    for document, direction in (("order", "out"), ("ack", "in")):
        content = shipped_content("regional_contractor", document, direction)
        bundle_activation.install(session, CODE, content, now)
    draft = bundle_versions.add(session, CODE, _next_form(), by="staff:lina", now=now)
    file = inbound.store_small(
        session,
        source=partner_files.source_of(CODE),
        kind=partner_files.KIND,
        name="paiva-24.csv",
        body=(HEAD + GOOD_ROW + BAD_ROW).encode(),
        now=now,
        state="PARTLY",
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<WorkOrderMessage xmlns="urn:tiedolla:cis:work-order:1"><Header>'
        "<MessageId>6f1c2f0e-3f52-4a3e-9d53-0b8f6f6a0001</MessageId>"
        "<CreatedAt>2026-11-24T06:00:00Z</CreatedAt><Sender>6499990000019</Sender>"
        "<Receiver>6499990000026</Receiver><SchemaVersion>1.0</SchemaVersion></Header>"
        "<WorkOrder><OrderId>A-1</OrderId><Revision>1</Revision><Action>NEW</Action>"
        "<OrderTypeCode>MVY</OrderTypeCode><MeteringPoint>"
        f"<Identification>{_order().gsrn}</Identification>"
        "<Technical><KeyInfo>Avain 4711</KeyInfo></Technical></MeteringPoint></WorkOrder></WorkOrderMessage>"
    ).encode()
    cis_file = inbound.store_small(
        session, source="cis", kind="CIS_FILE", name="tilaukset.xml", body=body, now=now
    )
    session.add(
        UnmappedField(
            partner_code=CODE,
            document="ack",
            path="AUTO",
            count=3,
            examples=["A-1"],
            first_at=now,
            last_at=now,
        )
    )
    session.flush()
    bundle_drift.watch(session, now)
    rows = session.execute(
        select(PartnerBundle.id, PartnerBundle.document, PartnerBundle.version).where(
            PartnerBundle.partner_code == CODE
        )
    ).all()
    ids = {(row.document, row.version): row.id for row in rows}
    return {
        "draft": draft.id,
        "first": ids["order", 1],
        "acks": ids["ack", 1],
        "file": file.id,
        "cis_file": cis_file.id,
    }


def _next_form() -> Any:
    """What they take from the next version on: one column has another name."""
    content = shipped_content("regional_contractor", "order", "out")
    assert isinstance(content.codec, CsvCodec)
    columns = ["HUOM" if one == "OHJE" else one for one in content.codec.columns]
    rules = [
        {**rule, "target": "HUOM"} if rule["target"] == "OHJE" else rule
        for rule in content.mapping["rules"]
    ]
    return msgspec.structs.replace(
        content,
        version=2,
        codec=msgspec.structs.replace(content.codec, columns=columns),
        mapping={**content.mapping, "rules": rules},
    )


@pytest.fixture
def operator(app: Flask) -> Visitor:
    return visitor_as(app, Role.OPERATOR)


@pytest.fixture
def other(app: Flask) -> Visitor:
    return visitor_as(app, Role.ADMIN)
