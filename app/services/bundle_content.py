"""One document of a bundle as it is kept and run: content, digest, compiled mapping.

What a row of a bundle version holds is complete and never changes: folders are only where it came
from. So what runs today is what was looked at when it was activated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from app.domain.mapping.canonical import Direction, Document, fields_of
from app.domain.mapping.compiled import CompiledMapping
from app.domain.mapping.document import parse_mapping
from app.domain.mapping.vocabulary import MapCode, MapFault, MappingInvalid
from integrations.partners.codecs import encode
from integrations.partners.manifest import (
    AckProfile,
    Bundle,
    BundleUnreadable,
    Codec,
    CsvCodec,
    JsonCodec,
    Limits,
    Rest,
    Sftp,
    read_bundle,
    shipped_folders,
)

# Compiled ones of all partners and of the versions that were in force before them.
_KEPT_COUNT = 128


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one document of a bundle, as it is stored in the row."""

    kind: str
    document: str
    direction: str
    version: int
    transport: Rest | Sftp
    limits: Limits
    capabilities: list[str]
    acks: AckProfile
    codec: Codec
    mapping: dict[str, Any]
    codes: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CompiledBundle:
    """A document of a bundle, ready to run; name as `mass_installer order out 1`."""

    content: Content
    digest: str
    mapping: CompiledMapping

    @property
    def name(self) -> str:
        """What tells it apart for a person."""
        c = self.content
        return f"{c.kind} {c.document} {c.direction} {c.version}"

    @property
    def is_file(self) -> bool:
        """Whether it travels as a file and not as a request."""
        return isinstance(self.content.transport, Sftp)


def content_of(bundle: Bundle, document: str, direction: str, version: int) -> Content | None:
    """One document of a folder; None when it has no such document."""
    spec = bundle.find(document, direction, version)
    if spec is None:
        return None
    manifest = bundle.manifest
    return Content(
        kind=manifest.kind,
        document=spec.document,
        direction=spec.direction,
        version=spec.version,
        transport=manifest.transport,
        limits=manifest.limits,
        capabilities=[str(one) for one in manifest.capabilities],
        acks=manifest.acks,
        codec=spec.codec,
        mapping=bundle.mappings[spec.mapping],
        codes=bundle.codes,
    )


def to_row(content: Content) -> dict[str, Any]:
    """The content as JSON values."""
    found: dict[str, Any] = msgspec.to_builtins(content)
    return found


def from_row(row: Mapping[str, Any]) -> Content:
    """Raises: BundleUnreadable (a later version wrote it)."""
    try:
        return msgspec.convert(row, Content)
    except msgspec.ValidationError as error:
        raise BundleUnreadable(str(error)) from None


def digest_of(content: Content) -> str:
    """SHA-256 of the content, whatever the order of its words in files and rows.

    But for the rules: their order is the order in which they count.
    """
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def compile_bundle(content: Content) -> CompiledBundle:
    """Check and compile; the same content is compiled once per process.

    Raises: MappingInvalid.
    """
    return _compiled(msgspec.json.encode(content, order="sorted"))


@lru_cache(maxsize=_KEPT_COUNT)
def _compiled(encoded: bytes) -> CompiledBundle:
    content = msgspec.json.decode(encoded, type=Content)
    direction = Direction(content.direction)
    ours = fields_of(Document(content.document), direction)
    if ours is None:
        text = f"nobody exchanges {content.document} {content.direction}"
        raise MappingInvalid((MapFault(MapCode.MAP_FORM, "/", text),))
    rules = parse_mapping(
        content.mapping,
        content.codes,
        sources=ours if direction is Direction.OUT else None,
        targets=ours if direction is Direction.IN else None,
    )
    if direction is Direction.OUT and isinstance(content.codec, CsvCodec):
        faults = tuple(
            MapFault(MapCode.MAP_TARGET_UNKNOWN, f"/rules/{number}", f"no column {rule.target}")
            for number, rule in enumerate(rules.rules)
            if rule.target not in content.codec.columns
        )
        if faults:
            raise MappingInvalid(faults)
    return CompiledBundle(content, hashlib.sha256(encoded).hexdigest(), CompiledMapping(rules))


def file_payload(bundle: CompiledBundle, key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapped document as the file that will lie in the partner's folder, byte for byte.

    Raises: ValueError (the mapping left a value that the codec cannot write).
    """
    codec = bundle.content.codec
    encoding = codec.encoding if isinstance(codec, CsvCodec) else "utf-8"
    text = encode(codec, value).decode(encoding)
    suffix = (
        "csv" if isinstance(codec, CsvCodec) else "json" if isinstance(codec, JsonCodec) else "xml"
    )
    return {"name": f"{key}.{suffix}", "text": text, "encoding": encoding}


@lru_cache(maxsize=1)
def shipped() -> dict[str, Bundle]:
    """The bundles that come with the product, by kind; read once."""
    return {bundle.manifest.kind: bundle for bundle in map(read_bundle, shipped_folders())}


def shipped_content(kind: str, document: str, direction: str, version: int = 1) -> Content:
    """One document of a shipped bundle. Raises: LookupError."""
    found = content_of(shipped()[kind], document, direction, version)
    if found is None:
        raise LookupError(f"{kind} has no {document} {direction} {version}")
    return found
