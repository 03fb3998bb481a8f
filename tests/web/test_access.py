"""Who may open which page."""

from __future__ import annotations

import pytest
from flask import Flask

from app.domain.roles import Role
from tests.web.conftest import Writing
from tests.web.sample_rows import add_inbound, add_point, add_run, gsrn
from tests.web.visitor import Visitor, visitor_as

ALL, OPERATE, ADMIN = set(Role), {Role.OPERATOR, Role.ADMIN}, {Role.ADMIN}
KEY_INFO = {Role.AGENT, Role.ADMIN}
# Those who talk with customers.
SERVICE = {Role.AGENT, Role.ADMIN}

PAGES = {
    "/": ALL,
    "/search?q=koivu": ALL,
    f"/points/{gsrn(1)}": ALL,
    "/runs": OPERATE,
    "/runs/1": OPERATE,
    "/runs/1/steps/1/payload": OPERATE,
    "/lanes": OPERATE,
    "/lanes/sms": OPERATE,
    "/orders": OPERATE,
    "/inbound": OPERATE,
    "/inbound/1": OPERATE,
    "/inbound/1/body": OPERATE,
    "/inbound/1/download": OPERATE,
    "/alarms": OPERATE,
    "/announcements": OPERATE,
    "/outages": OPERATE,
    "/outages/new": OPERATE,
    "/planned": OPERATE,
    "/planned/new": OPERATE,
    "/planned/kpi": OPERATE,
    "/storms": OPERATE,
    "/connections": OPERATE,
    "/sending": OPERATE,
    "/sending/routes/twilio": OPERATE,
    "/letters": OPERATE,
    "/doubts": OPERATE,
    "/texts": OPERATE,
    "/texts/addresses": OPERATE,
    "/texts/FAULT_ETR": OPERATE,
    "/texts/FAULT_ETR/edit": OPERATE,
    "/mass-orders": OPERATE,
    "/zones": OPERATE,
    "/environment": OPERATE,
    "/rollout": OPERATE,
    "/rollout/orders": OPERATE,
    "/rollout/meters?model=6534&group=in-stock": OPERATE,
    "/rollout/plan": OPERATE,
    "/processes": OPERATE,
    "/processes/poll-cis": OPERATE,
    "/reconciliation": OPERATE,
    "/reconciliation/systems/nis": OPERATE,
    "/retention": OPERATE,
    "/alarm-rules": OPERATE,
    "/alarm-rules/new": OPERATE,
    "/stock": OPERATE,
    "/mismatches": OPERATE,
    "/lanes/sms/bounds": OPERATE,
    "/lanes/sms/replay": OPERATE,
    "/bundles": OPERATE,
    "/bundles/add": OPERATE,
    "/bundles/1": OPERATE,
    "/bundles/1/bench": OPERATE,
    "/bundles/unmapped": OPERATE,
    "/routing": OPERATE,
    "/routing/moves": OPERATE,
    "/routing/1": OPERATE,
    "/routing/1/impact": OPERATE,
    "/routing/1/bench": OPERATE,
    "/routing/1/rules/new": OPERATE,
    "/calls": ALL,
    "/contacts-to-check": ALL,
    "/inbox": SERVICE,
    "/staff": ADMIN,
    "/staff/new": ADMIN,
    "/staff/1/password": ADMIN,
}
# Pages of things that the rows below do not have: whoever may open them learns that.
MISSING = {
    "/announcements/9": OPERATE,
    "/outages/9": OPERATE,
    "/planned/9": OPERATE,
    "/planned/9/edit": OPERATE,
    "/planned/9/told": OPERATE,
    "/planned/9/letters.csv": OPERATE,
    "/planned/9/points.csv": OPERATE,
    "/planned/9/approve": OPERATE,
    "/texts/FAULT_ETR/versions/9": OPERATE,
    "/mass-orders/MO-9": OPERATE,
    "/environment/imports/9": OPERATE,
    "/rollout/overview.csv": OPERATE,
    "/rollout/orders.xlsx": OPERATE,
    "/rollout/plan/9.csv": OPERATE,
    "/processes/nothing": OPERATE,
    "/reconciliation/9": OPERATE,
    "/reconciliation/systems/nothing": OPERATE,
    "/alarm-rules/nothing": OPERATE,
    "/stock/deliveries/9": OPERATE,
    "/meters/M-9": OPERATE,
    "/orders/WO-9": OPERATE,
    "/replays/9": OPERATE,
    "/bundles/999": OPERATE,
    "/bundles/999/bench": OPERATE,
    "/routing/9": OPERATE,
    "/routing/1/rules/99": OPERATE,
    "/mass-orders/MO-9/proof": OPERATE,
    "/mass-orders/MO-9/proof.csv": OPERATE,
    "/notices/9": ALL,
    "/connections/LT-9": ALL,
    "/customers/C-9": ALL,
    "/customers/C-9/contacts/9": SERVICE,
    "/inbox/9": SERVICE,
}
ACTIONS = {
    "/rollout/plan": OPERATE,
    "/rollout/plan/9/activate": OPERATE,
    "/rollout/plan/9/propose": OPERATE,
    f"/points/{gsrn(1)}/address": KEY_INFO,
    f"/points/{gsrn(1)}/key-info": KEY_INFO,
    "/lanes/sms/pause": OPERATE,
    "/lanes/sms/resume": OPERATE,
    "/lanes/sms/retry": OPERATE,
    "/lanes/sms/release": OPERATE,
    "/lanes/sms/bounds": OPERATE,
    "/lanes/sms/replay": OPERATE,
    "/replays/9/confirm": OPERATE,
    "/bundles/1/bench": OPERATE,
    "/bundles/1/propose": OPERATE,
    "/bundles/1/limits": OPERATE,
    "/bundles/add": OPERATE,
    "/bundles/unmapped/accept": OPERATE,
    "/routing/draft": OPERATE,
    "/routing/look-again": OPERATE,
    "/routing/moves": OPERATE,
    "/routing/moves/9/confirm": OPERATE,
    "/routing/1/rules/new": OPERATE,
    "/routing/1/rules/9": OPERATE,
    "/routing/1/rules/9/remove": OPERATE,
    "/routing/1/roll-back": OPERATE,
    "/routing/1/activate": OPERATE,
    "/announcements/9/decide": OPERATE,
    "/announcements/9/correct": OPERATE,
    **dict.fromkeys(
        (
            f"/outages/9/{act}"
            for act in (
                "confirm",
                "estimate",
                "cause",
                "restore",
                "reopen",
                "false-alarm",
                "warn",
                "merge",
                "split",
            )
        ),
        OPERATE,
    ),
    "/outages/new": OPERATE,
    "/planned/new": OPERATE,
    "/planned/9/edit": OPERATE,
    "/planned/9/approve": OPERATE,
    "/storms": OPERATE,
    "/storms/9/assess": OPERATE,
    "/storms/9/end": OPERATE,
    "/letters/print": OPERATE,
    "/letters/list": OPERATE,
    "/letters/posted": OPERATE,
    "/doubts/00000000-0000-4000-8000-000000000009": OPERATE,
    "/sending/stop": OPERATE,
    "/sending/start": OPERATE,
    "/sending/rate": OPERATE,
    "/sending/budget": OPERATE,
    "/sending/routes/twilio": OPERATE,
    **dict.fromkeys(
        (
            f"/texts/FAULT_ETR/versions/9/{act}"
            for act in ("submit", "publish", "reject", "take-back", "roll-back", "test")
        ),
        OPERATE,
    ),
    "/texts/FAULT_ETR/edit": OPERATE,
    "/texts/FAULT_ETR/preview": OPERATE,
    "/texts/addresses/SMS/code": OPERATE,
    "/texts/addresses/SMS/verify": OPERATE,
    "/mass-orders/MO-9/pause": OPERATE,
    "/environment/export": OPERATE,
    "/environment/imports": OPERATE,
    "/environment/imports/9/approve": OPERATE,
    **dict.fromkeys(
        (
            f"/processes/nothing/{act}"
            for act in ("start", "stop", "go-on", "rerun", "edit", "triggers", "triggers/9/off")
        ),
        OPERATE,
    ),
    "/alarm-rules/new": OPERATE,
    "/alarm-rules/nothing": OPERATE,
    "/reconciliation/run": OPERATE,
    "/reconciliation/repair": OPERATE,
    "/reconciliation/9/accept": OPERATE,
    "/meters/M-9/state": OPERATE,
    "/mismatches/WO-9/claim": OPERATE,
    "/mass-orders/MO-9/proof/waive": OPERATE,
    "/mass-orders/MO-9/files/9/split": OPERATE,
    "/calls/9/take": ALL,
    "/calls/9/finish": ALL,
    "/contacts-to-check/9": SERVICE,
    "/connections/LT-9/address": KEY_INFO,
    "/customers/C-9/reveal": KEY_INFO,
    "/customers/C-9/preferences": SERVICE,
    "/customers/C-9/stop": SERVICE,
    "/customers/C-9/contacts": SERVICE,
    "/customers/C-9/contacts/9": SERVICE,
    "/customers/C-9/contacts/9/remove": SERVICE,
    **dict.fromkeys(
        (f"/inbox/9/{act}" for act in ("take", "give-back", "answer", "size", "link", "close")),
        SERVICE,
    ),
    "/staff/new": ADMIN,
    "/staff/1/password": ADMIN,
    "/staff/1/deactivate": ADMIN,
    "/staff/1/activate": ADMIN,
}
WITHOUT_LOG_IN = {"login.show", "login.log_in", "login.log_out", "public.icon", "static"}


