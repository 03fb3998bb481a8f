"""A mapping as it is written down: JSON, read strictly, with every fault named at once.

{"mapping": 1,
 "rules": [{"target": "site.gsrn", "source": "gsrn", "required": true},
           {"target": "priority", "source": "priority", "default": 3},
           {"target": "type", "source": "order_type", "convert": "code", "codes": "types"},
           {"target": "contact", "default": {}, "when": [{"source": "phone", "present": true}]}],
 "ignored": ["internalNote"]}
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app.domain.mapping.converters import AS_IS, CODE, CONVERTERS
from app.domain.mapping.paths import covers, general, is_path
from app.domain.mapping.vocabulary import (
    Condition,
    MapCode,
    MapFault,
    MappingInvalid,
    MappingRules,
    Rule,
)

FORMAT = 1
_KEYS = frozenset({"mapping", "rules", "ignored"})
_RULE_KEYS = frozenset(
    {"target", "source", "convert", "codes", "required", "default", "when", "about"}
)
_WHEN_KEYS = frozenset({"source", "present", "in"})
_RULES_MOST = 500
_SCALAR = str | int | float | bool


def parse_mapping(
    document: Any,
    codes: Mapping[str, Mapping[str, Any]],
    *,
    sources: Collection[str] | None = None,
    targets: Collection[str] | None = None,
) -> MappingRules:
    """Read a mapping.

    sources, targets: the general paths of our own document on that side, which the mapping must
    keep to; None for the partner's side, whose paths nobody but the mapping knows.
    Raises: MappingInvalid (with all faults).
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("rules"), list):
        _refuse(MapCode.MAP_FORM, "/", "a mapping is an object with a list of rules")
    if document.get("mapping") != FORMAT:
        _refuse(MapCode.MAP_VERSION, "/mapping", f"this version reads format {FORMAT}")
    reader = _Reader(codes, sources, targets)
    for key in document.keys() - _KEYS:
        reader.fault(MapCode.MAP_KEY_UNKNOWN, f"/{key}", "no such word")
    if not 0 < len(document["rules"]) <= _RULES_MOST:
        reader.fault(MapCode.MAP_FORM, "/rules", f"1 to {_RULES_MOST} rules are taken")
    rules = [
        rule
        for number, one in enumerate(document["rules"][:_RULES_MOST])
        if (rule := reader.rule(one, f"/rules/{number}")) is not None
    ]
    ignored = reader.ignored(document.get("ignored", []))
    reader.check_targets(rules)
    if reader.faults:
        raise MappingInvalid(tuple(reader.faults))
    return MappingRules(tuple(rules), codes, ignored)


def _refuse(code: MapCode, place: str, text: str) -> None:
    raise MappingInvalid((MapFault(code, place, text),))


