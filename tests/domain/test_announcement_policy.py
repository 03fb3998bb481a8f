"""Whom an announcement reaches, when and in which words: the table of cases of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain.announcement_policy import decide_telling
from app.domain.notice_policy import Action, ContactFacts, ContactState, Recipient, SuppressReason
from app.domain.notice_types import Channel, NoticeType
from app.domain.states import NoticeState
from app.domain.telling import PointFacts, Telling, TellingDecision, TellingRow
from app.domain.telling_times import needed_by, true_until

N, S = NoticeType, NoticeState
SEND, HOLD = Action.SEND, Action.HOLD
R = SuppressReason
# A Tuesday in November: noon, eleven in the evening, and seven the next morning in Finland.
NOON = datetime(2025, 11, 25, 10, tzinfo=UTC)
NIGHT = datetime(2025, 11, 25, 21, tzinfo=UTC)
MORNING = datetime(2025, 11, 26, 5, tzinfo=UTC)
CONTACT = ContactFacts(1, Channel.SMS, "+358401234567", ContactState.UNVERIFIED, "CIS")
AINO = Recipient("C1", CONTACT)
OUT = PointFacts("649999000000000013", off_at=NOON)
BACK = replace(OUT, on_at=NOON + timedelta(minutes=50))


@pytest.mark.parametrize(
    ("kind", "ledger", "outcome"),
    [
        # what was decided before, oldest first -> what becomes of the new one
        (N.FAULT_STARTED, [], SEND),
        (N.FAULT_STARTED, [(N.FAULT_STARTED, S.SENT)], R.DUPLICATE),
        (N.FAULT_STARTED, [(N.FAULT_STARTED, S.QUEUED)], R.DUPLICATE),
        (N.FAULT_STARTED, [(N.FAULT_STARTED, S.UNKNOWN)], R.DUPLICATE),
        (N.FAULT_STARTED, [(N.FAULT_ETR, S.DELIVERED)], R.DUPLICATE),
        # One that never left is no news that anybody has.
        (N.FAULT_STARTED, [(N.FAULT_STARTED, S.SUPERSEDED)], SEND),
        (N.FAULT_STARTED, [(N.FAULT_STARTED, S.SUPPRESSED)], SEND),
        # The power came back and went again.
        (N.FAULT_STARTED, [(N.FAULT_STARTED, S.SENT), (N.FAULT_RESTORED, S.SENT)], SEND),
        (
            N.FAULT_STARTED,
            [(N.FAULT_STARTED, S.SENT), (N.FAULT_RESTORED, S.SENT), (N.FAULT_STARTED, S.SENT)],
            R.DUPLICATE,
        ),
        (N.PLANNED_NOTICE, [], SEND),
        (N.PLANNED_NOTICE, [(N.PLANNED_NOTICE, S.SENT)], R.DUPLICATE),
        (N.PLANNED_CHANGED, [], R.NEVER_TOLD),
        (N.PLANNED_CHANGED, [(N.PLANNED_NOTICE, S.QUEUED)], R.NEVER_TOLD),
        (N.PLANNED_CHANGED, [(N.PLANNED_NOTICE, S.UNKNOWN)], SEND),
        (N.PLANNED_CANCELLED, [(N.PLANNED_NOTICE, S.DELIVERED)], SEND),
        (N.PLANNED_CANCELLED, [(N.PLANNED_NOTICE, S.SUPPRESSED)], R.NEVER_TOLD),
        (N.PLANNED_OVERRUN, [(N.PLANNED_CHANGED, S.SENT)], SEND),
        (N.PLANNED_OVERRUN, [], R.NEVER_TOLD),
        (N.COMPENSATION, [(N.COMPENSATION, S.SENT)], R.DUPLICATE),
    ],
)
def test_what_was_told_before_decides_what_is_still_news(
    kind: NoticeType, ledger: list[tuple[NoticeType, NoticeState]], outcome: object
) -> None:
    assert outcome_of(decide(kind, ledger=rows(ledger))) == outcome


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.RESENT])
def test_what_may_have_left_is_not_to_leave_again_once_it_is_overtaken(state: NoticeState) -> None:
    earlier = rows([(N.FAULT_STARTED, state)])
    told = decide(N.FAULT_RESTORED, points=(BACK,), ledger=earlier)
    assert outcome_of(told) is SEND
    assert (told.decision.supersedes, told.overtaken) == ((), (1,))
    # Whoever is told nothing must not hear of the beginning after the end either.
    again = decide(N.FAULT_RESTORED, points=(replace(BACK, off_elsewhere=True),), ledger=earlier)
    assert (outcome_of(again), again.overtaken) == (R.STILL_OFF, (1,))
    # While another of their points is out, what was told of it stays true.
    half = decide(N.FAULT_RESTORED, points=(BACK, OUT), ledger=earlier)
    assert (outcome_of(half), half.overtaken) == (R.SOME_STILL_OFF, ())


def test_req_09_what_the_hourly_cap_holds_into_the_night_waits_for_the_morning() -> None:
    """An update at 21.50 after one at 21.20 is due at 22.20, which is night."""
    last, now = NIGHT - timedelta(minutes=100), NIGHT - timedelta(minutes=70)
    earlier = rows([(N.FAULT_ETR, S.SENT)], told_at=last)
    known = {"ledger": earlier, "event_at": now - timedelta(minutes=1), "now": now}
    told = decide(N.FAULT_ETR_CHANGED, **known)
    assert (outcome_of(told), told.decision.until) == (HOLD, MORNING)
    lifted = replace(AINO, night_ok=True)
    told = decide(N.FAULT_ETR_CHANGED, recipient=lifted, **known)
    assert told.decision.until == last + timedelta(hours=1)


FIVE, SIX = NOON + timedelta(hours=5), NOON + timedelta(hours=6)


@pytest.mark.parametrize(
    ("course", "outcome"),
    [
        # what was decided before, oldest first, and the estimates in it -> what becomes of "five"
        ([(N.FAULT_ETR, S.SENT, FIVE)], R.SAME_ESTIMATE),
        ([(N.FAULT_ETR, S.UNKNOWN, FIVE)], R.SAME_ESTIMATE),
        ([(N.FAULT_ETR, S.SENT, SIX)], SEND),
        ([(N.FAULT_ETR, S.QUEUED, FIVE)], SEND),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.FAULT_ETR_CHANGED, S.HELD, SIX)], R.SAME_ESTIMATE),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.FAULT_ETR_CHANGED, S.SUPERSEDED, SIX)], R.SAME_ESTIMATE),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.FAULT_ETR_CHANGED, S.SENDING, SIX)], SEND),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.FAULT_PARTLY_RESTORED, S.SENT, None)], SEND),
        ([(N.FAULT_ETR, S.SENT, SIX), (N.FAULT_PARTLY_RESTORED, S.SENT, FIVE)], R.SAME_ESTIMATE),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.FAULT_ETR_DELAYED, S.SENT, None)], SEND),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.FAULT_RESTORED, S.SENT, None)], SEND),
        ([(N.FAULT_ETR, S.SENT, FIVE), (N.CORRECTION_STILL_OFF, S.SENT, None)], SEND),
        ([(N.FAULT_STARTED, S.SENT, None)], SEND),
    ],
)
def test_req_07_an_estimate_is_no_news_to_whoever_has_read_it_last(
    course: list[tuple[NoticeType, NoticeState, datetime | None]], outcome: object
) -> None:
    ledger = [
        replace(row, etr_at=etr_at)
        for row, (_, _, etr_at) in zip(
            rows([(kind, state) for kind, state, _ in course]), course, strict=True
        )
    ]
    told = decide(N.FAULT_ETR_CHANGED, ledger=ledger, true_until=FIVE)
    assert outcome_of(told) is outcome
    # What waits and says otherwise must not leave in either case.
    held = tuple(row.notice_id for row in ledger if row.state in (S.HELD, S.QUEUED))
    assert told.decision.supersedes == held


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        ([], N.FAULT_ETR),
        ([(S.QUEUED, FIVE)], N.FAULT_ETR),
        ([(S.SENT, SIX)], N.FAULT_ETR),
        ([(S.SENT, FIVE)], N.FAULT_ETR_CHANGED),
        ([(S.SENT, FIVE), (S.SENT, SIX)], N.FAULT_ETR_CHANGED),
    ],
)
def test_nobody_reads_that_an_estimate_was_another_who_has_not_read_that_one(
    read: list[tuple[NoticeState, datetime]], kind: NoticeType
) -> None:
    course = rows([(N.FAULT_ETR, state) for state, _ in read])
    ledger = [replace(row, etr_at=at) for row, (_, at) in zip(course, read, strict=True)]
    seven = NOON + timedelta(hours=7)
    told = decide(N.FAULT_ETR_CHANGED, ledger=ledger, true_until=seven, old_etr_at=FIVE)
    assert (outcome_of(told), told.type) == (SEND, kind)


def test_req_03_growth_tells_nobody_twice_and_the_newly_affected_once() -> None:
    knows = rows([(N.FAULT_STARTED, S.DELIVERED)])
    assert outcome_of(decide(N.FAULT_STARTED, ledger=knows)) is R.DUPLICATE
    assert outcome_of(decide(N.FAULT_STARTED, ledger=())) is SEND


def test_req_03_a_fault_inside_one_that_the_contact_knows_of_is_no_news() -> None:
    known = replace(OUT, off_elsewhere=True)
    assert outcome_of(decide(N.FAULT_STARTED, points=[known])) is R.KNOWS_OTHER
    told = decide(N.FAULT_STARTED, points=[known, replace(OUT, gsrn="2")])
    assert outcome_of(told) is SEND
    assert [point.gsrn for point in told.points] == ["2"]


def test_whoever_was_corrected_hears_of_the_next_start_and_not_of_an_end() -> None:
    course = rows([(N.FAULT_STARTED, S.SENT), (N.CORRECTION, S.SENT)])
    assert outcome_of(decide(N.FAULT_STARTED, ledger=course)) is SEND
    assert outcome_of(decide(N.FAULT_RESTORED, points=[BACK], ledger=course)) is R.DUPLICATE


def test_a_plan_that_grows_is_told_again_for_what_is_new_only() -> None:
    knows = rows([(N.PLANNED_NOTICE, S.SENT)])
    told = decide(N.PLANNED_NOTICE, points=[OUT, replace(OUT, gsrn="2")], ledger=knows)
    assert outcome_of(told) is SEND
    assert [point.gsrn for point in told.points] == ["2"]
    waits = rows([(N.PLANNED_NOTICE, S.HELD)])
    assert outcome_of(decide(N.PLANNED_NOTICE, ledger=waits)) is R.DUPLICATE


def test_req_05_no_correction_says_that_all_is_well_while_another_outage_lasts() -> None:
    course = rows([(N.FAULT_STARTED, S.SENT)])
    told = decide(
        N.CORRECTION, points=[replace(OUT, off_elsewhere=True)], ledger=course, corrects_id=100
    )
    assert outcome_of(told) is R.STILL_OFF


@pytest.mark.parametrize(
    ("points", "outcome"),
    [
        ([BACK], SEND),
        ([BACK, replace(BACK, gsrn="2")], SEND),
        ([BACK, replace(OUT, gsrn="2")], R.SOME_STILL_OFF),
        ([replace(BACK, off_elsewhere=True)], R.STILL_OFF),
        ([BACK, replace(BACK, gsrn="2", off_elsewhere=True)], SEND),
    ],
)
def test_req_05_the_end_is_told_only_where_the_power_is_back(
    points: list[PointFacts], outcome: object
) -> None:
    told = decide(
        N.FAULT_RESTORED,
        points=points,
        ledger=rows([(N.FAULT_STARTED, S.SENT)]),
        event_at=NOON + timedelta(minutes=50),
    )
    assert outcome_of(told) == outcome
    if outcome is SEND:
        assert not any(point.off_elsewhere for point in told.points)


def test_the_end_is_told_once_for_each_time_that_the_power_went() -> None:
    course = [(N.FAULT_STARTED, S.SENT), (N.FAULT_RESTORED, S.SENT)]
    later = NOON + timedelta(hours=2)
    again = decide(N.FAULT_RESTORED, points=[BACK], ledger=rows(course), event_at=later)
    assert outcome_of(again) is R.DUPLICATE
    course.append((N.FAULT_STARTED, S.SENT))
    assert (
        outcome_of(decide(N.FAULT_RESTORED, points=[BACK], ledger=rows(course), event_at=later))
        is SEND
    )


@pytest.mark.parametrize("state", [S.QUEUED, S.HELD])
def test_req_38_restored_before_the_start_left_stops_both(state: NoticeState) -> None:
    told = decide(N.FAULT_RESTORED, points=[BACK], ledger=rows([(N.FAULT_STARTED, state)]))
    assert told.decision.supersedes == (1,)
    if state is S.QUEUED:
        assert outcome_of(told) is R.NEVER_TOLD


@pytest.mark.parametrize("now", [NOON, NIGHT])
def test_req_09_an_update_held_for_the_hour_since_the_last_makes_no_night(now: datetime) -> None:
    # The one that it waited for came back from the wire, and was stopped.
    course = rows([(N.FAULT_ETR, S.SUPERSEDED), (N.FAULT_ETR_CHANGED, S.HELD)], NOON)
    told = decide(N.FAULT_RESTORED, points=[BACK], ledger=course, event_at=now, now=now)
    assert (told.type, outcome_of(told)) == (N.FAULT_RESTORED, R.NEVER_TOLD)


def test_req_09_a_cut_that_came_and_went_at_night_is_one_summary_in_the_morning() -> None:
    held = rows([(N.FAULT_ETR, S.HELD)], NIGHT - timedelta(minutes=40))
    told = decide(N.FAULT_RESTORED, points=[BACK], ledger=held, event_at=NIGHT, now=NIGHT)
    assert (told.type, outcome_of(told)) == (N.MORNING_SUMMARY, HOLD)
    assert told.decision.until == MORNING
    assert told.decision.supersedes == (1,)
    # Another outage of the same night has the same name, so the night is summed up once.
    assert told.dedupe == "morning/2025-11-26"


def test_req_05_an_end_that_is_reported_late_stops_what_was_decided_since() -> None:
    # The power was back at 11.50, the estimate of 12.30 passed in silence, and then somebody said so.
    late = [
        *rows([(N.FAULT_STARTED, S.SENT)]),
        TellingRow(2, N.FAULT_ETR_DELAYED, S.HELD, NOON + timedelta(minutes=30), None, 101),
    ]
    told = decide(N.FAULT_RESTORED, points=[BACK], ledger=late, event_at=NOON)
    assert (outcome_of(told), told.decision.supersedes) == (SEND, (2,))
    # While another of their points is out, it may be about that one.
    half = decide(N.FAULT_RESTORED, points=[BACK, replace(OUT, gsrn="2")], ledger=late)
    assert half.decision.supersedes == ()


@pytest.mark.parametrize("kind", [N.FAULT_STARTED, N.FAULT_ETR, N.FAULT_PARTLY_RESTORED])
def test_req_09_what_lasts_since_the_evening_and_is_learnt_of_at_night_is_told_in_the_morning(
    kind: NoticeType,
) -> None:
    evening = NIGHT - timedelta(hours=5)
    told = decide(kind, event_at=evening, now=NIGHT, true_until=MORNING + timedelta(hours=5))
    assert (outcome_of(told), told.decision.until) == (HOLD, MORNING)


def test_req_09_a_cut_that_came_again_and_went_at_night_is_summed_up_too() -> None:
    before = [(N.FAULT_STARTED, S.SENT), (N.FAULT_RESTORED, S.SENT), (N.FAULT_STARTED, S.HELD)]
    course = rows(before, NIGHT - timedelta(minutes=40))
    told = decide(N.FAULT_RESTORED, points=[BACK], ledger=course, event_at=NIGHT, now=NIGHT)
    assert (told.type, outcome_of(told)) == (N.MORNING_SUMMARY, HOLD)
    assert told.decision.supersedes == (3,)
    # It names the point, although the end of the evening did so, too.
    assert told.points == (BACK,)
    # By day it had not left either: then nobody heard of it, and nobody has to.
    by_day = [*course[:2], replace(course[2], state=S.QUEUED)]
    told = decide(N.FAULT_RESTORED, points=[BACK], ledger=by_day)
    assert (outcome_of(told), told.decision.supersedes) == (R.NEVER_TOLD, (3,))


def test_req_09_at_night_only_the_latest_truth_waits_for_the_morning() -> None:
    held = rows([(N.FAULT_STARTED, S.HELD), (N.FAULT_ETR, S.HELD)])
    told = decide(N.FAULT_ETR_CHANGED, ledger=held, event_at=NIGHT, now=NIGHT)
    assert outcome_of(told) is HOLD
    assert told.decision.until == MORNING
    assert set(told.decision.supersedes) == {1, 2}


@pytest.mark.parametrize(
    ("night", "morning"),
    [
        # To summer time: seven in the morning comes an hour sooner.
        (datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        # To winter time: an hour later.
        (datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
    ],
)
def test_req_09_on_the_two_nights_when_the_clock_is_moved_it_is_told_at_seven(
    night: datetime, morning: datetime
) -> None:
    told = decide(N.FAULT_STARTED, points=(replace(OUT, off_at=night),), event_at=night, now=night)
    assert (outcome_of(told), told.decision.until) == (HOLD, morning)


@pytest.mark.parametrize(
    ("ledger", "kind", "outcome", "supersedes"),
    [
        # The start waits and stays, so that the night can be summed up.
        ([(N.FAULT_STARTED, S.HELD)], N.FAULT_ETR, R.STALE, ()),
        ([(N.FAULT_STARTED, S.SENT)], N.FAULT_ETR, R.STALE, ()),
        # An older estimate had taken its place: it is untrue now, and the cut is not.
        ([(N.FAULT_STARTED, S.SUPERSEDED), (N.FAULT_ETR, S.HELD)], N.FAULT_STARTED, HOLD, (2,)),
        ([], N.FAULT_STARTED, HOLD, ()),
    ],
)
def test_req_09_an_estimate_that_passes_before_the_morning_leaves_the_news_of_the_cut(
    ledger: list[tuple[NoticeType, NoticeState]],
    kind: NoticeType,
    outcome: object,
    supersedes: tuple[int, ...],
) -> None:
    told = decide(
        N.FAULT_ETR,
        ledger=rows(ledger),
        event_at=NIGHT,
        now=NIGHT,
        true_until=MORNING - timedelta(minutes=1),
    )
    assert (told.type, outcome_of(told)) == (kind, outcome)
    assert told.decision.supersedes == supersedes


@pytest.mark.parametrize(
    ("kind", "recipient", "outcome"),
    [
        (N.SAFETY_WARNING, {}, SEND),
        (N.FAULT_STARTED, {"night_ok": True}, SEND),
        (N.FAULT_STARTED, {}, HOLD),
        (N.PLANNED_REMINDER, {}, SEND),
        (N.PLANNED_NOTICE, {}, HOLD),
    ],
)
def test_req_10_the_night_gives_way_to_safety_and_to_wishes(
    kind: NoticeType, recipient: dict[str, Any], outcome: object
) -> None:
    told = decide(kind, recipient=replace(AINO, **recipient), event_at=NIGHT, now=NIGHT)
    assert outcome_of(told) == outcome
    assert "quiet hours" in told.decision.why


@pytest.mark.parametrize("kind", [N.PLANNED_CHANGED, N.PLANNED_CANCELLED])
@pytest.mark.parametrize(("begins", "outcome"), [(-1, SEND), (60, HOLD)])
def test_req_10_what_changes_before_the_morning_is_told_at_night(
    kind: NoticeType, begins: int, outcome: object
) -> None:
    begin = MORNING + timedelta(minutes=begins)
    facts = {"from_at": (begin + timedelta(days=2)).isoformat(), "old_from_at": begin.isoformat()}
    telling = Telling(7, kind, NIGHT, needed_by=needed_by(kind, facts))
    told = decide_telling(telling, AINO, [OUT], rows([(N.PLANNED_NOTICE, S.SENT)]), NIGHT)
    assert outcome_of(told) == outcome
    assert needed_by(N.PLANNED_NOTICE, facts) is None


def test_req_01_no_more_than_one_update_an_hour() -> None:
    told_at = NOON - timedelta(minutes=20)
    ledger = rows([(N.FAULT_STARTED, S.SENT), (N.FAULT_ETR, S.SENT)], told_at=told_at)
    told = decide(N.FAULT_ETR_CHANGED, ledger=ledger)
    assert outcome_of(told) is HOLD
    assert told.decision.until == told_at + timedelta(hours=1)
    an_hour_later = decide(N.FAULT_ETR_CHANGED, ledger=ledger, now=NOON + timedelta(minutes=40))
    assert outcome_of(an_hour_later) is SEND


def test_req_01_the_first_estimate_waits_for_nothing() -> None:
    ledger = rows([(N.FAULT_STARTED, S.SENT)], told_at=NOON - timedelta(minutes=1))
    assert outcome_of(decide(N.FAULT_ETR, ledger=ledger)) is SEND


def test_an_announcement_that_was_decided_is_decided_once() -> None:
    ledger = [replace(row, announcement_id=7) for row in rows([(N.FAULT_ETR, S.SUPPRESSED)])]
    assert outcome_of(decide(N.FAULT_ETR, ledger=ledger)) is R.DUPLICATE


@pytest.mark.parametrize(
    ("kind", "recipient", "outcome"),
    [
        (N.FAULT_STARTED, {"wants": False}, R.OPTED_OUT),
        (N.FAULT_STARTED, {"contact": None}, R.NO_CONTACT),
        (
            N.FAULT_STARTED,
            {"contact": replace(CONTACT, state=ContactState.INVALID)},
            R.CONTACT_INVALID,
        ),
        # A change of plan reaches whoever knows the plan, whatever they wish since.
        (N.PLANNED_CANCELLED, {"wants": False}, SEND),
        (
            N.PLANNED_CANCELLED,
            {"contact": replace(CONTACT, state=ContactState.INVALID)},
            R.CONTACT_INVALID,
        ),
    ],
)
def test_req_16_wishes_are_heard_but_for_changes_of_what_was_told(
    kind: NoticeType, recipient: dict[str, Any], outcome: object
) -> None:
    ledger = rows([(N.PLANNED_NOTICE, S.SENT)])
    told = decide(kind, recipient=replace(AINO, **recipient), ledger=ledger)
    assert outcome_of(told) == outcome


@pytest.mark.parametrize(
    ("state", "outcome", "stopped"),
    [
        (S.SENT, SEND, ()),
        (S.UNKNOWN, SEND, ()),
        (S.HELD, R.NEVER_TOLD, (1,)),
        (S.EXPIRED, R.NEVER_TOLD, ()),
    ],
)
def test_req_34_a_correction_reaches_exactly_those_whom_the_error_may_have_reached(
    state: NoticeState, outcome: object, stopped: tuple[int, ...]
) -> None:
    wrong = [replace(row, announcement_id=5) for row in rows([(N.FAULT_STARTED, state)])]
    told = decide(N.CORRECTION, ledger=wrong, corrects_id=5)
    assert outcome_of(told) == outcome
    assert told.decision.supersedes == stopped


def test_req_31_the_address_stays_out_of_a_message_to_a_customer_with_a_safety_ban() -> None:
    told = decide(N.FAULT_STARTED, recipient=replace(AINO, safety_ban=True))
    assert told.decision.hide_address


def test_a_start_that_is_over_is_not_told() -> None:
    assert outcome_of(decide(N.FAULT_STARTED, points=[BACK])) is R.STALE


def test_a_bulletin_waits_for_the_morning_only_if_it_is_still_news_then() -> None:
    deep_night = NIGHT + timedelta(hours=3)
    told = decide(N.STORM_BULLETIN, event_at=deep_night, now=deep_night)
    assert outcome_of(told) is HOLD
    assert outcome_of(decide(N.STORM_BULLETIN, event_at=NIGHT, now=NIGHT)) is R.STALE


def test_bulletins_of_one_storm_come_at_most_once_an_hour() -> None:
    earlier = [
        replace(row, event_at=NOON - timedelta(minutes=30))
        for row in rows([(N.STORM_BULLETIN, S.SENT)])
    ]
    assert outcome_of(decide(N.STORM_BULLETIN, ledger=earlier)) is R.DUPLICATE
    later = NOON + timedelta(minutes=31)
    assert outcome_of(decide(N.STORM_BULLETIN, ledger=earlier, event_at=later, now=later)) is SEND


def test_a_text_is_true_until_its_estimate_passes() -> None:
    facts = {"etr_at": NOON.isoformat(), "from_at": NIGHT.isoformat()}
    assert true_until(N.FAULT_ETR, facts) == NOON
    assert true_until(N.PLANNED_REMINDER, facts) == NIGHT
    assert true_until(N.FAULT_STARTED, facts) is None
    assert outcome_of(decide(N.FAULT_ETR, true_until=NOON, now=NOON)) is R.STALE
    told = decide(N.FAULT_ETR, true_until=NOON + timedelta(minutes=90))
    assert told.decision.expires_at == NOON + timedelta(minutes=90)


def decide(
    kind: NoticeType,
    *,
    recipient: Recipient = AINO,
    points: Sequence[PointFacts] = (OUT,),
    ledger: Sequence[TellingRow] = (),
    event_at: datetime = NOON,
    now: datetime | None = None,
    true_until: datetime | None = None,
    corrects_id: int | None = None,
    old_etr_at: datetime | None = None,
) -> TellingDecision:
    """Decide about announcement 7."""
    telling = Telling(7, kind, event_at, true_until, corrects_id, old_etr_at=old_etr_at)
    return decide_telling(telling, recipient, points, ledger, now or event_at)


def rows(
    course: Sequence[tuple[NoticeType, NoticeState]], told_at: datetime = NOON - timedelta(hours=3)
) -> list[TellingRow]:
    """Earlier notices of announcements 100, 101 and so on."""
    return [
        TellingRow(number, kind, state, told_at, told_at, 99 + number, (OUT.gsrn,))
        for number, (kind, state) in enumerate(course, start=1)
    ]


def outcome_of(told: TellingDecision) -> object:
    """The reason if nobody is told, else the action."""
    return told.decision.reason or told.decision.action
