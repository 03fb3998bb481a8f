"""The outcomes of a call to an outside system.

Every foreign call ends as sent, not sent or unknown. A client returns `Sent`, or raises one of
the errors below, each named by what the caller must do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

FINDING_TEXT_MAX = 300


@dataclass(frozen=True, slots=True)
class Outbound:
    """One outbox item on its way out.

    key is the dedupe key that the receiver may use; version grows with each change of the same
    business object, so that a receiver can ignore an older one; attempt_id names this very call.
    """

    key: str
    version: int
    kind: str
    payload: Mapping[str, Any]
    attempt_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver has it: ref is the receiver's own name for it, where it gave one."""

    ref: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the receiver did not accept: where, its code, and its words."""

    path: str
    code: str
    text: str


def plain(text: str) -> str:
    """Foreign text made fit to keep and show: printable and short."""
    cut = text[:FINDING_TEXT_MAX]
    return "".join(letter if letter.isprintable() else " " for letter in cut)


class CallError(Exception):
    """A call that did not end as sent; `why` is a short text without personal data."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Retryable(CallError):
    """Surely not applied, or safe to repeat under the same key: try again after `after_s` seconds."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class Rejected(CallError):
    """The receiver looked at it and refused it: do not repeat, show the findings to somebody."""

    def __init__(self, why: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(why)
        self.findings = findings


class AlreadyDone(CallError):
    """The receiver had it before under the same key: the same as sent."""

    def __init__(self, why: str, ref: str | None = None) -> None:
        super().__init__(why)
        self.ref = ref


class LaneDown(CallError):
    """Nothing will get through for now (credentials, account, host): open the circuit."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class UnknownOutcome(CallError):
    """The request may have been applied and repeating it could do it twice: resolve, never resend blindly."""


class ContractBroken(CallError):
    """The answer is not what the interface promises: stop this item and tell an operator."""


class Client(Protocol):
    """What a drain needs of an outside system."""

    async def send(self, item: Outbound) -> Sent: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Where and how patiently to call: base address without a trailing slash, times in seconds."""

    base_url: str
    token: str = field(repr=False)
    connect_s: float = 3.0
    total_s: float = 10.0
    in_flight: int = 100
