"""A slice of a file: the moment and the lists under which it is taken, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.findings import Finding
from app.domain.reject_codes import RejectCode, Severity
from app.domain.routing import CompiledRules
from app.domain.work_order_checks import CodeLists
from app.services.bundle_tally import Tally
from app.services.bundles_in_force import InForce
from integrations.cis.types import CisFinding


@dataclass(frozen=True, slots=True)
class Lists:
    """What the checks and the routing need, read once per file."""

    codes: CodeLists
    rules: CompiledRules
    key_info_partners: frozenset[str]
    # Partners in use: what they have stays theirs when the rules change.
    partners: frozenset[str]
    partner_key: str
    # By partner: the form in which orders go there, compiled.
    orders: Mapping[str, InForce]
    # What the shadows among them do differently.
    tally: Tally
    # Partners whose form of orders this program cannot run, and why: they keep what they have.
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MassContext:
    """The mass order whose items a slice holds; models: those that it allows, empty means all."""

    mass_id: str
    wave: str | None
    models: frozenset[str]
    # Its orders wait in the outbox while it is paused.
    hold_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """The file and the moment to which a slice of orders belongs."""

    message_id: int
    run_id: int
    now: datetime
    lists: Lists
    mass: MassContext | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One finding that the CIS should hear about."""

    order_id: str | None
    finding: Finding


@dataclass(slots=True)
class SliceResult:
    """What became of a slice: counts by outcome, and what to tell the CIS."""

    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)


def our_finding(finding: CisFinding, line: int | None = None) -> Finding:
    """A finding of the codec in the domain's words."""
    return Finding(
        RejectCode(finding.code),
        finding.path,
        finding.text,
        finding.line or line,
        Severity(finding.severity),
    )