class _Reader:
    """Reads rule after rule and gathers what is wrong with them."""

    def __init__(
        self,
        codes: Mapping[str, Mapping[str, Any]],
        sources: Collection[str] | None,
        targets: Collection[str] | None,
    ) -> None:
        self._codes = codes
        self._sources = sources
        self._targets = targets
        self.faults: list[MapFault] = []

    def fault(self, code: MapCode, place: str, text: str) -> None:
        self.faults.append(MapFault(code, place, text))

    def rule(self, raw: Any, place: str) -> Rule | None:
        """One rule; None when it is too broken to be looked at further."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("target"), str):
            self.fault(MapCode.MAP_FORM, place, "a rule is an object with a target")
            return None
        for key in raw.keys() - _RULE_KEYS:
            self.fault(MapCode.MAP_KEY_UNKNOWN, f"{place}/{key}", "no such word")
        target, source = raw["target"], raw.get("source")
        self._path(target, f"{place}/target", self._targets, MapCode.MAP_TARGET_UNKNOWN)
        if source is not None:
            self._path(source, f"{place}/source", self._sources, MapCode.MAP_SOURCE_UNKNOWN)
        elif "default" not in raw:
            text = "without a source it needs a default"
            self.fault(MapCode.MAP_NOTHING_GIVEN, place, text)
        if not isinstance(raw.get("required", False), bool):
            self.fault(MapCode.MAP_FORM, f"{place}/required", "true or false")
        if "default" in raw and not _is_default(raw["default"]):
            text = "a text, a number, true, false, {} or []"
            self.fault(MapCode.MAP_DEFAULT_INVALID, f"{place}/default", text)
        self._converter(raw, place)
        return Rule(
            target=target,
            source=source if isinstance(source, str) else None,
            convert=raw.get("convert"),
            codes=raw.get("codes"),
            required=raw.get("required") is True,
            default=raw.get("default"),
            has_default="default" in raw,
            when=tuple(self._conditions(raw.get("when", []), f"{place}/when")),
        )

    def ignored(self, raw: Any) -> tuple[str, ...]:
        if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
            self.fault(MapCode.MAP_FORM, "/ignored", "a list of source paths")
            return ()
        return tuple(raw)

    def check_targets(self, rules: list[Rule]) -> None:
        """Two rules may give one target a value only if all but the last say when they count."""
        places: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            places.setdefault(rule.target, []).append(number)
        for target, numbers in places.items():
            if any(not rules[number].when for number in numbers[:-1]):
                text = f"{target} has its value already; say when each rule counts"
                self.fault(MapCode.MAP_TARGET_TWICE, f"/rules/{numbers[-1]}", text)
        for number, rule in enumerate(rules):
            for other, numbers in places.items():
                holds_value = any(rules[n].source is not None for n in numbers)
                if other != rule.target and covers(other, rule.target) and holds_value:
                    text = f"{rule.target} is inside {other}, which has a value of its own"
                    self.fault(MapCode.MAP_TARGET_INSIDE, f"/rules/{number}", text)

    def _path(self, path: Any, place: str, known: Collection[str] | None, unknown: MapCode) -> None:
        if not isinstance(path, str) or not is_path(path):
            self.fault(MapCode.MAP_PATH_INVALID, place, "names joined by dots, as a.b[0].c")
        elif known is not None and not _is_known(general(path), known):
            self.fault(unknown, place, f"our document has no {path}")

    def _converter(self, raw: Mapping[str, Any], place: str) -> None:
        name, codes = raw.get("convert"), raw.get("codes")
        if name is not None and name not in CONVERTERS and name not in (AS_IS, CODE):
            known = ", ".join([AS_IS, CODE, *CONVERTERS])
            self.fault(MapCode.MAP_CONVERTER_UNKNOWN, f"{place}/convert", f"one of {known}")
        if (name == CODE) != (codes is not None):
            text = 'convert "code" and codes belong together'
            self.fault(MapCode.MAP_CODES_UNKNOWN, place, text)
        elif codes is not None and codes not in self._codes:
            text = f"the bundle has no code list {codes}"
            self.fault(MapCode.MAP_CODES_UNKNOWN, f"{place}/codes", text)

    def _conditions(self, raw: Any, place: str) -> Iterator[Condition]:
        if not isinstance(raw, list):
            self.fault(MapCode.MAP_WHEN_INVALID, place, "a list of conditions")
            return
        for number, one in enumerate(raw):
            where = f"{place}/{number}"
            if not isinstance(one, Mapping) or one.keys() - _WHEN_KEYS or len(one) != 2:
                text = "an object with source and either present or in"
                self.fault(MapCode.MAP_WHEN_INVALID, where, text)
                continue
            source, present, values = one.get("source"), one.get("present"), one.get("in")
            self._path(source, f"{where}/source", self._sources, MapCode.MAP_SOURCE_UNKNOWN)
            if not isinstance(source, str):
                continue
            if "in" in one and (
                not isinstance(values, list) or not all(isinstance(v, _SCALAR) for v in values)
            ):
                self.fault(MapCode.MAP_WHEN_INVALID, f"{where}/in", "a list of values")
            elif "in" not in one and not isinstance(present, bool):
                self.fault(MapCode.MAP_WHEN_INVALID, f"{where}/present", "true or false")
            else:
                yield Condition(source, present, tuple(values or ()))


def _is_known(path: str, known: Collection[str]) -> bool:
    return path in known or any(covers(path, one) for one in known)


def _is_default(value: Any) -> bool:
    return isinstance(value, _SCALAR) or value in ({}, [])
