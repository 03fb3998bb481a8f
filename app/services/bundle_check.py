"""Checking a bundle's folder before anybody may use it: its mappings and its golden pairs.

Golden pairs lie in `golden/<document>-<direction>-<version>/`: `NAME.in.json` is an order as it is
stored, `NAME.out.<suffix>` what leaves for the partner; or `NAME.in.<suffix>` is a file of theirs
and `NAME.out.json` what we read in it. The same check is behind the command and the test suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from app.domain.mapping.canonical import CANCELLATION, Direction
from app.domain.mapping.paths import general
from app.domain.mapping.vocabulary import MappingInvalid
from app.services import bundle_bench
from app.services.bundle_content import (
    CompiledBundle,
    Content,
    compile_bundle,
    content_of,
    file_payload,
)
from app.services.canonical_order import canonical_order
from app.services.slices import MassContext
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import Action
from integrations.partners.manifest import Bundle, BundleUnreadable, DocumentSpec, read_bundle

GOLDEN_KEY = "golden"
_LIFE = frozenset({"new", "update", "cancel"})
_VERBS = frozenset({"NEW", "UPDATE", "CANCEL"})


@dataclass(frozen=True, slots=True)
class CheckFault:
    """One thing that is wrong with a folder: in which document or file, and what."""

    place: str
    text: str


class GoldenOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source of a golden pair for orders: our stored order and what we are telling of it."""

    order: CisWorkOrder
    action: Action = "NEW"
    sees_key_info: bool = False
    mass_order_id: str | None = None
    wave: str | None = None
    allowed_models: list[str] = []


def check_folder(folder: Path) -> tuple[Bundle | None, list[CheckFault]]:
    """The bundle, if the folder is one, and everything that is wrong with it."""
    try:
        bundle = read_bundle(folder)
    except BundleUnreadable as error:
        return None, [CheckFault(folder.name, str(error))]
    faults = list(_check_promises(bundle))
    for spec in bundle.manifest.documents:
        faults += _check_document(bundle, spec)
    return bundle, faults


def check_life(content: Content) -> Iterator[str]:
    """Whether a form of orders can say all that becomes of one: that it is new, changed, called off.

    A version that cannot would leave a partner with half a message, or with an order that is no more.
    """
    if (content.document, content.direction) != ("order", "out"):
        return
    for number, rule in enumerate(content.mapping["rules"]):
        source = rule.get("source")
        if source == "action" and rule.get("convert") == "code":
            missing = sorted(_VERBS - content.codes.get(rule["codes"], {}).keys())
            if missing:
                yield f"/rules/{number}: the code list {rule['codes']} lacks {', '.join(missing)}"
        needs = rule.get("required") and "default" not in rule and not rule.get("when")
        if needs and general(str(source)).split("[")[0] not in CANCELLATION:
            yield (
                f"/rules/{number}: {source} is required and not in a cancellation;"
                " say when it counts"
            )


def golden_folder(bundle: Bundle, spec: DocumentSpec) -> Path:
    """Where the golden pairs of one document lie."""
    return bundle.folder / "golden" / f"{spec.document}-{spec.direction}-{spec.version}"


def make(compiled: CompiledBundle, body: bytes) -> bytes:
    """What a golden `in` has as its `out`; also how one is made. Raises: ValueError."""
    if compiled.content.direction == Direction.OUT:
        return _make_order(compiled, body)
    return (
        msgspec.json.format(msgspec.json.encode(_read_incoming(compiled, body)), indent=2)
    ) + b"\n"


def _check_promises(bundle: Bundle) -> Iterator[CheckFault]:
    """Whether what the manifest says of the partner agrees with its documents."""
    manifest = bundle.manifest
    told = {(spec.document, spec.direction) for spec in manifest.documents}
    able = set(manifest.capabilities)
    if any(document == "order" for document, _ in told):
        # An order has a life: whoever takes new ones has to take what becomes of them.
        for word in sorted(_LIFE - able):
            yield CheckFault("capabilities", f"orders are new, changed and cancelled: add {word}")
    reports = manifest.acks.by != "none"
    for word, is_true, why in (
        ("acks", reports, f'acks says "by": "{manifest.acks.by}"'),
        ("deliveries", ("delivery", "in") in told, "see documents"),
    ):
        if (word in able) != is_true:
            what = "is missing" if is_true else "is not true"
            yield CheckFault("capabilities", f"{word} {what}, {why}")
    if "key_info" in able and not _reads_key_info(bundle):
        yield CheckFault("capabilities", "key_info is not true, no mapping of orders reads it")
    if reports != (("ack", "in") in told):
        yield CheckFault("acks", f'"by": "{manifest.acks.by}" does not go with the documents')
    if reports and not manifest.acks.types:
        yield CheckFault("acks", "types: name the kinds of reports that they send")
    for spec in manifest.documents:
        if (spec.document, spec.direction) == ("ack", "in"):
            strange = sorted(_types_of(bundle, spec) - set(manifest.acks.types))
            if strange:
                yield CheckFault(
                    "acks", f"types: {spec.mapping} makes {', '.join(strange)} as well"
                )