@pytest.mark.parametrize("role", Role)
def test_each_role_opens_its_pages_and_no_others(app: Flask, rows: None, role: Role) -> None:
    visitor = visitor_as(app, role)

    refused = {path for path in PAGES if visitor.get(path).status_code == 403}
    failed = {path for path in PAGES if visitor.get(path).status_code not in (200, 302, 403)}

    # The one step has no payload on record, which only those learn who may look.
    assert failed <= {"/runs/1/steps/1/payload"}
    assert refused == {path for path, roles in PAGES.items() if role not in roles}


@pytest.mark.parametrize("role", Role)
def test_whoever_may_not_see_a_thing_does_not_learn_that_it_is_missing(
    app: Flask, role: Role
) -> None:
    visitor = visitor_as(app, role)
    answers = {path: visitor.get(path).status_code for path in MISSING}
    assert answers == {path: 404 if role in roles else 403 for path, roles in MISSING.items()}


@pytest.mark.parametrize("role", Role)
def test_each_role_does_what_it_may_and_nothing_else(app: Flask, rows: None, role: Role) -> None:
    visitor = visitor_as(app, role)

    refused = {path for path in ACTIONS if visitor.post(path).status_code == 403}

    assert refused == {path for path, roles in ACTIONS.items() if role not in roles}


