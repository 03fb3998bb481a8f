"""One chaos run: a site is set up, work flows, everything is killed, then it has to come to rest."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from simulators.cis.master_data import write_master_data
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_point, make_points
from tests.chaos.calm import is_at_rest
from tests.chaos.dms_feed import make_record
from tests.chaos.evidence import Evidence, Ledgers, read_files
from tests.chaos.news_plan import Approval, Text
from tests.chaos.plan import BYSTANDERS, CALLS, Disturbance, Drop, Plan, make_plan
from tests.chaos.promises import Findings, check
from tests.chaos.site import UNKNOWN_GAP_S, UNKNOWN_GRACE_S, Site
from tests.chaos.told import TOLD_BY, read_acks, read_messages

REST_PATIENCE_S = 150.0
LEARN_PATIENCE_S = 60.0
# It has to look at rest for so long: a doubt that is just being resolved shows nowhere for a moment.
REST_S = 4.0
ORDER_TYPE = "MVM"
# A draft may still be on its way in when somebody wants to approve it.
APPROVALS_S = (0.0, 2.0, 6.0)
DONE = TOLD_BY["COMPLETED"]

Say = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """How a run ended; stuck says what had not come to rest, kept where its folder is if it was kept."""

    seed: int
    findings: Findings
    done: Counter[str] = field(default_factory=Counter)
    stuck: str | None = None
    took_s: float = 0.0

    @property
    def kept_all_promises(self) -> bool:
        """Whether nothing was broken and everything came to rest."""
        return not self.findings.breaches and self.stuck is None


def run_chaos(home: Path, *, kills: int, seed: int, say: Say) -> Outcome:
    """Run in this folder, which keeps ledgers and logs."""
    began = time.monotonic()
    with Site(home) as site:
        plan = make_plan(seed, kills, site.lanes)
        say(
            f"ready after {time.monotonic() - began:.1f} s; {plan.duration_s:.0f} s of chaos follow"
        )
        run = _Run(site, plan, say)
        run.teach()
        run.disturb()
        stuck = run.rest()
        findings = check(run.evidence())
    took_s = time.monotonic() - began
    return Outcome(seed, findings, run.done, stuck, took_s)


class _Run:
    """A plan being carried out on a site."""

    def __init__(self, site: Site, plan: Plan, say: Say) -> None:
        self._site = site
        self._plan = plan
        self._say = say
        self._files = site.home / "files"
        self._files.mkdir()
        self._ledgers = Ledgers(site.rehearsal.folder / "ledger")
        self._names = itertools.count(1)
        self._world = plan.seed % 1000
        assert site.feed is not None
        self._feed = site.feed
        self._wrote: set[str] = set()
        self._approved: set[str] = set()
        self._late_s = 0.0
        self.done: Counter[str] = Counter()

    def teach(self) -> None:
        """The CIS sends its customers; orders for unknown ones would tell nobody."""
        draft = self._files / "master"
        news = self._plan.news
        last = news.first_point + news.point_count - 1
        points = make_points(self._world, 1, last + BYSTANDERS)
        write_master_data(draft, points, 1, datetime.now(UTC))
        self._site.drop([(draft, "master-1.xml")])
        deadline = time.monotonic() + LEARN_PATIENCE_S
        while not self._site.has_archived("master-1.xml") and time.monotonic() < deadline:
            self._site.turn()
        self._await_rest(LEARN_PATIENCE_S, 1.0)
        if not self._site.wake_everybody():
            raise RuntimeError("the product has learnt of no customer")

    def disturb(self) -> None:
        """Carry the plan out by the clock, as far as the machine keeps up with it."""
        plan = self._plan
        agenda: list[tuple[float, Callable[[], None]]] = [
            *((one.at_s, partial(self._do, one)) for one in plan.disturbances),
            *((drop.at_s, partial(self._drop, drop)) for drop in plan.drops),
            *(
                (one.at_s + later_s, partial(self._approve, one))
                for one in plan.news.approvals
                for later_s in APPROVALS_S
            ),
            *((one.at_s, partial(self._write, one)) for one in plan.news.texts),
        ]
        self._state_outages()
        began = time.monotonic()
        for at_s, act in sorted(agenda, key=lambda entry: entry[0]):
            while time.monotonic() - began < at_s:
                self._site.turn()
            self._late_s = max(self._late_s, time.monotonic() - began - at_s)
            act()

    def rest(self) -> str | None:
        """Let everything go right and wait until nothing moves; None, or what still does."""
        for system in (*CALLS, "cis"):
            self._site.disturb(system, {})
        self._say(f"the weather clears; the plan was {self._late_s:.0f} s late at its latest")
        deadline = time.monotonic() + REST_PATIENCE_S
        while self._feed.waiting and time.monotonic() < deadline:
            self._site.turn()
        return self._await_rest(REST_PATIENCE_S, REST_S)

    def evidence(self) -> Evidence:
        """What the run left behind."""
        return Evidence(
            ledgers=self._ledgers.read(),
            files=read_files(self._site.rehearsal.folder / "sftp"),
            opt_outs=self._site.opt_outs,
            counted=self._site.counted(),
            doubt_s=UNKNOWN_GRACE_S + UNKNOWN_GAP_S,
            late_s=self._late_s,
        )

    def _so_far(self) -> Evidence:
        """What the outside systems have noted until now."""
        return Evidence(ledgers=self._ledgers.read(), files=())

    def _do(self, one: Disturbance) -> None:
        if one.what in ("kill", "ambush"):
            strike = self._site.kill if one.what == "kill" else self._site.ambush
            while not strike(one.whom):
                # It is just being started after the last time.
                self._site.turn()
            self.done["kills"] += 1
            self.done[f"{one.what} {one.whom}"] += 1
            self._say(f"{one.what} -9 {one.whom}")
        elif one.what in ("freeze", "thaw"):
            if one.what == "thaw":
                self._site.thaw(one.whom)
            elif self._site.freeze(one.whom):
                self.done[f"freeze {one.whom}"] += 1
            self._say(f"{one.what} {one.whom}")
        elif one.what == "opt-out":
            self._opt_out()
        elif one.what == "flush":
            self._site.flush()
            self.done["flushes"] += 1
            self._say("FLUSHALL")
        else:
            self._site.disturb(one.whom, one.faults or {})
            self._say(f"faults at {one.whom}: {one.faults}")

    def _drop(self, drop: Drop) -> None:
        number = next(self._names)
        draft = self._files / f"{number}"
        wish = Wish(ORDER_TYPE, drop.action, drop.revision, f"CHAOS-{self._plan.seed}")
        points = make_points(self._world, drop.first, drop.count)
        write_work_orders(draft, points, wish, datetime.now(UTC))
        files = [(draft, f"orders-{number}.xml")]
        if drop.twice:
            files.append((draft, f"orders-{number}-again.xml"))
        self._site.drop(files)
        self.done["files"] += len(files)

    def _state_outages(self) -> None:
        """Give the DMS everything that it will state, each in its time."""
        began = datetime.now(UTC)
        for statement in self._plan.news.statements:
            record = make_record(statement, self._world, began)
            for at_s in statement.posts:
                self._feed.put(record, at_s)
                self.done["statements"] += 1

    def _approve(self, one: Approval) -> None:
        """Approve a draft, once the product has made one of what it was told."""
        if one.ref not in self._approved and self._site.approve(one.ref):
            self._approved.add(one.ref)
            self._feed.note("approved", {"ref": one.ref})
            self.done["cuts approved"] += 1
            self._say(f"approved {one.ref}")

    def _write(self, one: Text) -> None:
        """Write from the phone of somebody who is about to be told of an outage, or has just been."""
        phone = self._phone_in_suspense()
        if phone is not None:
            self._site.write(phone, one.body)
            self._wrote.add(phone)
            self.done["stops written" if one.stops else "questions written"] += 1
            self._say(f"{phone} writes {one.body}")

    def _phone_in_suspense(self) -> str | None:
        """A phone at an outage that the product knows of: first those that have heard nothing yet."""
        told = Counter(message.to for message in read_messages(self._so_far()))
        phones = (
            phone
            for statement in reversed(self._plan.news.statements)
            if self._feed.has_taken(statement.ref, statement.version)
            for place in statement.off
            if (phone := self._phone_of(statement.first + place)) is not None
            and phone not in self._wrote
        )
        # Of the newest few, so that texts meet what is on its way.
        return min(itertools.islice(phones, 12), key=lambda phone: told[phone], default=None)

    def _phone_of(self, number: int) -> str | None:
        person = make_point(self._world, number).customer
        # Who has two points is asked which one they mean.
        is_shared = number % 25 in (0, 24)
        return person.phone if person.channel == "SMS" and not is_shared else None

    def _opt_out(self) -> None:
        contact = self._about_to_be_told()
        if contact is not None and self._site.opt_out(contact):
            self.done["opt-outs"] += 1
            self._say(f"opt-out of {contact}")

    def _about_to_be_told(self) -> str | None:
        """Somebody of whose swap a crew has just reported and who has not heard of its end yet."""
        evidence = self._so_far()
        told = {message.to for message in read_messages(evidence) if message.kind == DONE}
        out = {opt_out.contact for opt_out in self._site.opt_outs}
        newest_first = list(reversed(read_acks(evidence)))
        for kind in ("COMPLETED", "STARTED"):
            for ack in newest_first:
                contact = self._contact_of(ack.order_id) if ack.type == kind else None
                if contact is not None and contact not in told | out:
                    return contact
        return None

    def _contact_of(self, order_id: str) -> str | None:
        person = make_point(self._world, int(order_id[-7:])).customer
        return {"EMAIL": person.email, "SMS": person.phone}.get(person.channel or "")

    def _await_rest(self, patience_s: float, rest_s: float) -> str | None:
        """Wait until nothing has moved for so long; else what still moved at the end."""
        deadline = time.monotonic() + patience_s
        since: float | None = None
        size = -1
        moving: str | None = "nothing was looked at"
        while time.monotonic() < deadline:
            self._site.turn()
            ledgers = self._ledgers.read()
            moving = is_at_rest(self._site.metrics(), ledgers)
            now_size = sum(map(len, ledgers.values()))
            # Each poll of an empty inbox leaves no entry, so a steady count means silence.
            if moving is not None or now_size != size:
                since, size = None, now_size
            elif since is None:
                since = time.monotonic()
            elif time.monotonic() - since >= rest_s:
                return None
            for _ in range(3):
                self._site.turn()
        return moving or "the ledgers still grow"
