"""Processes: what starts them, what happens when two starts meet, and what is kept of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class TriggerKind(StrEnum):
    """What makes a process start.

    FILE: a file was stored. MAIL: a message came to a mailbox. SCHEDULE: a cron expression, in
    Finnish time. HTTP: a signed request. CHANGE: a change of a row was committed. END: a run of
    another process ended. MANUAL and REPLAY: a person.
    """

    FILE = "FILE"
    MAIL = "MAIL"
    SCHEDULE = "SCHEDULE"
    HTTP = "HTTP"
    CHANGE = "CHANGE"
    END = "END"
    MANUAL = "MANUAL"
    REPLAY = "REPLAY"


# A person needs no trigger that was set up before.
SET_UP_KINDS = (
    TriggerKind.SCHEDULE,
    TriggerKind.FILE,
    TriggerKind.MAIL,
    TriggerKind.HTTP,
    TriggerKind.CHANGE,
    TriggerKind.END,
)


class Overlap(StrEnum):
    """What a start does that finds an earlier one waiting or running.

    SKIP: nothing, it is recorded as skipped. QUEUE_ONE: it waits, unless one waits already.
    QUEUE_ALL: it waits its turn, however many do. PARALLEL: it runs beside. REPLACE: the running
    one is asked to stop, and those that wait are skipped.
    """

    SKIP = "SKIP"
    QUEUE_ONE = "QUEUE_ONE"
    QUEUE_ALL = "QUEUE_ALL"
    PARALLEL = "PARALLEL"
    REPLACE = "REPLACE"


class LogLevel(StrEnum):
    """What is kept of a run: the steps that went wrong; all steps; and the payloads besides."""

    ERRORS = "ERRORS"
    RESULTS = "RESULTS"
    EVERYTHING = "EVERYTHING"


class Ended(StrEnum):
    """Which end of another process counts."""

    OK = "OK"
    BAD = "BAD"
    ANY = "ANY"


# The tables whose committed changes may start something, and what their rows are named by. Each
# has a trigger in the database that writes only while somebody listens.
CHANGE_TABLES: Mapping[str, str] = {
    "partner": "code",
    "route_rule": "id",
    "meter_model": "model",
    "order_type": "code",
    "mass_order": "mass_id",
    "message_version": "id",
    "storm": "id",
}

# Parts of the work of a lane that record runs of their own, and under which name the lane's process
# records its: they are runs of that process.
RUN_OWNERS: Mapping[str, str] = {
    **dict.fromkeys(("meter deliveries", "mass split", "mass follow"), "intake"),
    "poll partners": "partner files",
    "fetch lists": "reconcile",
    **dict.fromkeys(
        (
            "answer requests",
            "care for undelivered",
            "planned cuts",
            "remind of visits",
            "replay",
            "resolve unknown",
            "retention",
            "routing",
            "tenancies",
            "watch faults",
            "watch swaps",
            "welcome",
        ),
        "upkeep",
    ),
}

STILL_RUNNING = "STILL_RUNNING"
ONE_WAITS = "ONE_WAITS"
REPLACED = "REPLACED"
IS_STOPPED = "IS_STOPPED"

# Steps that ended so went as they should.
GOOD_STEPS = frozenset(
    {
        "OK",
        "SENT",
        "SKIPPED",
        "NEW",
        "UPDATE",
        "CANCEL",
        "TAKEN_BEFORE",
        "DUPLICATE",
        "APPLIED",
        "STORED",
        "FOUND",
        "NOTHING",
        "LATE",
        "SETTLED_MEANWHILE",
        "DIFFED",
    }
)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What becomes of a new start, and of those that it meets."""

    skip_reason: str | None = None
    stop_running: bool = False
    skip_waiting: bool = False


def decide_overlap(overlap: str, running_count: int, waiting_count: int) -> Meeting:
    """What the policy says to a start that meets so many others of its process."""
    if overlap == Overlap.SKIP and running_count + waiting_count:
        return Meeting(skip_reason=STILL_RUNNING)
    if overlap == Overlap.QUEUE_ONE and waiting_count:
        return Meeting(skip_reason=ONE_WAITS)
    if overlap == Overlap.REPLACE:
        return Meeting(stop_running=running_count > 0, skip_waiting=waiting_count > 0)
    return Meeting()


def owner_of(run_name: str) -> str:
    """Under which name the process records its runs that such a run belongs to."""
    return RUN_OWNERS.get(run_name, run_name)


def runs_of(run_name: str) -> list[str]:
    """The names of all runs that belong to a process."""
    return [run_name, *(part for part, owner in RUN_OWNERS.items() if owner == run_name)]


def keeps_step(level: str, state: str, error_class: str | None) -> bool:
    """Whether a step is kept at this level of detail."""
    return level != LogLevel.ERRORS or error_class is not None or state not in GOOD_STEPS


def end_fits(wanted: str, run_state: str) -> bool:
    """Whether a run that ended in this state is an end that somebody waits for."""
    if wanted == Ended.ANY:
        return True
    return (run_state == "OK") == (wanted == Ended.OK)


def name_fits(pattern: str, name: str) -> bool:
    """Whether a file's name, a sender or a subject fits a pattern with * and ?, in any case."""
    return fnmatchcase(name.casefold(), pattern.casefold() or "*")


def trigger_key(kind: str, spec: Mapping[str, Any]) -> str:
    """What makes two triggers of a process the same one, readable."""
    parts = {
        TriggerKind.SCHEDULE: ("cron",),
        TriggerKind.FILE: ("source", "name"),
        TriggerKind.MAIL: ("mailbox", "sender", "subject"),
        TriggerKind.HTTP: ("partner",),
        TriggerKind.CHANGE: ("table", "state"),
        TriggerKind.END: ("process", "ended"),
    }[TriggerKind(kind)]
    return " ".join(str(spec.get(part) or "*") for part in parts)


def makes_circle(process: str, follows: str, edges: Iterable[tuple[str, str]]) -> bool:
    """Whether starting `process` after `follows` would let a process start itself again for ever.

    edges: (process, what it follows) of the triggers that are there.
    """
    after: dict[str, set[str]] = {}
    for later, earlier in edges:
        after.setdefault(earlier, set()).add(later)
    seen: set[str] = set()
    todo = [process]
    while todo:
        one = todo.pop()
        if one == follows:
            return True
        if one not in seen:
            seen.add(one)
            todo += after.get(one, ())
    return False