def test_whoever_has_not_logged_in_is_asked_to(visitor: Visitor, rows: None) -> None:
    for path in PAGES:
        answer = visitor.get(path)
        assert (answer.status_code, answer.location.partition("?")[0]) == (302, "/login"), path
    for path in ACTIONS:
        assert visitor.post(path, page="/login").status_code == 302, path


def test_a_part_of_a_page_answers_401_so_that_the_page_reloads(visitor: Visitor) -> None:
    assert visitor.get("/runs", headers={"HX-Request": "true"}).status_code == 401


def test_every_page_and_action_is_in_these_tables(app: Flask) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if _is_a_page(rule.endpoint)]
    known = {_endpoint(app, path, "GET") for path in (*PAGES, *MISSING)}
    known |= {_endpoint(app, path, "POST") for path in ACTIONS}

    assert {rule.endpoint for rule in rules} - known == set()


def test_the_menu_offers_what_the_role_may_open(app: Flask, agent: Visitor) -> None:
    assert 'href="/runs"' not in agent.get("/").text
    assert 'href="/runs"' in visitor_as(app, Role.OPERATOR).get("/").text
    assert 'href="/staff"' in visitor_as(app, Role.ADMIN).get("/").text


@pytest.fixture
def rows(writing: Writing) -> None:
    """What the pages show."""
    with writing() as session:
        add_point(session, 1, key_info="Avain", safety_ban=True)
        add_run(session, "intake", "OK")
        add_inbound(session, "PARTLY")


def _is_a_page(endpoint: str) -> bool:
    ours = ("agents.", "operators.", "staff.", "texts.", "login.", "public.")
    return endpoint.startswith(ours) and endpoint not in WITHOUT_LOG_IN


def _endpoint(app: Flask, path: str, method: str) -> str:
    return app.url_map.bind("localhost").match(path.partition("?")[0], method)[0]
