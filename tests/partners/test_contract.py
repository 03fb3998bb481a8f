"""The contract of bundles: every folder under integrations/partners is found and put to all of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from lxml import etree

from app.domain.ack_checks import AckType
from app.domain.codes import DEFAULT_METER_MODELS, DEFAULT_ORDER_TYPES, FAILURE_REASONS
from app.domain.findings import has_error
from app.domain.mapping.canonical import Direction, Document
from app.services import bundle_bench, bundle_check
from app.services.bundle_content import (
    CompiledBundle,
    compile_bundle,
    content_of,
    digest_of,
    from_row,
    shipped,
    to_row,
)
from app.services.canonical_order import canonical_order
from app.services.partner_orders import build
from integrations.cis.types import CisWorkOrder
from integrations.partners.manifest import Bundle, CsvCodec, DocumentSpec, JsonCodec

BUNDLES = list(shipped().values())
DOCUMENTS = [(bundle, spec) for bundle in BUNDLES for spec in bundle.manifest.documents]
NAMES = [f"{b.manifest.kind} {s.document} {s.direction} {s.version}" for b, s in DOCUMENTS]
ORDERS = [one for one in DOCUMENTS if (one[1].document, one[1].direction) == ("order", "out")]
# The columns of a table are its schema.
WITH_SCHEMA = [one for one in DOCUMENTS if not isinstance(one[1].codec, CsvCodec)]
INCOMING = [one for one in DOCUMENTS if one[1].direction == "in"]

each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda b: b.manifest.kind)
each_document = pytest.mark.parametrize(("bundle", "spec"), DOCUMENTS, ids=NAMES)
each_order = pytest.mark.parametrize(("bundle", "spec"), ORDERS)
each_incoming = pytest.mark.parametrize(("bundle", "spec"), INCOMING)


def compiled(bundle: Bundle, spec: DocumentSpec) -> CompiledBundle:
    content = content_of(bundle, spec.document, spec.direction, spec.version)
    assert content is not None
    return compile_bundle(content)


def goldens(bundle: Bundle, spec: DocumentSpec) -> Iterator[Path]:
    yield from sorted(bundle_check.golden_folder(bundle, spec).glob("*.in.*"))


def test_the_kinds_that_the_product_promises_are_there() -> None:
    assert set(shipped()) >= {
        "meter_maker",
        "mass_installer",
        "regional_contractor",
        "own_crews",
        "cis_iec",
    }


@each_bundle
def test_the_folder_is_whole_and_its_golden_pairs_hold(bundle: Bundle) -> None:
    _, faults = bundle_check.check_folder(bundle.folder)
    assert faults == []
    assert bundle.folder.name == bundle.manifest.kind


@each_bundle
def test_a_folder_holds_data_and_nothing_that_could_be_run(bundle: Bundle) -> None:
    suffixes = {path.suffix for path in bundle.folder.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".csv", ".xml", ".xsd", ".md"}


@each_bundle
def test_codes_lead_to_codes_that_we_know(bundle: Bundle) -> None:
    ours: dict[str, set[Any]] = {
        "reasons": set(FAILURE_REASONS),
        "events": {str(one) for one in AckType},
        "verbs": {"NEW", "UPDATE", "CANCEL"},
        "models": {model.model for model in DEFAULT_METER_MODELS},
    }
    for name, codes in bundle.codes.items():
        if name in ours:
            assert set(codes.values()) <= ours[name], name
    if "order_types" in bundle.codes:
        assert set(bundle.codes["order_types"]) == {kind.code for kind in DEFAULT_ORDER_TYPES}


@each_bundle
def test_what_a_manifest_says_it_can_is_what_its_documents_do(bundle: Bundle) -> None:
    manifest = bundle.manifest
    kinds = {(spec.document, spec.direction) for spec in manifest.documents}
    able = set(manifest.capabilities)
    assert ("acks" in able) == (("ack", "in") in kinds) == (manifest.acks.by != "none")
    assert ("deliveries" in able) == (("delivery", "in") in kinds)
    assert ("new" in able) == ("order" in {document for document, _ in kinds})
    assert set(manifest.acks.types) <= {str(one) for one in AckType}


@each_document
def test_a_version_is_the_same_after_it_was_a_row(bundle: Bundle, spec: DocumentSpec) -> None:
    content = compiled(bundle, spec).content
    row = json.loads(json.dumps(to_row(content)))
    again = from_row(row)
    assert digest_of(again) == digest_of(content) == compiled(bundle, spec).digest


@each_document
def test_every_rule_gives_its_target_a_value_in_some_golden_pair(
    bundle: Bundle, spec: DocumentSpec
) -> None:
    """A rule that no golden pair shows is a rule that nobody has looked at."""
    outs = list(bundle_check.golden_folder(bundle, spec).glob("*.out.*"))
    if spec.direction == "out" and not isinstance(spec.codec, JsonCodec):
        shown = _columns_with_values(spec, outs)
        wanted = {rule["target"] for rule in bundle.mappings[spec.mapping]["rules"]}
        assert wanted - shown == set()
        return
    texts = [json.loads(path.read_text("utf-8")) for path in outs]
    found = {path for text in texts for path in _paths(text)}
    rules = bundle.mappings[spec.mapping]["rules"]
    missing = {rule["target"] for rule in rules if "source" in rule} - found
    # Our own form, carried over as it is, needs no proof field by field.
    if any(rule.get("convert") == "as_is" for rule in rules):
        return
    allowed = {"site.keyInfo"} if "key_info" not in bundle.manifest.capabilities else set()
    assert missing <= allowed


@each_order
def test_orders_have_golden_pairs_for_each_thing_that_can_be_said(
    bundle: Bundle, spec: DocumentSpec
) -> None:
    said = [
        msgspec.json.decode(path.read_bytes(), type=bundle_check.GoldenOrder)
        for path in goldens(bundle, spec)
    ]
    able = set(bundle.manifest.capabilities)
    assert {one.action.lower() for one in said} == able & {"new", "update", "cancel"}
    assert any(one.order.safety_ban for one in said)


@each_order
@pytest.mark.parametrize(("ban", "keys"), [*product((False, True), (False, True))])
def test_req_31_no_bundle_can_tell_what_its_partner_may_not_know(
    bundle: Bundle, spec: DocumentSpec, ban: bool, keys: bool
) -> None:
    order = msgspec.structs.replace(ORDER, safety_ban=ban)
    source = canonical_order(order, "NEW", sees_key_info=keys, partner_key="k", mass=None)
    made = msgspec.json.encode(build(compiled(bundle, spec), source, "x").payload).decode()
    for secret in ("Aino", "358401234567", "aino@example"):
        assert secret not in made or not ban
    assert "Avain" not in made or keys
    gone = canonical_order(order, "CANCEL", sees_key_info=keys, partner_key="k", mass=None)
    told = msgspec.json.encode(build(compiled(bundle, spec), gone, "x").payload).decode()
    for secret in ("Aino", "358401234567", "Koivutie", "Avain"):
        assert secret not in told


@each_order
def test_the_least_that_an_order_can_be_is_sent_all_the_same(
    bundle: Bundle, spec: DocumentSpec
) -> None:
    least = CisWorkOrder(
        order_id="A-1",
        revision=1,
        action="NEW",
        order_type_code="MVM",
        gsrn="649999000000000013",
    )
    source = canonical_order(least, "NEW", sees_key_info=False, partner_key="k", mass=None)
    made = build(compiled(bundle, spec), source, "A-1-1")
    assert made.findings == ()
    assert build(compiled(bundle, spec), source, "A-1-1").payload == made.payload


@each_incoming
@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"{", b"[]", b"<a/>", b"\xff\xfe", b"x" * 100_000, b'{"a":' * 2000, b";;;\n;;\n"],
    ids=["empty", "nul", "half", "list", "root", "utf-16", "long", "deep", "cells"],
)
def test_nonsense_from_a_partner_is_a_finding_and_never_an_error(
    bundle: Bundle, spec: DocumentSpec, body: bytes
) -> None:
    for trial in bundle_bench.try_incoming(compiled(bundle, spec), body):
        assert trial.findings
        assert trial.outgoing is None


@each_incoming
def test_half_of_a_golden_file_is_taken_in_part_or_refused(
    bundle: Bundle, spec: DocumentSpec
) -> None:
    """A file that broke off: whatever is taken of it is as it is in the whole file."""
    for path in goldens(bundle, spec):
        whole = path.read_bytes()
        good = [t.canonical for t in bundle_bench.try_incoming(compiled(bundle, spec), whole)]
        for cut in range(0, len(whole), max(len(whole) // 40, 1)):
            for trial in bundle_bench.try_incoming(compiled(bundle, spec), whole[:cut]):
                if not trial.findings and spec.document == Document.DELIVERY:
                    assert trial.canonical in good


@each_incoming
def test_some_golden_pair_is_good_and_some_is_not(bundle: Bundle, spec: DocumentSpec) -> None:
    trials = [
        trial
        for path in goldens(bundle, spec)
        for trial in bundle_bench.try_incoming(compiled(bundle, spec), path.read_bytes())
    ]
    assert any(not trial.findings for trial in trials)
    assert any(trial.findings for trial in trials)


@pytest.mark.parametrize(("bundle", "spec"), WITH_SCHEMA)
def test_each_document_but_a_table_has_a_schema_that_its_good_golden_files_keep_to(
    bundle: Bundle, spec: DocumentSpec
) -> None:
    check = schema_of(bundle, spec)
    side = "in" if spec.direction == Direction.IN else "out"
    kept = []
    for path in sorted(bundle_check.golden_folder(bundle, spec).glob(f"*.{side}.*")):
        told = path.read_bytes()
        if b"<!DOCTYPE" not in told:
            kept.append(check(told))
            assert kept[-1] or _is_faulty(bundle, spec, told), path.name
    assert any(kept)


@pytest.mark.parametrize(
    ("bundle", "spec"), [one for one in WITH_SCHEMA if isinstance(one[1].codec, JsonCodec)]
)
def test_a_schema_has_the_fields_that_are_mapped_and_no_others(
    bundle: Bundle, spec: DocumentSpec
) -> None:
    schema = json.loads((bundle.folder / "schema" / str(spec.schema)).read_bytes())
    side = "target" if spec.direction == Direction.OUT else "source"
    mapped = {str(rule[side]) for rule in bundle.mappings[spec.mapping]["rules"]}
    # An empty object that others fill is none of its own.
    mapped = {one for one in mapped if not any(name.startswith(f"{one}.") for name in mapped)}
    assert set(_schema_leaves(schema)) == mapped


def _is_faulty(bundle: Bundle, spec: DocumentSpec, told: bytes) -> bool:
    """Whether we find a fault in a file of theirs as well."""
    return spec.direction == Direction.IN and any(
        has_error(trial.findings)
        for trial in bundle_bench.try_incoming(compiled(bundle, spec), told)
    )


def schema_of(bundle: Bundle, spec: DocumentSpec) -> Callable[[bytes], bool]:
    path = bundle.folder / "schema" / str(spec.schema)
    if path.suffix == ".xsd":
        told = etree.XMLSchema(etree.parse(path))
        return lambda body: bool(told.validate(etree.fromstring(body)))
    rules = json.loads(path.read_bytes())
    Draft202012Validator.check_schema(rules)
    checker = Draft202012Validator(rules)
    return lambda body: checker.is_valid(json.loads(body))


def _schema_leaves(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for choice in schema.get("anyOf", [schema]):
        if "properties" not in choice:
            continue
        for name, one in choice["properties"].items():
            inner = f"{path}.{name}" if path else name
            yield from _schema_leaves(one, inner) if _is_object(one) else [inner]


def _is_object(schema: dict[str, Any]) -> bool:
    return any("properties" in choice for choice in schema.get("anyOf", [schema]))


ORDER = CisWorkOrder(
    order_id="MVY-1",
    revision=1,
    action="NEW",
    order_type_code="MVY",
    gsrn="649999000000000013",
    street_name="Koivutie",
    key_info="Avain 12",
    customer_id="C-1",
    customer_name="Aino Virtanen",
    phone="+358401234567",
    email="aino@example.fi",
    language="fi",
)


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name == "canonical" and not path:
                yield from _paths(one)
                continue
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from _paths(one, inner)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            inner = f"{path}[{number}]" if path else ""
            yield from _paths(one, inner)


def _columns_with_values(spec: DocumentSpec, outs: list[Path]) -> set[str]:
    codec = spec.codec
    found: set[str] = set()
    for path in outs:
        text = path.read_bytes().decode(codec.encoding)  # type: ignore[union-attr] # CSV has one.
        for row in csv.DictReader(text.splitlines(), delimiter=codec.delimiter):  # type: ignore[union-attr]
            found |= {name for name, value in row.items() if value}
    return found
