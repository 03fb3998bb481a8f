"""What the bench keeps from whoever may not see it: key information, and people under a safety ban.

It is taken out before a mapping runs, so that no converter and no column can let it through: what
is not in the source is not in what comes of it. Names of fields stay, values become stand-ins of the
same sort, so that a rule that needs a number still finds one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from app.domain.mapping.canonical import Direction, Document
from app.domain.mapping.paths import Step, covers, general, split_path
from app.services.bundle_content import CompiledBundle
from integrations.cis.types import CisWorkOrder

HIDDEN_TEXT = "***"
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")

_KEYS = ("key_info",)
_PEOPLE = ("customer_id", "customer_name", "phone", "email")
_PLACE = (
    "street_name",
    "house_number",
    "staircase",
    "apartment",
    "postal_code",
    "post_office",
    "lat",
    "lon",
    "meter_place",
    "access_note",
)
# Our own fields that are hidden always, and those that are hidden under a safety ban.
_ALWAYS: Mapping[Document, Collection[str]] = {
    Document.ORDER: _KEYS,
    Document.ACK: ("site.accessNote",),
    Document.DELIVERY: (),
}
_UNDER_BAN: Mapping[Document, Collection[str]] = {
    Document.ORDER: (*_KEYS, *_PEOPLE, *_PLACE),
    Document.ACK: ("site", "notes", "failure.text", "photos"),
    Document.DELIVERY: (),
}


def hide_in_order(order: CisWorkOrder) -> tuple[CisWorkOrder, tuple[str, ...]]:
    """An order without what is protected in it, and the names of what was there."""
    names = _UNDER_BAN[Document.ORDER] if order.safety_ban else _ALWAYS[Document.ORDER]
    values = {name: getattr(order, name) for name in names}
    hidden = tuple(name for name, value in values.items() if value is not None)
    masked = {name: _stand_in(values[name]) for name in hidden}
    return msgspec.structs.replace(order, **masked), hidden


def hide_in_record(
    bundle: CompiledBundle, record: Mapping[str, Any], *, ban: bool
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """A record of theirs without the fields from which protected ones of ours are made.

    Under a ban also without those that no rule reads: nobody knows what they are.
    """
    content = bundle.content
    if content.direction != Direction.IN:
        return record, ()
    document = Document(content.document)
    names = (_UNDER_BAN if ban else _ALWAYS)[document]
    paths = {
        rule["source"]
        for rule in content.mapping["rules"]
        if "source" in rule and any(_touches(name, general(rule["target"])) for name in names)
    }
    if ban and names:
        paths |= set(bundle.mapping.unread(record))
    hidden = tuple(sorted(path for path in paths if _holds(record, split_path(_plain(path)))))
    return (_without(record, hidden), hidden) if hidden else (record, ())


def _touches(name: str, target: str) -> bool:
    """Whether a target is a protected field, lies in one, or has one inside of it."""
    return covers(name, target) or covers(target, name)


def _plain(path: str) -> str:
    return path.replace("[]", "")


def _holds(value: Any, steps: tuple[Step, ...]) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds(one, steps) for one in value)
    if not steps:
        return value is not None and value != ""
    return isinstance(value, Mapping) and _holds(value.get(steps[0].name), steps[1:])


def _without(record: Mapping[str, Any], paths: Collection[str]) -> dict[str, Any]:
    found: Any = record
    for path in paths:
        found = _masked(found, split_path(_plain(path)))
    return dict(found)


def _masked(value: Any, steps: tuple[Step, ...]) -> Any:
    """A copy with a stand-in at a path, in every item of a list that lies on the way."""
    if isinstance(value, list | tuple):
        return [_masked(one, steps) for one in value]
    if not steps:
        return _stand_in(value)
    name = steps[0].name
    if not isinstance(value, Mapping) or name not in value:
        return value
    return {**value, name: _masked(value[name], steps[1:])}


def _stand_in(value: Any) -> Any:
    if value is None or value == "":
        return value
    if isinstance(value, Mapping):
        return {name: _stand_in(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_stand_in(one) for one in value]
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return "0" if _NUMBER.fullmatch(value) else HIDDEN_TEXT
    return type(value)(0)
