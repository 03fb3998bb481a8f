"""The checker of announcements is held against a made-up run: silent when all is well, else loud."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulators.cis.master_data import write_master_data
from simulators.cis.world import make_point, make_points
from tests.chaos.evidence import CisFile, Counted, OptOut
from tests.chaos.promises import check
from tests.chaos.story import BEGAN, SEED, Story, at
from tests.chaos.told import TEXTS

# Points 1 and 5 are people with a phone and Finnish; the cut of both, and a plan at point 2.
FINN, FINN_TOO, SWEDE = 1, 5, 2
ETR = "2026-05-05T12:30:00+00:00"
ETR_LOCAL = "15.30"


def test_a_run_in_which_all_went_well_breaks_nothing(story: Story) -> None:
    findings = check(story.evidence())
    assert [str(one) for one in findings.breaches] == []
    assert findings.counts["told of a cut"] == 2
    assert findings.counts["told of its end"] == 2
    assert findings.counts["told that it is off"] == 1
    assert findings.counts["texts to us"] == 1


def test_an_end_that_nobody_heard_of_is_a_loss(story: Story) -> None:
    forget(story, FINN, "FAULT_RESTORED")
    assert cries(story) == [f"I1 F-1: {phone(FINN)} never got FAULT_RESTORED"]
    story.counted = Counted(given_up=Counter(FAULT_RESTORED=1))
    assert cries(story) == []


def test_an_end_told_before_the_dms_stated_it_is_untrue(story: Story) -> None:
    message(story, FINN, "FAULT_RESTORED")["at"] = at(39).isoformat()
    what = f"{phone(FINN)} was told that the power is back, and it was not"
    assert cries(story) == [f"I4 F-1: {what}"]


def test_an_end_told_while_another_point_of_the_outage_is_out_is_true(story: Story) -> None:
    state(story, "F-1", 4, 41, {FINN: 40, FINN_TOO: None})
    forget(story, FINN_TOO, "FAULT_RESTORED")
    unsay(story, "F-1", 3)
    assert cries(story) == []


def test_a_start_told_after_the_end_is_stale(story: Story) -> None:
    say(story, 50, FINN, "FAULT_ETR_CHANGED", etr="16.30")
    found = cries(story)
    assert any("got FAULT_ETR_CHANGED 6.0 s after the end was known" in one for one in found)


def test_a_start_told_long_after_the_end_was_taken_is_stale(story: Story) -> None:
    forget(story, FINN, "FAULT_RESTORED")
    message(story, FINN, "FAULT_STARTED")["at"] = at(60).isoformat()
    assert any(
        f"{phone(FINN)} got FAULT_STARTED 4.5 s after the end was known" in one
        for one in cries(story)
    )


def test_what_the_machine_was_late_with_the_product_may_be_late_with(story: Story) -> None:
    forget(story, FINN, "FAULT_RESTORED")
    story.opt_outs.append(OptOut(phone(FINN), at(59)))
    message(story, FINN, "FAULT_STARTED")["at"] = at(62).isoformat()
    assert len(cries(story)) == 1
    story.late_s = 5.0
    assert cries(story) == []


def test_an_estimate_that_nobody_made_is_untrue(story: Story) -> None:
    entry = message(story, FINN, "FAULT_ETR")
    entry["body"] = entry["body"].replace(ETR_LOCAL, "19.45")
    assert cries(story) == [f"I4 F-1: {phone(FINN)} got an estimate that nobody made"]


def test_an_estimate_that_was_changed_long_before_is_stale(story: Story) -> None:
    state(story, "F-1", 9, 21, {FINN: None, FINN_TOO: None}, etr="2026-05-05T15:30:00+00:00")
    for number in (FINN, FINN_TOO):
        forget(story, number, "FAULT_RESTORED")
    message(story, FINN, "FAULT_ETR")["at"] = at(45).isoformat()
    what = f"{phone(FINN)} got an estimate that had been changed long before"
    assert f"I4 F-1: {what}" in cries(story)


def test_an_estimate_that_everybody_lacks_is_a_loss_while_the_cut_goes_on(story: Story) -> None:
    unsay(story, "F-1", 3)
    for number in (FINN, FINN_TOO):
        forget(story, number, "FAULT_RESTORED")
    forget(story, FINN, "FAULT_ETR")
    assert cries(story) == [f"I1 F-1: {phone(FINN)} never got FAULT_ETR"]


def test_two_updates_within_the_hour_are_one_too_many(story: Story) -> None:
    say(story, 30, FINN, "FAULT_PARTLY_RESTORED")
    assert cries(story) == [f"I2 F-1: {phone(FINN)} got 2 updates within the hour"]
    story.counted = Counted(resent=Counter(FAULT_ETR=1))
    assert cries(story) == []


def test_a_start_that_came_twice_is_told_twice(story: Story) -> None:
    story.repeat("twilio", message(story, FINN, "FAULT_STARTED"), 8)
    assert cries(story) == ["I2 FAULT_STARTED: 1 came twice, 0 resends are counted"]


def test_the_second_provider_counts_as_well(story: Story) -> None:
    entry = message(story, FINN, "FAULT_STARTED")
    story.ledgers["twilio2"] = [{**entry, "at": at(19).isoformat()}]
    assert cries(story) == ["I2 FAULT_STARTED: 1 came twice, 0 resends are counted"]


def test_a_false_alarm_is_corrected_to_whoever_heard_it_and_ends_without_a_return(
    story: Story,
) -> None:
    unsay(story, "F-1", 3)
    state(story, "F-1", 3, 40, {FINN: None, FINN_TOO: None}, says="FALSE_ALARM")
    forget(story, FINN, "FAULT_RESTORED")
    say(story, 45, FINN, "CORRECTION")
    found = cries(story)
    assert f"I4 F-1: {phone(FINN_TOO)} was told that the power is back, and it was not" in found
    assert f"I1 F-1: {phone(FINN_TOO)} never got CORRECTION" in found
    assert not any(phone(FINN) in one for one in found)


def test_a_cancellation_is_owed_to_exactly_those_who_got_the_notice(story: Story) -> None:
    forget(story, SWEDE, "PLANNED_CANCELLED")
    assert cries(story) == [f"I1 P-2: {phone(SWEDE)} never got PLANNED_CANCELLED"]
    forget(story, SWEDE, "PLANNED_NOTICE")
    assert cries(story) == []
    say(story, 66, SWEDE, "PLANNED_CANCELLED")
    assert cries(story) == [f"I4 P-2: {phone(SWEDE)} heard of an end without a beginning"]


def test_a_plan_that_stands_is_owed_once_somebody_has_approved_it(story: Story) -> None:
    unsay(story, "P-2", 2)
    story.ledgers["twilio"] = [one for one in story.ledgers["twilio"] if one.get("sid") != "SM1"]
    for kind in ("PLANNED_CANCELLED", "PLANNED_NOTICE", "OPT_OUT_OK"):
        forget(story, SWEDE, kind)
    assert cries(story) == [f"I1 P-2: {phone(SWEDE)} never got PLANNED_NOTICE"]
    story.ledgers["feed"] = [one for one in story.ledgers["feed"] if one["kind"] != "approved"]
    assert cries(story) == []


def test_a_text_that_is_never_answered_is_a_loss_and_two_answers_are_one_too_many(
    story: Story,
) -> None:
    forget(story, SWEDE, "OPT_OUT_OK")
    assert cries(story) == [f"I1 {phone(SWEDE)}: wrote to us and never got an answer"]
    for at_s in (71, 81):
        say(story, at_s, SWEDE, "OPT_OUT_OK")
    assert f"I2 {phone(SWEDE)}: got 2 answers to 1 texts" in cries(story)


def test_after_stop_only_what_must_reach_them_may_come(story: Story) -> None:
    # The cancellation of what they know of comes after it, and may.
    assert moment_of(story, SWEDE, "PLANNED_CANCELLED") > moment_of_stop(story)
    message(story, SWEDE, "PLANNED_NOTICE")["at"] = at(68).isoformat()
    what = f"{phone(SWEDE)}: got PLANNED_NOTICE after having opted out"
    assert cries(story) == [f"I4 {what}"]


def test_a_stop_that_was_not_thanked_for_is_none_yet(story: Story) -> None:
    story.ledgers["twilio"] = [
        one for one in story.ledgers["twilio"] if one["kind"] != "inbound_post"
    ]
    forget(story, SWEDE, "OPT_OUT_OK")
    message(story, SWEDE, "PLANNED_NOTICE")["at"] = at(68).isoformat()
    assert cries(story) == []


def test_news_of_an_outage_elsewhere_is_unwanted(story: Story) -> None:
    say(story, 20, SWEDE, "FAULT_STARTED")
    assert f"I4 {phone(SWEDE)}: got FAULT_STARTED and should not" in cries(story)


def test_who_has_left_may_be_told_of_a_plan_by_their_other_contact(story: Story) -> None:
    person = make_point(SEED, SWEDE).customer
    if person.email is None:
        pytest.skip("this world's Swede has no other contact")
    facts = {"to": person.email, "subject": text_of("PLANNED_NOTICE", "sv", "subject"), "text": "…"}
    story.note("sendgrid", "mail", 69, **facts)
    assert not any("should not" in one for one in cries(story))
    story.ledgers["twilio"] = [one for one in story.ledgers["twilio"] if one["kind"] != "inbound"]
    assert f"I4 {person.email.lower()}: got PLANNED_NOTICE and should not" in cries(story)


def test_opting_out_at_the_desk_ends_what_is_owed(story: Story) -> None:
    forget(story, FINN, "FAULT_RESTORED")
    story.opt_outs.append(OptOut(phone(FINN), at(30)))
    assert cries(story) == []


def cries(story: Story) -> list[str]:
    return [str(breach) for breach in check(story.evidence()).breaches]


def phone(number: int) -> str:
    return str(make_point(SEED, number).customer.phone)


def text_of(kind: str, language: str, channel: str = "sms", **values: str) -> str:
    """A shipped text with something in every place."""
    texts = tomllib.loads((TEXTS / f"{kind}.toml").read_text("utf-8"))
    return re.sub(
        r"\(\((\w+)\)\)", lambda found: values.get(found[1], "12.00"), texts[language][channel]
    )


def say(story: Story, at_s: float, number: int, kind: str, etr: str = ETR_LOCAL) -> None:
    """A text reaches somebody's phone."""
    person = make_point(SEED, number).customer
    body = text_of(kind, person.language, t2=etr)
    story.note("twilio", "message", at_s, to=person.phone, body=body, told=kind)


