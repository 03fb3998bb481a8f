"""Reports of the providers: late, repeated or shuffled, they lead to the same end and never back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.states import NOTICE_MOVES
from app.services import contact_standing, delivery_receipts, receipt_store
from app.services.delivery_receipts import RANKS
from app.services.receipt_store import SENDGRID, TWILIO, NewReceipt
from tests.services.elsewhere import Elsewhere
from tests.services.world import (
    MAIL,
    NOW,
    claim,
    end,
    gate,
    items,
    leave_unknown,
    ledger,
    minutes,
    scalar,
    send_one,
    settle_in,
    tell,
)

STARTED = "METER_SWAP_STARTED"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_delivered_message_is_shown_as_delivered() -> None:
    attempt = _sent()
    assert _report(attempt, "sent", "delivered") == ["APPLIED", "APPLIED"]
    (notice,) = ledger()
    assert (notice.state, notice.delivered_at) == ("DELIVERED", NOW)


def test_an_undelivered_message_says_why() -> None:
    attempt = _sent()
    _report(attempt, "undelivered", code="30003")
    assert (ledger()[0].state, ledger()[0].error_code) == ("UNDELIVERED", "30003")


def test_a_late_report_moves_nothing_back() -> None:
    attempt = _sent()
    _report(attempt, "delivered")
    assert _report(attempt, "sent", "queued") == ["LATE", "LATE"]
    assert ledger()[0].state == "DELIVERED"


def test_the_same_report_again_is_the_same_row() -> None:
    attempt = _sent()
    _report(attempt, "delivered")
    assert _report(attempt, "delivered", "delivered") == []
    assert scalar("SELECT count(*) FROM delivery_receipt") == 1


def test_a_report_about_nothing_of_ours_is_kept_and_changes_nothing() -> None:
    _sent()
    before = scalar("SELECT state_at FROM notice")
    assert _report(uuid4(), "delivered") == ["UNKNOWN_ATTEMPT"]
    assert (ledger()[0].state, scalar("SELECT state_at FROM notice")) == ("SENT", before)


def test_a_report_of_the_wrong_provider_changes_nothing() -> None:
    attempt = _sent()
    assert _report(attempt, "delivered", provider=SENDGRID) == ["UNKNOWN_ATTEMPT"]
    assert ledger()[0].state == "SENT"


def test_a_report_that_overtakes_the_settlement_is_not_moved_back_by_it() -> None:
    settle_in()
    tell(STARTED)
    (item,) = claim()
    attempts, _ = gate([item])
    _report(attempts[item.id], "delivered")
    assert ledger()[0].state == "DELIVERED"
    end(item, attempts[item.id], "SENT", "SENT", ref="SM1")
    assert ledger()[0].state == "DELIVERED"
    assert ledger()[0].sent_at == NOW


def test_a_report_settles_a_call_of_unknown_outcome() -> None:
    settle_in()
    tell(STARTED)
    attempt = leave_unknown()
    assert ledger()[0].state == "UNKNOWN"
    _report(attempt, "sent")
    assert ledger()[0].state == "SENT"
    assert items()[0].state == "SENT"
    assert _attempt(attempt) == ("SENT", "CALLBACK", None)


def test_a_report_that_says_undelivered_settles_the_call_as_well() -> None:
    settle_in()
    tell(STARTED)
    attempt = leave_unknown()
    _report(attempt, "undelivered", code="30003")
    assert (ledger()[0].state, items()[0].state) == ("UNDELIVERED", "SENT")


def test_a_report_stops_the_message_that_was_to_be_sent_again() -> None:
    settle_in()
    tell(STARTED)
    attempt = leave_unknown()
    _decide_to_resend(attempt)
    _report(attempt, "delivered")
    assert (ledger()[0].state, ledger()[0].resent_count) == ("DELIVERED", 0)
    assert items()[0].state == "CANCELLED"
    assert claim() == []


def test_a_report_between_claim_and_call_stops_the_second_message() -> None:
    settle_in()
    tell(STARTED)
    attempt = leave_unknown()
    _decide_to_resend(attempt)
    claimed = claim()
    _report(attempt, "delivered")
    attempts, refused = gate(claimed)
    assert attempts == {}
    assert list(refused.values()) == ["DELIVERED"]


def test_a_report_about_the_first_call_counts_after_the_second_was_made() -> None:
    settle_in()
    tell(STARTED)
    first = leave_unknown()
    _decide_to_resend(first)
    send_one(ref="SM2")
    assert (ledger()[0].state, ledger()[0].resent_count) == ("RESENT", 1)
    _report(first, "delivered")
    assert ledger()[0].state == "DELIVERED"
    assert _attempt(first) == ("SENT", "CALLBACK", None)


def test_a_report_about_a_message_given_up_tells_the_truth_after_all() -> None:
    settle_in()
    tell(STARTED)
    attempt = leave_unknown()
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'EXPIRED', suppress_reason = 'STALE'"))
        session.execute(text("UPDATE outbox_item SET state = 'CANCELLED'"))
    _report(attempt, "delivered")
    assert (ledger()[0].state, ledger()[0].suppress_reason) == ("DELIVERED", None)


@pytest.mark.parametrize(("status", "state"), [("delivered", "DELIVERED"), ("sent", "SENT")])
def test_a_report_about_the_first_call_counts_although_the_second_was_refused(
    status: str, state: str
) -> None:
    """Else nobody would be told the end of what they have read of."""
    settle_in()
    tell(STARTED)
    first = leave_unknown()
    _decide_to_resend(first)
    send_one("REJECTED", "DEAD", error_class="Rejected", error="no")
    assert ledger()[0].state == "FAILED"
    assert _report(first, status) == ["APPLIED"]
    assert ledger()[0].state == state


def test_req_26_a_number_is_given_up_after_the_third_hard_bounce() -> None:
    attempt = _sent()
    for round_ in range(contact_standing.BOUNCES_TO_INVALID):
        assert scalar("SELECT state FROM contact") == "UNVERIFIED"
        _report(attempt, "undelivered", code="30005", key=f"bounce {round_}")
    assert scalar("SELECT state FROM contact") == "INVALID"


def test_req_26_what_arrives_ends_the_row_of_bounces() -> None:
    attempt = _sent()
    for round_ in range(contact_standing.BOUNCES_TO_INVALID - 1):
        _report(attempt, "undelivered", code="30005", key=f"bounce {round_}")
    assert scalar("SELECT bounce_count FROM contact") == 2
    _report(attempt, "delivered")
    assert scalar("SELECT bounce_count FROM contact") == 0
    assert scalar("SELECT state FROM contact") == "UNVERIFIED"


def test_a_handset_that_is_switched_off_is_no_reason_to_mark_the_number() -> None:
    _report(_sent(), "undelivered", code="30003")
    assert scalar("SELECT state FROM contact") == "UNVERIFIED"


def test_req_26_the_third_hard_bounce_makes_an_address_invalid_and_repetitions_do_not_count() -> (
    None
):
    attempt = _mailed()
    for round_ in range(contact_standing.BOUNCES_TO_INVALID):
        assert scalar("SELECT state FROM contact") == "UNVERIFIED"
        for _ in range(3):
            _report(attempt, "bounce", code="bounce", provider=SENDGRID, key=f"bounce {round_}")
    assert scalar("SELECT state FROM contact") == "INVALID"


def test_a_passing_bounce_does_not_count() -> None:
    _report(_mailed(), "bounce", code="blocked", provider=SENDGRID)
    assert scalar("SELECT bounce_count FROM contact") == 0
    assert ledger()[0].state == "UNDELIVERED"


@pytest.mark.parametrize("event", ["spamreport", "unsubscribe"])
def test_a_complaint_is_an_opt_out_and_leaves_the_message_delivered(event: str) -> None:
    attempt = _mailed()
    _report(attempt, "delivered", event, provider=SENDGRID)
    assert ledger()[0].state == "DELIVERED"
    assert scalar("SELECT bool_or(enabled) FROM preference") is False


def test_an_unknown_event_is_kept_and_means_nothing() -> None:
    attempt = _mailed()
    assert _report(attempt, "levitated", provider=SENDGRID) == ["APPLIED"]
    assert ledger()[0].state == "SENT"


# Every tenth of the 120 orders in which five reports can come.
_ORDERS = list(permutations(("queued", "sending", "sent", "undelivered", "delivered")))[::10]


@pytest.mark.parametrize("known", [3, 4, 5], ids=["sent", "undelivered", "delivered"])
@pytest.mark.parametrize("order", _ORDERS, ids=lambda order: "-".join(w[:3] for w in order))
def test_reports_in_any_order_and_any_number_lead_to_the_same_end(
    order: tuple[str, ...], known: int
) -> None:
    """The end is that of the furthest report, whichever came when, in which batch, how often."""
    furthest = ("queued", "sending", "sent", "undelivered", "delivered")[:known]
    words = [word for word in order if word in furthest]
    settle_in()
    tell(STARTED)
    # Every other order meets a call whose outcome nobody knows.
    attempt = leave_unknown() if _ORDERS.index(order) % 2 else send_one(ref="SM1")
    heap = [*words, *reversed(words)]
    while heap:
        _report(attempt, *heap[:known])
        del heap[:known]
        heap = heap[1:] + heap[:1] if len(heap) % 3 == 0 else heap
    assert ledger()[0].state == furthest[-1].upper()
    assert items()[0].state == "SENT"
    assert scalar("SELECT outcome FROM attempt") == "SENT"


def test_two_that_apply_at_once_move_nothing_back(app: Flask) -> None:
    attempt = _sent()
    for status in ("delivered", "queued"):
        _store(attempt, status)
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'SENDING'"))
    other = Elsewhere(app, _apply)
    with transaction() as session:
        delivery_receipts.apply_waiting(session, 1, NOW)
        other.start()
        other.wait_until_blocked()
    other.join()
    assert len(other.result) == 1
    assert ledger()[0].state == "DELIVERED"


def test_every_move_up_the_ladder_is_in_the_table_of_moves() -> None:
    for before, low in RANKS.items():
        for after in ("SENT", "UNDELIVERED", "DELIVERED"):
            if RANKS[after] > low:
                assert NOTICE_MOVES.allow(before, after), f"{before} to {after}"


def _sent() -> UUID:
    settle_in()
    tell(STARTED)
    return send_one(ref="SM1")


def _mailed() -> UUID:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL")
    tell(STARTED)
    return send_one(lane="email", ref="MAIL1")


def _report(
    attempt: UUID,
    *statuses: str,
    provider: str = TWILIO,
    code: str | None = None,
    key: str = "",
) -> list[str]:
    """Store reports and apply what waits; returns the verdicts."""
    _store(attempt, *statuses, provider=provider, code=code, key=key)
    return _apply()


def _store(
    attempt: UUID,
    *statuses: str,
    provider: str = TWILIO,
    code: str | None = None,
    key: str = "",
) -> None:
    receipts = [
        NewReceipt(provider, f"{attempt}:{status}:{key}", attempt, "SM1", status, code, None)
        for status in statuses
    ]
    with transaction() as session:
        receipt_store.store(session, receipts, NOW)


def _apply() -> list[str]:
    with transaction() as session:
        return [done.verdict for done in delivery_receipts.apply_waiting(session, 1000, NOW)]


def _decide_to_resend(attempt: UUID) -> None:
    """What the resolver does when nobody can tell."""
    with transaction() as session:
        session.execute(
            text("UPDATE attempt SET resolved_by = 'POLICY' WHERE id = :id"), {"id": attempt}
        )
        session.execute(
            text("UPDATE outbox_item SET state = 'READY', next_at = :now"),
            {"now": NOW - minutes(1)},
        )


def _attempt(attempt: UUID) -> tuple[str, str, str | None]:
    with transaction() as session:
        row = session.execute(
            text("SELECT outcome, resolved_by, next_lookup_at FROM attempt WHERE id = :id"),
            {"id": attempt},
        ).one()
    return tuple(row)