def _reads_key_info(bundle: Bundle) -> bool:
    return any(
        rule.get("source") == "key_info"
        for spec in bundle.manifest.documents
        if (spec.document, spec.direction) == ("order", "out")
        for rule in _rules(bundle, spec)
    )


def _types_of(bundle: Bundle, spec: DocumentSpec) -> set[str]:
    """The kinds of reports that a mapping can make, as far as its code lists name them."""
    return {
        str(ours)
        for rule in _rules(bundle, spec)
        if rule.get("target") == "type" and rule.get("convert") == "code"
        for ours in bundle.codes.get(str(rule.get("codes")), {}).values()
    }


def _rules(bundle: Bundle, spec: DocumentSpec) -> list[dict[str, Any]]:
    rules = bundle.mappings[spec.mapping].get("rules")
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def _check_document(bundle: Bundle, spec: DocumentSpec) -> Iterator[CheckFault]:
    place = f"{spec.document} {spec.direction} {spec.version}"
    content = content_of(bundle, spec.document, spec.direction, spec.version)
    assert content is not None  # noqa: S101 - the spec is one of its own.
    try:
        compiled = compile_bundle(content)
    except MappingInvalid as error:
        for fault in error.faults:
            yield CheckFault(f"{place}: {spec.mapping}", fault.sentence())
        return
    for told in check_life(content):
        yield CheckFault(f"{place}: {spec.mapping}", told)
    folder = golden_folder(bundle, spec)
    sources = sorted(folder.glob("*.in.*")) if folder.is_dir() else []
    if not sources:
        yield CheckFault(place, f"there are no golden pairs in {folder.relative_to(bundle.folder)}")
    for source in sources:
        name = source.name.split(".in.")[0]
        outs = sorted(folder.glob(f"{name}.out.*"))
        if len(outs) != 1:
            yield CheckFault(f"{place}: {source.name}", f"needs exactly one {name}.out.…")
            continue
        try:
            made = make(compiled, source.read_bytes())
        except ValueError as error:
            yield CheckFault(f"{place}: {source.name}", str(error))
            continue
        if made != outs[0].read_bytes():
            line = _first_difference(made, outs[0].read_bytes())
            yield CheckFault(f"{place}: {outs[0].name}", f"differs from what is made, line {line}")


def _make_order(compiled: CompiledBundle, body: bytes) -> bytes:
    given = msgspec.json.decode(body, type=GoldenOrder)
    mass = None
    if given.mass_order_id is not None:
        models = frozenset(given.allowed_models)
        mass = MassContext(given.mass_order_id, given.wave, models)
    source = canonical_order(
        given.order,
        given.action,
        sees_key_info=given.sees_key_info,
        partner_key=GOLDEN_KEY,
        mass=mass,
    )
    mapped = compiled.mapping.run(source)
    if mapped.findings:
        told = "; ".join(f"{f.code} {f.path}" for f in mapped.findings)
        raise ValueError(f"the order cannot be mapped: {told}")
    if not compiled.is_file:
        return msgspec.json.format(msgspec.json.encode(mapped.value), indent=2) + b"\n"
    payload = file_payload(compiled, "golden", mapped.value)
    return str(payload["text"]).encode(str(payload["encoding"]))


def _read_incoming(compiled: CompiledBundle, body: bytes) -> list[dict[str, Any]]:
    return [
        {
            "canonical": trial.canonical,
            "findings": [
                {"code": str(f.code), "path": f.path, "text": f.text} for f in trial.findings
            ],
            "unread": list(trial.unread),
        }
        for trial in bundle_bench.try_incoming(compiled, body)
    ]


def _first_difference(made: bytes, given: bytes) -> int:
    pairs = zip(made.splitlines(), given.splitlines(), strict=False)
    for number, (one, other) in enumerate(pairs, start=1):
        if one != other:
            return number
    return min(made.count(b"\n"), given.count(b"\n")) + 1
