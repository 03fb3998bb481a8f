"""Pure checks of one version of a connection order, before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from app.domain.connection_course import ConnectionFacts
from app.domain.delay_reasons import DELAY_REASONS
from app.domain.findings import Finding, find
from app.domain.gsrn import is_valid_gsrn
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import ConnectionStage


def check_connection(facts: ConnectionFacts, *, customer_known: bool) -> tuple[Finding, ...]:
    """All that is not as it should be; an ERROR among it means that the version does not count."""
    return tuple(_findings(facts, customer_known))


def _findings(facts: ConnectionFacts, customer_known: bool) -> Iterator[Finding]:
    if not customer_known:
        words = f"Customer {facts.customer_id} has not been sent."
        yield find(RejectCode.FIELD_INVALID, "CustomerId", words)
    if facts.gsrn is not None and not is_valid_gsrn(facts.gsrn):
        yield find(RejectCode.GSRN_INVALID, "Identification")
    if facts.target_week is not None and not _is_week(facts.target_week):
        words = f"There is no week {facts.target_week}."
        yield find(RejectCode.FIELD_INVALID, "TargetWeek", words)
    yield from _window("PlannerVisit", facts.visit_from, facts.visit_to)
    yield from _window("Energise", facts.energise_from, facts.energise_to)
    if facts.delay_reason is not None and facts.delay_reason not in DELAY_REASONS:
        words = "DelayReason is not in the code list; customers read the reason of code OTHER."
        yield find(RejectCode.FIELD_INVALID, "DelayReason", words, severity=Severity.WARN)
    if facts.stage == ConnectionStage.COMPLETED and facts.meter_number is None:
        words = "Completed without a meter number; the customer is told once it is known."
        yield find(RejectCode.FIELD_MISSING, "MeterIdentification", words, severity=Severity.WARN)


def _window(name: str, begin: datetime | None, end: datetime | None) -> Iterator[Finding]:
    if (begin is None) != (end is None):
        missing = "To" if end is None else "From"
        words = f"{name}From and {name}To belong together."
        yield find(RejectCode.FIELD_MISSING, name + missing, words)
    elif begin is not None and end is not None and begin >= end:
        yield find(RejectCode.WINDOW_INVALID, f"{name}To")


def _is_week(week: str) -> bool:
    try:
        date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    except ValueError:
        return False
    return True
