"""The installer's crews and their reports: steps at their time, each told until it is taken."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from simulators.agenda import Agenda
from simulators.courier import Courier
from simulators.faults import FaultBox
from simulators.installer.ack_body import make_ack_body
from simulators.installer.job import Job, PendingAck
from simulators.ledger import Entry, Ledger, LedgerError
from simulators.settings import Installer
from simulators.signed_post import signed_headers
from simulators.turns import Turns

BACK_OFF_S = (0.5, 1, 2, 5, 10, 30, 60)
TAKEN = 202
# The content itself is refused: it is tried on, slowly, but later reports need not wait for it.
CONTENT_REFUSED = (400, 404, 409, 413, 415, 422)


class Crews:
    """Moves every job along its plan.

    An `ack` entry is written before the report first leaves, so that a restart sends the very
    same one again; `ack_answer` entries say what each try met.
    """

    def __init__(
        self,
        installer: Installer,
        ack_url: str,
        *,
        jobs: dict[str, Job],
        turns: Turns,
        faults: FaultBox,
        courier: Courier,
    ) -> None:
        self._installer = installer
        self._ack_url = ack_url
        self._jobs = jobs
        self._turns = turns
        self._faults = faults
        self._courier = courier
        self._meters = 0
        self._steps: Agenda[tuple[Job, int, int]] = Agenda(self._step, at_once=256)
        self._reports: Agenda[tuple[Job, PendingAck, int]] = Agenda(self._report, at_once=32)
        self._live = False

    def start(self, ledger: Ledger) -> None:
        """Send the crews out, and take up every report that was not taken yet."""
        self._ledger = ledger
        self._live = True
        self._steps.start()
        self._reports.start()
        for job in self._jobs.values():
            self.plan(job)
            self._kick(job)

    async def stop(self) -> None:
        """Drop what is in hand; the next start takes it up again from the ledger."""
        await self._steps.stop()
        await self._reports.stop()

    def plan(self, job: Job) -> None:
        """Have the job's next step taken at its time."""
        due_s = job.due_s()
        if self._live and due_s is not None:
            self._steps.put(due_s, (job, job.plan_n, job.next_step))

    def remember(self, entry: Entry) -> None:
        """Apply an `ack` or `ack_answer` entry, live or from the ledger's replay."""
        job = self._jobs[entry["order_id"]]
        if entry["kind"] == "ack":
            self._meters = max(self._meters, entry["meter_count"])
            job.take_ack(entry)
            self.plan(job)
        elif entry["done"]:
            job.pending.pop(entry["ack_id"], None)
        self._kick(job)

    async def _step(self, item: tuple[Job, int, int]) -> None:
        job, plan_n, step = item
        async with self._turns.of(job.order_id):
            if (job.plan_n, job.next_step) != (plan_n, step):
                return
            kind = job.steps[step]["type"]
            told_at = job.steps[step].get("told_at")
            at = datetime.now(UTC) if told_at is None else datetime.fromisoformat(told_at)
            self._meters += kind == "COMPLETED"
            tag = f"{self._installer.meter_series}{self._meters:06d}"
            body = make_ack_body(job, kind, at, tag)
            try:
                await self._ledger.append(
                    "ack",
                    {
                        "ack_id": body["ackId"],
                        "order_id": job.order_id,
                        "revision": job.revision,
                        "type": kind,
                        "step": step,
                        "occurred_at": body["occurredAt"],
                        "callbacks": self._faults.now.callbacks,
                        "meter_count": self._meters,
                        "body": body,
                    },
                )
            except LedgerError:
                self._steps.put(time.time() + BACK_OFF_S[0], item)

    def _kick(self, job: Job) -> None:
        """Send the next report: those of one order go one after another, loose ones by themselves."""
        if not self._live:
            return
        for ack in job.pending.values():
            if not ack.in_hand:
                ack.in_hand = True
                held_s = self._faults.draw_late_s() if ack.callbacks == "late" else 0.0
                self._reports.put(time.time() + held_s, (job, ack, 0))
            if not ack.loose:
                return

    async def _report(self, item: tuple[Job, PendingAck, int]) -> None:
        job, ack, tries = item
        answered, why = await self._post(ack)
        if answered == TAKEN and ack.callbacks == "duplicate":
            self._note(job, ack, answered, why, tries, done=False)
            answered, why = await self._post(ack)
            self._note(job, ack, answered, why, tries, done=True)
            return
        self._note(job, ack, answered, why, tries, done=answered == TAKEN)
        if answered != TAKEN:
            wait_s = BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)]
            self._reports.put(time.time() + wait_s, (job, ack, tries + 1))
            ack.loose = ack.loose or answered in CONTENT_REFUSED
            self._kick(job)

    def _note(
        self, job: Job, ack: PendingAck, answered: int, why: str, tries: int, *, done: bool
    ) -> None:
        self._ledger.note(
            "ack_answer",
            {
                "ack_id": ack.ack_id,
                "order_id": job.order_id,
                "type": ack.body["type"],
                "tries": tries + 1,
                "answered": answered,
                "why": why,
                "done": done,
            },
        )

    async def _post(self, ack: PendingAck) -> tuple[int, str]:
        body = json.dumps(ack.body, ensure_ascii=False).encode()
        headers = signed_headers(
            key_id=self._installer.ack_key_id,
            token=self._installer.ack_token,
            secret=self._installer.ack_secret,
            body=body,
        )
        return await self._courier.post(self._ack_url, body, headers)
