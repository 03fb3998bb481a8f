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

from app.domain.mapping.canonical import Direction
from app.domain.mapping.vocabulary import MappingInvalid
from app.services import bundle_bench
from app.services.bundle_content import CompiledBundle, compile_bundle, content_of, file_payload
from app.services.canonical_order import canonical_order
from app.services.slices import MassContext
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import Action
from integrations.partners.manifest import Bundle, BundleUnreadable, DocumentSpec, read_bundle

GOLDEN_KEY = "golden"


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
    faults: list[CheckFault] = []
    for spec in bundle.manifest.documents:
        faults += _check_document(bundle, spec)
    return bundle, faults


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
