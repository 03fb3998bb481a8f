"""The checker is held against made-up ledgers: silent when all is well, loud for each broken promise."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from simulators.cis.world import make_point
from tests.chaos.evidence import CisFile, Counted, OptOut
from tests.chaos.promises import check
from tests.chaos.story import (
    MAIL_POINT,
    SEED,
    SILENT_POINT,
    SMS_POINT,
    SWEDISH_POINT,
    TEXTS,
    UNENDED_POINT,
    Story,
    at,
    order_of,
    phone_of,
    tell_story,
)


def test_a_run_in_which_all_went_well_breaks_nothing(story: Story) -> None:
    findings = check(story.evidence())
    assert findings.breaches == []
    assert findings.counts["orders"] == 5
    assert findings.counts["completions"] == 4
    assert findings.counts["messages"] == 7


def test_a_file_that_vanished_is_a_loss(story: Story) -> None:
    story.files.pop()
    assert "I1 orders.xml: the file is nowhere any more" in cries(story)


def test_a_file_left_half_way_is_a_loss(story: Story) -> None:
    story.files[0] = CisFile("processing", story.files[0].name, story.files[0].body)
    assert "I1 master.xml: the file was left in processing" in cries(story)


def test_a_good_file_in_quarantine_is_a_loss(story: Story) -> None:
    story.files.append(CisFile("quarantine", "good.xml", b"<x/>"))
    assert "I1 good.xml: a good file was put into quarantine" in cries(story)


def test_an_order_that_never_reached_the_installer_is_a_loss(story: Story) -> None:
    story.forget("installer", story.entry("installer", "order", order_id=order_of(1)))
    what = "revision 1 (NEW) never reached the installer"
    assert f"I1 {order_of(1)}: {what}" in cries(story)


def test_a_change_during_work_waits_for_an_end_that_we_were_told_of(story: Story) -> None:
    add_cancellation(story)
    later = story.files[-1]
    story.files[-1] = CisFile(
        later.folder, "change.xml", later.body.replace(b">CANCEL<", b">UPDATE<")
    )
    lost = f"I1 {order_of(1)}: revision 2 (UPDATE) never reached the installer"
    assert lost in cries(story)
    ended = story.entry("installer", "ack_answer", order_id=order_of(1), type="COMPLETED")
    story.forget("installer", ended)
    assert lost not in cries(story)


def test_a_late_cancellation_needs_to_reach_the_cis_instead_of_the_installer(story: Story) -> None:
    add_cancellation(story)
    lost = f"I1 {order_of(1)}: revision 2 (CANCEL) never reached the installer"
    assert lost in cries(story)
    facts = {"codes": ["CANCEL_TOO_LATE"], "order_ids": [order_of(1)]}
    story.note("cis", "return", 50, name="reject.xml", root="RejectMessage", **facts)
    assert cries(story) == []


@pytest.mark.parametrize("system", ["nis", "dms", "billing"])
def test_a_completion_that_a_system_does_not_know_is_a_loss(story: Story, system: str) -> None:
    story.ledgers[system].pop(0)
    what = f"{system} knows meter None, the crew installed 6534000001"
    assert f"I1 {order_of(1)}: {what}" in cries(story)


def test_billing_may_wait_for_what_was_done_although_called_off(story: Story) -> None:
    add_cancellation(story)
    facts = {"codes": ["CANCEL_TOO_LATE"], "order_ids": [order_of(1)]}
    story.note("cis", "return", 50, name="reject.xml", root="RejectMessage", **facts)
    story.ledgers["billing"].pop(0)
    assert cries(story) == []
    story.ledgers["nis"].pop(0)
    assert len(cries(story)) == 1


def test_a_completion_known_with_another_meter_is_a_loss(story: Story) -> None:
    story.ledgers["nis"][0]["body"]["meterNumber"] = "6534999999"
    what = "nis knows meter 6534999999, the crew installed 6534000001"
    assert f"I1 {order_of(1)}: {what}" in cries(story)


def test_a_completion_without_a_file_for_the_cis_is_a_loss(story: Story) -> None:
    story.forget("cis", story.entry("cis", "return", order_id=order_of(2)))
    assert f"I1 {order_of(2)}: no completion file was returned to the CIS" in cries(story)


def test_a_completion_told_while_another_cut_was_on_is_told(story: Story) -> None:
    done = TEXTS["METER_SWAP_DONE", "fi"]
    message = story.entry("twilio", "message", to=phone_of(SMS_POINT), body=done)
    message["body"] = (
        "Verkkoyhtio: Mittarinvaihto valmis klo 12.20, Koivutie 1. Sähköt ovat vielä poikki toisen katkon"
        " vuoksi. Kysyttävää? Soita 0800 123 45."
    )
    assert cries(story) == []


def test_an_acknowledgement_that_was_never_taken_owes_nothing(story: Story) -> None:
    order = order_of(SMS_POINT)
    answer = story.entry("installer", "ack_answer", order_id=order, type="COMPLETED")
    answer["answered"] = 503
    for system in ("nis", "dms", "billing"):
        story.ledgers[system].pop(0)
    story.forget("cis", story.entry("cis", "return", order_id=order))
    done = TEXTS["METER_SWAP_DONE", "fi"]
    story.forget("twilio", story.entry("twilio", "message", to=phone_of(SMS_POINT), body=done))
    assert cries(story) == []


@pytest.mark.parametrize("number", [SMS_POINT, SWEDISH_POINT])
def test_a_customer_who_was_not_told_of_the_end_is_a_loss(story: Story, number: int) -> None:
    forget_messages(story, phone_of(number), keep=1)
    assert cries(story) == [f"I1 {order_of(number)}: {phone_of(number)} never got METER_SWAP_DONE"]


def test_a_mail_that_was_not_sent_is_a_loss(story: Story) -> None:
    story.ledgers["sendgrid"].pop()
    email = make_point(SEED, MAIL_POINT).customer.email
    assert cries(story) == [f"I1 {order_of(MAIL_POINT)}: {email} never got METER_SWAP_DONE"]


def test_the_start_is_owed_only_while_the_end_is_unknown(story: Story) -> None:
    started = TEXTS["METER_SWAP_STARTED", "fi"]
    story.forget("twilio", story.entry("twilio", "message", to=phone_of(1), body=started))
    assert cries(story) == []
    forget_messages(story, phone_of(UNENDED_POINT), keep=0)
    what = f"{phone_of(UNENDED_POINT)} never got METER_SWAP_STARTED"
    assert cries(story) == [f"I1 {order_of(UNENDED_POINT)}: {what}"]


def test_a_failed_visit_is_owed_unless_the_order_was_changed_meanwhile(story: Story) -> None:
    order = order_of(SMS_POINT)
    for kind in ("ack", "ack_answer"):
        story.entry("installer", kind, order_id=order, type="COMPLETED")["type"] = "FAILED"
    for system in ("nis", "dms", "billing"):
        story.ledgers[system].pop(0)
    story.forget("cis", story.entry("cis", "return", order_id=order))
    forget_messages(story, phone_of(SMS_POINT), keep=1)
    assert cries(story) == [f"I1 {order}: {phone_of(SMS_POINT)} never got METER_SWAP_FAILED"]
    body = TEXTS["METER_SWAP_FAILED", "fi"]
    story.note("twilio", "message", 41, to=phone_of(SMS_POINT), body=body)
    assert cries(story) == []
    forget_messages(story, phone_of(SMS_POINT), keep=1)
    add_cancellation(story)
    story.note("installer", "order", 41, key=f"{order}-2", order_id=order, revision=2, body={})
    assert cries(story) == []


def test_a_message_of_unknown_fate_may_be_missing_when_it_is_counted(story: Story) -> None:
    forget_messages(story, phone_of(SMS_POINT), keep=1)
    story.counted = Counted(given_up=Counter(METER_SWAP_DONE=1))
    assert cries(story) == []
    forget_messages(story, phone_of(SWEDISH_POINT), keep=1)
    assert len(cries(story)) == 2
    story.counted = Counted(given_up=Counter(METER_SWAP_STARTED=5))
    assert len(cries(story)) == 2


def test_a_text_that_came_twice_is_told_twice(story: Story) -> None:
    story.repeat("twilio", story.ledgers["twilio"][0], 20)
    assert cries(story) == ["I2 METER_SWAP_STARTED: 1 came twice, 0 resends are counted"]


def test_a_text_that_came_twice_with_another_time_in_it_is_told_twice(story: Story) -> None:
    again = story.repeat("twilio", story.ledgers["twilio"][0], 20)
    again["body"] = again["body"].replace("12.00", "12.01")
    assert cries(story) == ["I2 METER_SWAP_STARTED: 1 came twice, 0 resends are counted"]


def test_a_counted_resend_is_no_breach_unless_it_came_before_anybody_could_ask(
    story: Story,
) -> None:
    story.counted = Counted(resent=Counter(METER_SWAP_STARTED=1))
    again = story.repeat("twilio", story.ledgers["twilio"][0], 6)
    assert cries(story) == []
    again["at"] = at(23).isoformat()
    what = "the same text came again after 2.0 s, before anybody could ask"
    assert cries(story) == [f"I2 {phone_of(1)}: {what}"]


def test_a_mail_that_came_twice_is_told_twice(story: Story) -> None:
    story.repeat("sendgrid", story.ledgers["sendgrid"][0], 10)
    assert cries(story) == ["I2 METER_SWAP_STARTED: 1 came twice, 0 resends are counted"]


def test_an_order_taken_twice_is_an_effect_twice(story: Story) -> None:
    story.repeat("installer", story.entry("installer", "order"), 1)
    assert cries(story) == [f"I3 {order_of(1)}-1: the installer took the order 2 times"]


def test_a_repeated_call_with_the_same_key_is_none(story: Story) -> None:
    story.note("installer", "repeat", 12, key=f"{order_of(1)}-1", order_id=order_of(1))
    story.note("billing", "repeat", 44, key=f"billing-{order_of(1)}", ref="B-1")
    assert cries(story) == []


def test_another_content_under_a_known_key_is_an_effect_twice(story: Story) -> None:
    story.note("installer", "refused", 12, key=f"{order_of(1)}-1", status=409)
    what = "installer got another content under a key or version that it knew"
    assert cries(story) == [f"I3 {order_of(1)}-1: {what}"]


@pytest.mark.parametrize("system", ["nis", "dms", "billing"])
def test_a_change_applied_twice_is_an_effect_twice(story: Story, system: str) -> None:
    entry = story.ledgers[system][0]
    story.repeat(system, entry, 1)
    assert cries(story) == [f"I3 {entry['id']}: {system} applied version 1 2 times"]


def test_a_second_version_without_a_second_completion_is_an_effect_twice(story: Story) -> None:
    story.repeat("dms", story.ledgers["dms"][0], 1).update(version=2, key="other")
    assert cries(story) == [f"I3 {order_of(1)}: dms was changed 2 times by 1 completions"]


def test_the_end_of_a_visit_that_was_called_off_is_told_the_cis_once(story: Story) -> None:
    add_cancellation(story)
    facts = {"codes": ["CANCEL_TOO_LATE"], "order_ids": [order_of(1)]}
    story.note("cis", "return", 50, name="reject.xml", root="RejectMessage", **facts)
    file = story.entry("cis", "return", order_id=order_of(1))
    story.repeat("cis", file, 1)["name"] = "ended.xml"
    assert cries(story) == []
    story.repeat("cis", file, 2)["name"] = "ended-again.xml"
    assert cries(story) == [f"I3 {order_of(1)}: cis was changed 3 times by 2 completions"]


def test_an_order_that_the_cis_never_sent_is_an_effect_without_cause(story: Story) -> None:
    story.repeat("installer", story.entry("installer", "order"), 1).update(
        key="OTHER-1", order_id="OTHER"
    )
    assert cries(story) == ["I3 OTHER-1: the installer got an order that the CIS never sent"]


def test_a_completion_file_that_was_replaced_is_an_effect_twice(story: Story) -> None:
    story.repeat("cis", story.entry("cis", "return"), 1)["kind"] = "changed"
    assert "I3 STORY-0000001.xml: the file was replaced by one with another content" in cries(story)


def test_a_start_told_after_the_end_was_told_is_stale(story: Story) -> None:
    started = TEXTS["METER_SWAP_STARTED", "fi"]
    entry = story.entry("twilio", "message", to=phone_of(SMS_POINT), body=started)
    entry["at"] = at(43.9).isoformat()
    assert cries(story) == []
    entry["at"] = at(46).isoformat()
    what = f"{phone_of(SMS_POINT)} was told of the start 5.0 s after the end was known"
    assert cries(story) == [f"I4 {order_of(SMS_POINT)}: {what}"]


def test_a_start_told_after_another_system_heard_of_the_end_is_stale(story: Story) -> None:
    story.entry("dms", "applied", id=order_of(SMS_POINT))["at"] = at(30).isoformat()
    started = TEXTS["METER_SWAP_STARTED", "fi"]
    entry = story.entry("twilio", "message", to=phone_of(SMS_POINT), body=started)
    entry["at"] = at(35).isoformat()
    what = f"{phone_of(SMS_POINT)} was told of the start 5.0 s after the end was known"
    assert cries(story) == [f"I4 {order_of(SMS_POINT)}: {what}"]


def test_a_start_told_long_after_the_end_was_acknowledged_is_stale(story: Story) -> None:
    order = order_of(SMS_POINT)
    for system in ("dms", "billing"):
        story.entry(system, "applied", id=order)["at"] = at(70).isoformat()
    done, started = TEXTS["METER_SWAP_DONE", "fi"], TEXTS["METER_SWAP_STARTED", "fi"]
    story.entry("twilio", "message", to=phone_of(SMS_POINT), body=done)["at"] = at(70).isoformat()
    start = story.entry("twilio", "message", to=phone_of(SMS_POINT), body=started)
    start["at"] = at(57).isoformat()
    assert cries(story) == []
    start["at"] = at(59).isoformat()
    what = f"{phone_of(SMS_POINT)} was told of the start 4.0 s after the end was known"
    assert cries(story) == [f"I4 {order}: {what}"]


def test_a_text_after_the_opt_out_is_unwanted(story: Story) -> None:
    story.opt_outs.append(OptOut(phone_of(SMS_POINT), at(35)))
    what = f"{phone_of(SMS_POINT)}: got METER_SWAP_DONE after having opted out"
    assert cries(story) == [f"I4 {what}"]
    forget_messages(story, phone_of(SMS_POINT), keep=1)
    assert cries(story) == []


def test_a_text_to_somebody_who_wants_nothing_is_unwanted(story: Story) -> None:
    phone = phone_of(SILENT_POINT)
    story.note("twilio", "message", 21, to=phone, body=TEXTS["METER_SWAP_STARTED", "fi"])
    assert f"I4 {phone}: got METER_SWAP_STARTED and should not" in cries(story)


def test_a_text_to_a_former_resident_or_a_bystander_is_unwanted(story: Story) -> None:
    former = make_point(SEED, 12).former
    assert former is not None
    for phone in (former.phone, phone_of(12)):
        story.note("twilio", "message", 21, to=phone, body=TEXTS["METER_SWAP_STARTED", "fi"])
        assert f"I4 {phone}: got METER_SWAP_STARTED and should not" in cries(story)


def test_a_text_by_the_channel_that_was_not_chosen_is_unwanted(story: Story) -> None:
    phone = phone_of(MAIL_POINT)
    story.note("twilio", "message", 21, to=phone, body=TEXTS["METER_SWAP_STARTED", "fi"])
    assert f"I4 {phone}: got METER_SWAP_STARTED and should not" in cries(story)


def test_a_text_in_the_wrong_language_is_unwanted(story: Story) -> None:
    swedish = story.entry("twilio", "message", to=phone_of(SWEDISH_POINT))
    swedish["body"] = TEXTS["METER_SWAP_STARTED", "fi"]
    what = "got METER_SWAP_STARTED in fi instead of sv"
    assert cries(story) == [f"I4 {phone_of(SWEDISH_POINT)}: {what}"]


def test_a_text_that_nobody_wrote_is_unwanted(story: Story) -> None:
    story.ledgers["twilio"][0]["body"] = "((brand)): half a template"
    what = "got a text that is none of ours: ((brand)): half a template"
    assert f"I4 {phone_of(SMS_POINT)}: {what}" in cries(story)


def cries(story: Story) -> list[str]:
    return [str(breach) for breach in check(story.evidence()).breaches]


def forget_messages(story: Story, to: str, *, keep: int) -> None:
    for entry in [e for e in story.ledgers["twilio"] if e["to"] == to][keep:]:
        story.forget("twilio", entry)


def add_cancellation(story: Story) -> None:
    body = story.files[1].body
    # A file of its own with the same orders, of which the first is called off.
    head, order, rest = body.partition(b"</WorkOrder>")
    later = head.replace(b"<Revision>1<", b"<Revision>2<").replace(b">NEW<", b">CANCEL<")
    tail = b"</WorkOrderMessage>"
    assert rest.rstrip().endswith(tail)
    story.files.append(CisFile("archive", "cancel.xml", later + order + tail))


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return tell_story(tmp_path)