def message(story: Story, number: int, kind: str) -> dict[str, Any]:
    return story.entry("twilio", "message", to=phone(number), told=kind)


def forget(story: Story, number: int, kind: str) -> None:
    story.forget("twilio", message(story, number, kind))


def unsay(story: Story, ref: str, version: int) -> None:
    """The DMS never stated this version."""
    kept = [
        one for one in story.ledgers["feed"] if (one["ref"], one.get("version")) != (ref, version)
    ]
    story.ledgers["feed"] = kept


def moment_of(story: Story, number: int, kind: str) -> str:
    return str(message(story, number, kind)["at"])


def moment_of_stop(story: Story) -> str:
    return str(story.entry("twilio", "inbound_post")["at"])


def state(
    story: Story,
    ref: str,
    version: int,
    at_s: float,
    points: Mapping[int, float | None],
    *,
    kind: str = "FAULT",
    says: str = "CONFIRMED",
    etr: str | None = None,
) -> None:
    """The DMS states a version, which is taken half a second later."""
    named = [
        {"gsrn": make_point(SEED, number).gsrn}
        | ({} if back is None else {"onAt": at(back).isoformat()})
        for number, back in points.items()
    ]
    record = {"kind": kind, "state": says, "version": version, "points": named}
    if etr is not None:
        record["etrAt"] = etr
    story.note("feed", "stated", at_s, ref=ref, version=version, record=record)
    story.note("feed", "answer", at_s + 0.5, ref=ref, version=version, answered=202)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A cut with an estimate and an end, a plan that is called off, and one text to us."""
    story = Story()
    write_master_data(tmp_path / "master", make_points(SEED, 1, 12), 1, BEGAN)
    story.files.append(CisFile("archive", "master.xml", (tmp_path / "master").read_bytes()))
    out = {FINN: None, FINN_TOO: None}
    state(story, "F-1", 1, 10, out)
    state(story, "F-1", 2, 15, out, etr=ETR)
    state(story, "F-1", 3, 40, {FINN: 40, FINN_TOO: 40}, etr=ETR)
    for number in (FINN, FINN_TOO):
        say(story, 12, number, "FAULT_STARTED")
        say(story, 18, number, "FAULT_ETR")
        say(story, 44, number, "FAULT_RESTORED")
    state(story, "P-2", 1, 10, {SWEDE: None}, kind="PLANNED")
    story.note("feed", "approved", 12, ref="P-2")
    say(story, 14, SWEDE, "PLANNED_NOTICE")
    facts = {"sid": "SM1", "from": phone(SWEDE), "body": "stop", "callbacks": "normal"}
    story.note("twilio", "inbound", 60, **facts)
    story.note("twilio", "inbound_post", 61, sid="SM1", answered=200, done=True)
    say(story, 62, SWEDE, "OPT_OUT_OK")
    state(story, "P-2", 2, 64, {SWEDE: None}, kind="PLANNED", says="CANCELLED")
    say(story, 70, SWEDE, "PLANNED_CANCELLED")
    return story
