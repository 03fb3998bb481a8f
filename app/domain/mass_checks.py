"""The rules of mass orders: which models they may ask for, and when a whole file waits for people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode
from app.domain.work_order_checks import CodeLists

_MODEL_PATH = "NewMeter/RequiredModel"
MASS_TYPE = "MVM"


def check_mass_model(
    code: str | None, lists: CodeLists, allowed: Collection[str]
) -> tuple[Finding, ...]:
    """What speaks against an item's model in a mass order; unknown ones are judged elsewhere."""
    model = lists.models.get(code) if code is not None else None
    if model is None:
        return ()
    if not model.mass_ok:
        text = f"Meter model {code} may not be hung in a mass replacement."
        return (find(RejectCode.MODEL_NOT_FOR_TYPE, _MODEL_PATH, text),)
    if allowed and code not in allowed:
        text = f"Meter model {code} is not among the AllowedModels of the mass order."
        return (find(RejectCode.MODEL_NOT_FOR_TYPE, _MODEL_PATH, text),)
    return ()


def check_allowed_models(allowed: Collection[str], lists: CodeLists) -> tuple[Finding, ...]:
    """Models that the head allows and our lists do not; items that want one are refused alone."""
    found: list[Finding] = []
    for code in sorted(allowed):
        model = lists.models.get(code)
        if model is None:
            text = f"Meter model {code} is not in the code list."
            found.append(find(RejectCode.MODEL_UNKNOWN, "AllowedModels/Model", text))
        elif not model.mass_ok or MASS_TYPE not in model.order_types:
            text = f"Meter model {code} may not be hung in a mass replacement."
            found.append(find(RejectCode.MODEL_NOT_FOR_TYPE, "AllowedModels/Model", text))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class FileCounts:
    """What a file said of itself and what was found in it; broken names what it broke off with."""

    declared: int
    items: int
    bad: int
    broken: str | None = None
    called_off: bool = False


def decide_hold(counts: FileCounts, most_percent: float, most_count: int) -> str | None:
    """Why the whole file has to wait for people, or None; nothing of a waiting file leaves.

    most_count 0 is no limit. The reason is a code with figures, for pages to put into words.
    """
    if counts.broken is not None:
        return f"BROKEN {counts.broken} {counts.items} {counts.declared}"
    if counts.items != counts.declared:
        return f"MASS_COUNT {counts.items} {counts.declared}"
    if counts.called_off:
        return "CALLED_OFF"
    if most_count and counts.bad > most_count:
        return f"BAD_COUNT {counts.bad} {most_count}"
    if counts.bad * 100 > most_percent * counts.items:
        return f"BAD_SHARE {counts.bad} {counts.items} {most_percent:g}"
    return None
