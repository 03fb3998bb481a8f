"""A finding: one thing in a message or a fact that is not as it should be, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.reject_codes import REJECT_CODES, RejectCode, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """Code, place and words of one thing found; `text` is English and carries no personal data.

    path names the field as the sender knows it, line is its line in a file where there is one.
    """

    code: RejectCode
    path: str
    text: str
    line: int | None = None
    severity: Severity = Severity.ERROR


def find(
    code: RejectCode, path: str, text: str | None = None, *, severity: Severity | None = None
) -> Finding:
    """Make a finding with the weight, and where no text is given the words, of its code."""
    info = REJECT_CODES[code]
    return Finding(code, path, text or info.text.en, None, severity or info.severity)


def has_error(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding stops what it was found in."""
    return any(finding.severity is Severity.ERROR for finding in findings)
