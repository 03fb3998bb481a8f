"""Who is told what and when: the table of cases of the policy."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain.notice_policy import (
    Action,
    ContactFacts,
    ContactState,
    Decision,
    LedgerRow,
    NoticeEvent,
    Recipient,
    SuppressReason,
    check_before_send,
    decide_notice,
    dedupe_key,
)
from app.domain.notice_types import NOTICE_RULES, TOPIC_PRIORITY, Channel, NoticeType, Topic
from app.domain.states import NoticeState

STARTED, DONE, FAILED = (
    NoticeType.METER_SWAP_STARTED,
    NoticeType.METER_SWAP_DONE,
    NoticeType.METER_SWAP_FAILED,
)
SEND, HOLD, SUPPRESS = Action.SEND, Action.HOLD, Action.SUPPRESS
NOON = datetime(2025, 11, 24, 10, tzinfo=UTC)
NIGHT = datetime(2025, 11, 24, 21, tzinfo=UTC)
SEVEN = datetime(2025, 11, 25, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "happened", "over", "outcome"),
    [
        # minutes before now, over or not -> what to do
        (STARTED, 0, False, SEND),
        (STARTED, 30, False, SEND),
        (STARTED, 31, False, SuppressReason.STALE),
        (STARTED, 5, True, SuppressReason.STALE),
        (DONE, 0, True, SEND),
        (DONE, 180, True, SEND),
        (DONE, 24 * 60, True, SEND),
        (DONE, 24 * 60 + 1, True, SuppressReason.STALE),
        (FAILED, 0, True, SEND),
        (FAILED, 24 * 60 + 1, True, SuppressReason.STALE),
    ],
)
def test_by_day_an_event_is_told_while_it_is_worth_reading(
    kind: NoticeType, happened: int, over: bool, outcome: Action | SuppressReason
) -> None:
    decision = decide(kind, NOON - timedelta(minutes=happened), NOON, over=over)
    assert outcome_of(decision) == outcome


@pytest.mark.parametrize(
    ("kind", "happened", "recipient", "outcome"),
    [
        (STARTED, 0, {}, SEND),
        (STARTED, 31, {}, SuppressReason.STALE),
        (DONE, 0, {}, SEND),
        (DONE, 30, {}, SEND),
        (DONE, 31, {}, HOLD),
        (FAILED, 10, {}, SEND),
        (FAILED, 90, {}, HOLD),
        (DONE, 90, {"night_ok": True}, SEND),
        (DONE, 90, {"quiet_from": time(7), "quiet_to": time(7)}, SEND),
        (DONE, 90, {"quiet_from": time(23, 30), "quiet_to": time(6)}, SEND),
        (DONE, 16 * 60, {}, SuppressReason.STALE),
        (DONE, 15 * 60, {}, HOLD),
        (DONE, 16 * 60, {"night_ok": True}, SEND),
    ],
)
def test_at_night_only_what_is_happening_now_is_told_and_the_rest_waits_for_the_morning(
    kind: NoticeType, happened: int, recipient: dict[str, Any], outcome: Action | SuppressReason
) -> None:
    decision = decide(kind, NIGHT - timedelta(minutes=happened), NIGHT, recipient)
    assert outcome_of(decision) == outcome
    assert decision.until == (SEVEN if outcome is HOLD else None)


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ({"wants": False}, SuppressReason.OPTED_OUT),
        ({"wants": False, "contact": None}, SuppressReason.OPTED_OUT),
        ({"contact": None}, SuppressReason.NO_CONTACT),
        ({"contact": {"state": ContactState.REMOVED}}, SuppressReason.NO_CONTACT),
        ({"contact": {"state": ContactState.INVALID}}, SuppressReason.CONTACT_INVALID),
        ({"contact": {"source": "PORTAL"}}, SuppressReason.CONTACT_UNVERIFIED),
        ({"contact": {"source": "PORTAL", "state": ContactState.VERIFIED}}, None),
        ({}, None),
    ],
)
def test_nobody_is_told_who_left_or_cannot_be_reached(
    recipient: dict[str, Any], reason: SuppressReason | None
) -> None:
    if isinstance(recipient.get("contact"), dict):
        recipient = {"contact": replace(PHONE, **recipient["contact"])}
    decision = decide(STARTED, NOON, NOON, recipient)
    assert decision.reason is reason
    assert check_before_send(replace(CUSTOMER, **recipient), None, NOON) is reason


def test_a_time_that_is_not_to_be_believed_is_told_to_nobody() -> None:
    event = replace(event_of(STARTED, NOON), confirmed=False)
    assert decide_notice(event, CUSTOMER, (), NOON).reason is SuppressReason.UNCONFIRMED


def test_work_without_a_cut_has_an_end_to_tell_of_but_no_start() -> None:
    start, done = (replace(event_of(kind, NOON), no_outage=True) for kind in (STARTED, DONE))
    assert decide_notice(start, CUSTOMER, (), NOON).reason is SuppressReason.NO_OUTAGE
    assert decide_notice(done, CUSTOMER, (), NOON).action is SEND


@pytest.mark.parametrize(
    ("earlier", "minutes_ago", "state", "kind", "outcome"),
    [
        # The installer reports the same start twice under two ids.
        (STARTED, 5, NoticeState.SENT, STARTED, SuppressReason.DUPLICATE),
        (STARTED, 5, NoticeState.UNKNOWN, STARTED, SuppressReason.DUPLICATE),
        (STARTED, -5, NoticeState.QUEUED, STARTED, SuppressReason.DUPLICATE),
        (STARTED, 119, NoticeState.DELIVERED, STARTED, SuppressReason.DUPLICATE),
        (STARTED, 120, NoticeState.DELIVERED, STARTED, SEND),
        # What never reached anybody does not stand in the way.
        (STARTED, 5, NoticeState.SUPPRESSED, STARTED, SEND),
        (STARTED, 5, NoticeState.EXPIRED, STARTED, SEND),
        (STARTED, 5, NoticeState.FAILED, STARTED, SEND),
        # Done is said once, however long ago.
        (DONE, 60 * 24 * 9, NoticeState.DELIVERED, DONE, SuppressReason.DUPLICATE),
        (DONE, 5, NoticeState.HELD, DONE, SuppressReason.DUPLICATE),
        # A failed visit of last week says nothing about today's.
        (FAILED, 60 * 24 * 7, NoticeState.DELIVERED, FAILED, SEND),
        (FAILED, 60, NoticeState.DELIVERED, FAILED, SuppressReason.DUPLICATE),
        (STARTED, 20, NoticeState.DELIVERED, DONE, SEND),
    ],
)
def test_nothing_is_told_twice(
    earlier: NoticeType,
    minutes_ago: int,
    state: NoticeState,
    kind: NoticeType,
    outcome: Action | SuppressReason,
) -> None:
    row = row_of(earlier, NOON - timedelta(minutes=minutes_ago), state)
    assert outcome_of(decide(kind, NOON, NOON, ledger=[row])) == outcome


def test_a_second_visit_soon_after_a_failed_one_is_told_as_well() -> None:
    ledger = [
        row_of(STARTED, NOON - timedelta(minutes=60), NoticeState.DELIVERED, 1),
        row_of(FAILED, NOON - timedelta(minutes=40), NoticeState.DELIVERED, 2),
    ]
    assert decide(STARTED, NOON, NOON, ledger=ledger).action is SEND


def test_the_same_event_decided_before_is_not_decided_again_whatever_came_of_it() -> None:
    event = event_of(STARTED, NOON)
    decided = replace(
        row_of(STARTED, NOON, NoticeState.SUPPRESSED), dedupe_key=dedupe_key(event, CUSTOMER)
    )
    decision = decide_notice(event, CUSTOMER, [decided], NOON)
    assert decision.reason is SuppressReason.DUPLICATE
    assert decision.supersedes == ()


@pytest.mark.parametrize(
    ("kind", "state", "stopped"),
    [
        (DONE, NoticeState.QUEUED, True),
        (DONE, NoticeState.HELD, True),
        (DONE, NoticeState.CREATED, True),
        (DONE, NoticeState.SENDING, False),
        (DONE, NoticeState.SENT, False),
        (FAILED, NoticeState.QUEUED, True),
    ],
)
def test_the_end_of_a_visit_stops_a_start_that_has_not_left(
    kind: NoticeType, state: NoticeState, stopped: bool
) -> None:
    start = row_of(STARTED, NOON - timedelta(minutes=15), state)
    decision = decide(kind, NOON, NOON, ledger=[start])
    assert decision.action is SEND
    assert decision.supersedes == ((7,) if stopped else ())


def test_an_untrue_start_is_stopped_even_for_somebody_who_is_told_nothing_more() -> None:
    start = row_of(STARTED, NOON - timedelta(minutes=15), NoticeState.QUEUED)
    decision = decide(DONE, NOON, NOON, {"wants": False}, ledger=[start])
    assert (decision.reason, decision.supersedes) == (SuppressReason.OPTED_OUT, (7,))


def test_an_end_stops_neither_a_later_visit_nor_another_persons_notice() -> None:
    later = row_of(STARTED, NOON + timedelta(hours=1), NoticeState.QUEUED)
    other = replace(
        row_of(STARTED, NOON - timedelta(minutes=15), NoticeState.QUEUED),
        contact_value="+358409999999",
    )
    assert decide(FAILED, NOON, NOON, ledger=[later, other]).supersedes == ()


def test_a_text_expires_when_it_is_no_longer_worth_reading() -> None:
    assert decide(STARTED, NOON, NOON).expires_at == NOON + timedelta(minutes=30)
    held = decide(DONE, NIGHT - timedelta(hours=1), NIGHT)
    assert held.expires_at == NIGHT + timedelta(hours=23)


@pytest.mark.parametrize(
    ("changes", "expires", "reason"),
    [
        ({}, 1, None),
        ({}, 0, SuppressReason.STALE),
        ({}, -1, SuppressReason.STALE),
        ({"wants": False}, 1, SuppressReason.OPTED_OUT),
    ],
)
def test_the_last_look_before_the_call_sees_what_changed_in_the_meantime(
    changes: dict[str, Any], expires: int, reason: SuppressReason | None
) -> None:
    recipient = replace(CUSTOMER, **changes)
    expires_at = NOON + timedelta(seconds=expires)
    assert check_before_send(recipient, expires_at, NOON) is reason


def test_the_address_of_a_person_under_a_safety_ban_stays_out() -> None:
    assert decide(STARTED, NOON, NOON, {"safety_ban": True}).hide_address
    assert not decide(STARTED, NOON, NOON).hide_address


def test_every_decision_says_why_in_a_sentence() -> None:
    reached = [
        decide(STARTED, NOON, NOON),
        decide(DONE, NIGHT - timedelta(hours=2), NIGHT),
        decide(STARTED, NOON - timedelta(hours=1), NOON),
        decide(STARTED, NIGHT, NIGHT),
        decide(STARTED, NOON, NOON, {"contact": None}),
    ]
    assert all(decision.why.endswith(".") for decision in reached)
    assert len({decision.why for decision in reached}) == 5


def test_the_key_is_one_per_event_point_and_address_and_shows_no_address() -> None:
    event = event_of(STARTED, NOON)
    key = dedupe_key(event, CUSTOMER)
    assert "358401234567" not in key
    same_phone = replace(CUSTOMER, customer_id="C-2", contact=replace(PHONE, id=99))
    assert dedupe_key(event, same_phone) == key
    others = [
        dedupe_key(replace(event, occurrence="a9"), CUSTOMER),
        dedupe_key(replace(event, gsrn="649999000000000020"), CUSTOMER),
        dedupe_key(replace(event, type=DONE), CUSTOMER),
        dedupe_key(event, replace(CUSTOMER, contact=replace(PHONE, value="+358500000000"))),
        dedupe_key(event, replace(CUSTOMER, contact=None)),
        dedupe_key(event, replace(CUSTOMER, contact=None, customer_id="C-2")),
    ]
    assert len({key, *others}) == 7


def test_every_kind_of_notice_has_rules_and_urgent_topics_leave_first() -> None:
    assert set(NOTICE_RULES) == set(NoticeType)
    in_order = sorted(Topic, key=lambda topic: TOPIC_PRIORITY[topic])
    assert in_order == [
        "SAFETY",
        "SERVICE",
        "PLANNED",
        "FAULT",
        "STORM",
        "METER_SWAP",
        "CONNECTION",
        "COMPENSATION",
    ]


def decide(
    kind: NoticeType,
    happened_at: datetime,
    now: datetime,
    recipient: dict[str, Any] | None = None,
    *,
    over: bool = False,
    ledger: Any = (),
) -> Decision:
    """Decide about a customer with a phone, changed as told."""
    event = event_of(kind, happened_at)
    if over:
        event = replace(event, over_at=now)
    return decide_notice(event, replace(CUSTOMER, **(recipient or {})), ledger, now)


def outcome_of(decision: Decision) -> Action | SuppressReason:
    """The reason where there is one, else the action."""
    return decision.reason or decision.action


def event_of(kind: NoticeType, happened_at: datetime) -> NoticeEvent:
    """An event of order T-1."""
    return NoticeEvent(kind, "T-1", "649999000000000013", happened_at, occurrence="a1")


def row_of(
    kind: NoticeType, event_at: datetime, state: NoticeState, notice_id: int = 7
) -> LedgerRow:
    """An earlier notice to the same phone about the same order."""
    return LedgerRow(notice_id, kind, f"key-{notice_id}", PHONE.value, event_at, state)


PHONE = ContactFacts(1, Channel.SMS, "+358401234567")
CUSTOMER = Recipient("C-1", PHONE)
