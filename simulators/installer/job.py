"""One order in the installer's hands, rebuilt from its ledger entries and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulators.ledger import Entry
from simulators.snapshots import Kept

FINAL = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass(slots=True)
class PendingAck:
    """An acknowledgement that Tiedolla has not taken yet.

    in_hand: it is being posted or waits for its next try; loose: later ones need not wait for it.
    """

    ack_id: str
    body: dict[str, Any]
    callbacks: str
    in_hand: bool = False
    loose: bool = False


@dataclass(slots=True)
class Job:
    """The newest accepted revision of an order, how far the crew is, and what is not told yet."""

    order_id: str
    partner_ref: str
    revision: int = 0
    order: dict[str, Any] = field(default_factory=dict)
    plan_n: int = 0
    planned_at_s: float = 0.0
    steps: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    next_step: int = 0
    off_at: str | None = None
    outcome: str | None = None
    changed_at: str = ""
    pending: dict[str, PendingAck] = field(default_factory=dict)

    @property
    def is_started(self) -> bool:
        """True while a crew is at work: a new revision no longer changes what it does."""
        return self.off_at is not None and self.outcome is None

    def take_order(self, entry: Entry) -> bool:
        """Apply an accepted order; True when the crew's plan is a new one because of it."""
        if entry["revision"] <= self.revision:
            return False
        self.revision, self.changed_at = entry["revision"], entry["at"]
        if entry["action"] == "CANCEL":
            if self.is_started or self.outcome is not None:
                return False
        else:
            self.order = entry["body"]
            if self.is_started or self.outcome == "COMPLETED":
                return False
        self.plan_n = entry["n"]
        self.planned_at_s = datetime.fromisoformat(entry["at"]).timestamp()
        self.steps, self.reason = entry["plan"]["steps"], entry["plan"]["reason"]
        self.next_step, self.off_at, self.outcome = 0, None, None
        return True

    def take_ack(self, entry: Entry) -> None:
        """Apply an acknowledgement that was made."""
        self.next_step, self.changed_at = entry["step"] + 1, entry["at"]
        if entry["type"] == "STARTED":
            self.off_at = entry["occurred_at"]
        if entry["type"] in FINAL:
            self.outcome = entry["type"]
        if entry["callbacks"] != "none":
            self.pending[entry["ack_id"]] = PendingAck(
                entry["ack_id"],
                entry["body"],
                entry["callbacks"],
                loose=entry["callbacks"] == "late",
            )

    def due_s(self) -> float | None:
        """When the crew takes its next step, or None when there is nothing left to do."""
        if self.next_step >= len(self.steps):
            return None
        return self.planned_at_s + float(self.steps[self.next_step]["after_s"])

    def listed(self) -> Kept:
        """What the installer's list for reconciliation says of it."""
        state = {"COMPLETED": "DONE"}.get(self.outcome or "OPEN", self.outcome or "OPEN")
        record = {
            "id": self.order_id,
            "version": self.revision,
            "state": state,
            "changedAt": self.changed_at,
        }
        return Kept(record, self.changed_at)
