"""Runs, lanes, parked orders, inbound messages and alarms: finding out why, and acting on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db
from app.models import AuditEntry, Lane, OutboxItem
from tests.web.conftest import Writing
from tests.web.sample_rows import (
    add_alarm,
    add_inbound,
    add_item,
    add_order,
    add_point,
    add_run,
    gsrn,
)
from tests.web.visitor import Visitor


def test_runs_are_red_or_green_with_the_word_beside_the_colour(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        for state in ("OK", "FAILED", "PARTLY", "KILLED", "RUNNING"):
            add_run(session, "intake", state)

    page = operator.get("/runs").text

    lights = re.findall(r'td-light--(\w+)">.*?<span>(\w+)</span>', page, re.DOTALL)
    assert lights == [
        ("info", "Running"),
        ("fail", "Killed"),
        ("warn", "Partly"),
        ("fail", "Failed"),
        ("ok", "OK"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("process=drain+nis", {2}),
        ("state=RED", {2, 3}),
        ("state=OK", {1}),
        ("key=TT-9", {3}),
        (f"key={gsrn(9)}", {3}),
        ("key=orders.xml", {1}),
        ("key=+TT-9+&state=RED", {3}),
        ("key=nothing", set()),
    ],
)
def test_runs_are_found_by_process_state_and_any_business_key(
    operator: Visitor, writing: Writing, query: str, found: set[int]
) -> None:
    with writing() as session:
        add_run(session, "intake", "OK", subject="orders.xml")
        add_run(session, "drain nis", "PARTLY")
        add_run(session, "acks", "FAILED", keys=["TT-9", gsrn(9)])

    page = operator.get(f"/runs?{query}").text

    assert {int(number) for number in re.findall(r'href="/runs/(\d+)"', page)} == found
    assert ("No run fits" in page) == (not found)


def test_the_list_goes_on_over_pages_and_back(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        for _ in range(120):
            add_run(session, "intake", "OK")

    first = operator.get("/runs").text
    assert numbers(first) == list(range(120, 70, -1))
    second = operator.get(link(first, "Older")).text
    assert numbers(second) == list(range(70, 20, -1))
    third = operator.get(link(second, "Older")).text
    assert numbers(third) == list(range(20, 0, -1))
    assert "Older" not in third
    assert numbers(operator.get(link(third, "Newer")).text) == list(range(70, 20, -1))


def test_a_run_shows_its_steps_with_keys_that_lead_on(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        add_run(session, "drain nis", "PARTLY", keys=["TT-9", gsrn(9)])

    page = operator.get("/runs/1").text

    assert "422 newMeter.number" in page
    assert f'href="/points/{gsrn(9)}"' in page
    assert 'href="/runs?key=TT-9"' in page


def test_a_payload_is_shown_and_who_looked_is_recorded(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_item(session, "nis", "SENT", business_key="TT-1", payload={"gsrn": "äö", "n": 1})
        add_run(session, "drain nis", "OK", keys=["TT-1"])

    page = operator.get("/runs/1/steps/1/payload").text

    assert "&#34;gsrn&#34;: &#34;äö&#34;" in page
    assert audited(app) == [("staff:otso", "PAYLOAD_SEEN", "step:1")]


def test_a_list_renews_itself_until_somebody_stops_that(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_run(session, "intake", "OK")

    assert 'hx-trigger="every 10s"' in operator.get("/runs").text
    assert "hx-trigger" not in operator.get("/runs?live=0").text
    part = operator.get("/runs?poll=1", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert 'href="/runs/1"' in part


def test_lanes_show_depth_age_and_what_got_stuck(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        for state in ("READY", "READY", "CLAIMED", "DEAD", "UNKNOWN", "HELD", "SENT"):
            add_item(session, "nis", state)
        add_inbound(session, "STORED")

    rows = lane_rows(operator.get("/lanes").text)

    assert rows["nis"][1:7] == [
        "Working",
        "3",
        "12 min",
        "1 Gave up",
        "1 Outcome unknown",
        "1 Held for a check",
    ]
    assert rows["intake"][2] == "1"
    assert rows["billing"][2] == "0"


def test_what_waits_inside_is_counted_at_the_lane_that_works_on_it_and_listed(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_inbound(session, "STORED", kind="METER_DELIVERY")
        message = add_inbound(session, "INTERPRETED")
        add_inbound(session, "STORED", kind="METER_EVENTS")
        session.execute(
            text(
                "INSERT INTO mass_order (mass_id, state, state_at, allowed_models, counts, counted_at,"
                " inbound_message_id, created_at, updated_at)"
                " VALUES ('MO-1', 'VALIDATED', now(), '{}', '{}', now(), :id, now(), now())"
            ),
            {"id": message.id},
        )
        session.execute(
            text(
                "INSERT INTO mass_file (inbound_message_id, mass_id, state, state_at, declared_count,"
                " item_count, same_count, rejected_count, refused_count, staged_count, done_seq,"
                " attempts, next_at, created_at)"
                " VALUES (:id, 'MO-1', 'READY', now(), 1, 1, 0, 0, 0, 1, 0, 0, now(), now())"
            ),
            {"id": message.id},
        )
    rows = lane_rows(operator.get("/lanes").text)
    assert (rows["intake"][2], rows["network"][2]) == ("2", "1")
    page = operator.get("/lanes/intake").text
    assert 'href="/inbound?kind=METER_DELIVERY&amp;state=STORED"' in page
    assert 'href="/mass-orders"' in page


def test_a_broken_circuit_and_a_paused_lane_are_said(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        session.execute(
            text(
                "UPDATE lane SET open_until = now() + interval '1 h', last_error = 'refused' WHERE name = 'nis'"
            )
        )
        session.execute(
            text("UPDATE lane SET open_until = now() - interval '1 s' WHERE name = 'dms'")
        )
        session.execute(text("UPDATE lane SET paused = true WHERE name = 'sms'"))

    rows = lane_rows(operator.get("/lanes").text)

    assert rows["nis"][1] == "Circuit broken"
    assert rows["dms"][1] == "Trying again"
    assert rows["sms"][1] == "Paused by an operator"


def test_a_lane_is_paused_and_resumed_and_both_are_recorded(app: Flask, operator: Visitor) -> None:
    operator.post("/lanes/nis/pause", page="/lanes/nis")
    assert lane(app, "nis").paused
    page = operator.get("/lanes/nis").text
    assert "is paused" in page
    assert "Resume sending" in page

    operator.post("/lanes/nis/resume", page="/lanes/nis")
    assert not lane(app, "nis").paused
    assert [entry[1:] for entry in audited(app)] == [
        ("LANE_PAUSED", "lane:nis"),
        ("LANE_RESUMED", "lane:nis"),
    ]


def test_what_was_given_up_is_tried_again_under_its_original_key(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        one = add_item(session, "nis", "DEAD", attempts=60)
        other = add_item(session, "nis", "DEAD", attempts=60, business_key="TT-2")
        key = one.dedupe_key

    operator.post("/lanes/nis/retry", {"item": one.id}, page="/lanes/nis")
    assert states(app) == {one.id: "READY", other.id: "DEAD"}
    # All of them only after a look, and with a reason.
    seen = operator.post("/lanes/nis/retry", page="/lanes/nis").location
    assert states(app) == {one.id: "READY", other.id: "DEAD"}
    operator.post(f"{seen}/ask", {"note": "it is back"}, page=seen)
    assert states(app) == {one.id: "READY", other.id: "READY"}

    with app.app_context():
        assert db.session.get_one(OutboxItem, one.id).dedupe_key == key
        db.session.remove()
    assert [entry[1] for entry in audited(app)] == ["REPLAY_APPROVED", "REPLAY_APPROVED"]


def test_what_was_held_goes_only_when_it_is_named(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        one = add_item(session, "billing", "HELD", hold_reason="READING_JUMP")
        other = add_item(session, "billing", "HELD", hold_reason="READING_JUMP")
    assert "The reading has grown implausibly" in operator.get("/lanes/billing").text

    assert operator.post("/lanes/billing/release", page="/lanes/billing").status_code == 400
    # What another lane holds is not let go under this one's name.
    operator.post("/lanes/nis/release", {"item": one.id}, page="/lanes/nis")
    assert states(app) == {one.id: "HELD", other.id: "HELD"}
    operator.post("/lanes/billing/release", {"item": one.id}, page="/lanes/billing")

    assert states(app) == {one.id: "READY", other.id: "HELD"}


def test_what_waits_for_something_else_says_so_and_is_let_go_by_nobody(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        held = add_item(
            session, "partner.voima", "HELD", hold_reason="BUNDLE_UNREADABLE", last_error="why not"
        )
        paused = add_item(session, "partner.voima", "HELD", hold_reason="MASS_PAUSED")
    page = operator.get("/lanes/partner.voima?lang=en").text
    assert "why not" in page
    assert "The mass order is paused" in page
    assert "/lanes/partner.voima/release" not in page
    for one in (held, paused):
        operator.post("/lanes/partner.voima/release", {"item": one.id}, page="/lanes/partner.voima")
    assert states(app) == {held.id: "HELD", paused.id: "HELD"}


def test_an_unknown_outcome_offers_no_button_that_would_send_it_twice(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_item(session, "sms", "UNKNOWN")

    page = operator.get("/lanes/sms").text

    assert "never sent again blindly" in page
    assert "Try again" not in page


@pytest.mark.parametrize("state", ["NO_ROUTE", "REJECTED", "PARTNER_REJECTED"])
def test_a_parked_order_stands_in_the_list_with_its_reasons(
    operator: Visitor, writing: Writing, state: str
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        message = add_inbound(session, "PARTLY")
        order = add_order(session, point, state, route_reason="no rule", partner_code=None)
        session.execute(text("UPDATE inbound_finding SET order_id = :id"), {"id": order.order_id})
        assert message.id == 1

    page = operator.get("/orders").text

    assert "TT-1" in page
    assert "Metering point GSRN is invalid" in page
    assert "TT-1" in operator.get(f"/orders?state={state}").text
    assert "TT-1" not in operator.get("/orders?state=HELD").text


def test_why_an_order_has_no_route_is_said_once(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        add_inbound(session, "PARTLY")
        reason = "No rule fits. There is none for order type HUO."
        add_order(
            session, add_point(session, 1), "NO_ROUTE", route_reason=reason, partner_code=None
        )
        session.execute(
            text("UPDATE inbound_finding SET order_id = 'TT-1', code = 'NO_ROUTE', text = :reason"),
            {"reason": reason},
        )

    page = operator.get("/orders").text

    assert page.count(reason) == 1
    assert page.count("No routing rule fits") == 1


def test_an_order_with_a_held_report_is_parked_too(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "COMPLETED")
        add_item(session, "billing", "HELD", business_key=order.order_id, hold_reason="READING_LOW")

    page = operator.get("/orders?state=HELD").text

    assert "TT-1" in page
    assert "A report is held for a check (1)" in page


def test_no_parked_order_is_good_news(operator: Visitor) -> None:
    assert "No order waits" in operator.get("/orders").text


def test_inbound_messages_show_state_findings_and_their_exact_bytes(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_inbound(session, "PARTLY")
        add_inbound(session, "INTERPRETED", name="good.xml")

    assert "tilaukset" not in operator.get("/inbound?state=INTERPRETED").text
    assert "good.xml" in operator.get("/inbound?kind=CIS_FILE").text
    detail = operator.get("/inbound/1").text
    assert "GSRN_INVALID" in detail
    assert "line 412" in detail
    assert "&lt;WorkOrderMessage&gt;å ä ö" in operator.get("/inbound/1/body").text
    saved = operator.get("/inbound/1/download")
    assert saved.data.decode().endswith("<WorkOrderMessage>å ä ö</WorkOrderMessage>\n")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert saved.mimetype == "application/octet-stream"
    assert [entry[1:] for entry in audited(app)] == [("INBOUND_BODY_SEEN", "inbound:1")] * 2


def test_open_alarms_are_counted_in_the_menu_and_lead_to_their_lane(
    operator: Visitor, writing: Writing
) -> None:
    assert "No alarm is open" in operator.get("/alarms").text
    with writing() as session:
        add_alarm(session)

    page = operator.get("/alarms").text

    assert 'class="td-count">1<' in page
    assert 'href="/lanes/nis"' in page
    assert "The receiver does not answer" in page


def test_an_alarm_about_an_order_leads_to_its_metering_point(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_order(session, add_point(session, 1), "STARTED")
        add_alarm(session, "SWAP_OUTAGE_STALE", "TT-1")

    assert "Nobody has reported the power back" in operator.get("/alarms").text
    assert 'href="/?q=TT-1"' in operator.get("/alarms").text
    assert operator.get("/?q=TT-1").location == f"/points/{gsrn(1)}"


@pytest.mark.parametrize("path", ["/lanes/nothing", "/inbound/99", "/runs/1/steps/1/payload"])
def test_what_is_not_there_is_not_found(operator: Visitor, path: str) -> None:
    assert operator.get(path).status_code == 404


def numbers(page: str) -> list[int]:
    """The runs on a page, in order."""
    return [int(number) for number in re.findall(r'href="/runs/(\d+)"', page)]


def link(page: str, words: str) -> str:
    """Where the link with these words leads."""
    found = re.search(rf'href="([^"]+)" rel="\w+">(?:(?!</a>).)*?{words}', page, re.DOTALL)
    assert found is not None
    return found[1].replace("&amp;", "&")


def lane_rows(page: str) -> dict[str, list[str]]:
    """The words in each cell of each lane's row."""
    rows = {}
    for row in re.findall(r'<tr role="row" class.*?</tr>', page, re.DOTALL):
        name = re.search(r'href="/lanes/([\w.]+)"', row)
        assert name is not None
        cells = re.findall(r"<td.*?</td>", row, re.DOTALL)
        rows[name[1]] = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
    return rows


def lane(app: Flask, name: str) -> Lane:
    """A lane's row as it is now."""
    with app.app_context():
        found = db.session.get_one(Lane, name)
        db.session.remove()
    return found


def states(app: Flask) -> dict[int, str]:
    """The state of every outbox item."""
    with app.app_context():
        found = {
            row.id: row.state for row in db.session.execute(select(OutboxItem.id, OutboxItem.state))
        }
        db.session.remove()
    return found


def audited(app: Flask) -> list[tuple[str, str, str]]:
    """What the audit trail holds: who, what, about what."""
    with app.app_context():
        rows = db.session.execute(
            select(AuditEntry.actor, AuditEntry.action, AuditEntry.subject).order_by(AuditEntry.id)
        )
        found = [(row.actor, row.action, row.subject) for row in rows]
        db.session.remove()
    return found


def test_a_message_whose_time_is_over_says_so_and_has_no_body(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_inbound(session, "INTERPRETED", body_removed_at=datetime.now(UTC))
    assert "was removed" in operator.get("/inbound/1").text
    for path in ("/inbound/1/body", "/inbound/1/download"):
        answer = operator.get(path)
        assert answer.status_code == 410
        assert "no longer kept" in answer.text
