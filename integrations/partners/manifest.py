"""A bundle's manifest: what one kind of partner takes and gives, by which way, within which limits.

A bundle is a folder of data. Nothing in it is run, so it may come from outside the release.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SHIPPED = Path(__file__).parent
MANIFEST = "manifest.json"
FORMAT = 1
_FILE_MOST_BYTES = 1024 * 1024

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Folder = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Encoding = Literal["utf-8", "utf-8-sig", "iso-8859-1", "cp1252"]
Capability = Literal["new", "update", "cancel", "mass", "acks", "deliveries", "photos", "key_info"]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word that is not known is a slip of somebody's finger, and may not be passed over."""


class JsonCodec(_Strict, frozen=True, kw_only=True, tag_field="format", tag="json"):
    """One JSON object per message."""


class CsvCodec(_Strict, frozen=True, kw_only=True, tag_field="format", tag="csv"):
    """A heading and one record per row; an empty field holds nothing."""

    columns: Annotated[list[str], Meta(min_length=1, max_length=200)]
    delimiter: Literal[";", ",", "\t", "|"] = ";"
    encoding: Encoding = "utf-8"


class XmlCodec(_Strict, frozen=True, kw_only=True, tag_field="format", tag="xml"):
    """Elements of the name `record`, wherever they are; what stands beside them is under `head`."""

    root: str
    record: str
    namespace: str = ""
    # Between the root and the records, when we write.
    around: list[str] = []


Codec = JsonCodec | CsvCodec | XmlCodec


class DocumentSpec(_Strict, frozen=True, kw_only=True):
    """One document in one direction in one version."""

    document: Literal["order", "ack", "delivery"]
    direction: Literal["out", "in"]
    version: Annotated[int, Meta(ge=1, le=9999)]
    codec: Codec
    mapping: FileName
    # A JSON Schema or an XSD for the partner's programmers; a CSV's columns are its schema.
    schema: FileName | None = None
    about: str = ""


class Rest(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="rest"):
    """Orders by POST to the partner, acknowledgements by POST to us."""


class Sftp(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="sftp"):
    """Files in folders of the partner's server."""

    orders: Folder = "orders"
    inbox: Folder = "acks"
    processing: Folder = "processing"
    archive: Folder = "archive"
    quarantine: Folder = "quarantine"
    rejects: Folder = "rejects"

    def __post_init__(self) -> None:
        """A folder that is two things at once: we would take our own orders for their reports."""
        folders = [getattr(self, name) for name in self.__struct_fields__]
        twice = sorted({name for name in folders if folders.count(name) > 1})
        if twice:
            raise ValueError(f"each folder has one use, {', '.join(twice)} has several")


class Limits(_Strict, frozen=True, kw_only=True):
    """What the partner can stand; None: no limit but our own.

    in_flight and per_s are what its lane begins with; then the lane's own bounds count.
    """

    in_flight: Annotated[int, Meta(ge=1, le=2000)] | None = None
    per_s: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    file_max_bytes: Annotated[int, Meta(ge=1024, le=512 * 1024 * 1024)] = 8 * 1024 * 1024
    rows_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000


class AckProfile(_Strict, frozen=True, kw_only=True):
    """How the partner reports: by which way, which types, and when silence is a trouble."""

    by: Literal["api", "file", "none"]
    types: list[str] = []
    expected_within_h: Annotated[float, Meta(gt=0, le=8760)] | None = None


class Manifest(_Strict, frozen=True, kw_only=True):
    """One kind of partner."""

    manifest: Literal[1]
    kind: Name
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    about: str = ""
    transport: Rest | Sftp
    capabilities: list[Capability] = []
    limits: Limits = Limits()
    acks: AckProfile
    codes: FileName | None = None
    documents: Annotated[list[DocumentSpec], Meta(min_length=1, max_length=50)]


class BundleUnreadable(Exception):
    """A folder that is no bundle; the text names the file and the field."""


class Bundle(msgspec.Struct, frozen=True):
    """A folder's content: the manifest, the mappings by file name, and the code lists."""

    folder: Path
    manifest: Manifest
    mappings: dict[str, Any]
    codes: dict[str, dict[str, Any]]

    def find(self, document: str, direction: str, version: int) -> DocumentSpec | None:
        """One document of it."""
        return next(
            (
                spec
                for spec in self.manifest.documents
                if (spec.document, spec.direction, spec.version) == (document, direction, version)
            ),
            None,
        )


def read_bundle(folder: Path) -> Bundle:
    """Read one bundle; whether its mappings may be used is for their reader to say.

    Raises: BundleUnreadable.
    """
    manifest = _decode(folder / MANIFEST, Manifest)
    seen: set[tuple[str, str, int]] = set()
    for spec in manifest.documents:
        key = (spec.document, spec.direction, spec.version)
        if key in seen:
            raise BundleUnreadable(f"{folder.name}: {spec.mapping}: {key} is given twice")
        seen.add(key)
        if spec.schema is not None and not (folder / "schema" / spec.schema).is_file():
            raise BundleUnreadable(f"{folder.name}: schema/{spec.schema} is not there")
    mappings = {spec.mapping: _decode(folder / spec.mapping, dict) for spec in manifest.documents}
    codes: dict[str, dict[str, Any]] = {}
    if manifest.codes is not None:
        codes = _decode(folder / manifest.codes, dict[str, dict[str, str | int | float | bool]])
    return Bundle(folder, manifest, mappings, codes)


def shipped_folders() -> Iterator[Path]:
    """The folders of all kinds that come with the product, in the order of their names."""
    for path in sorted(SHIPPED.iterdir()):
        if (path / MANIFEST).is_file():
            yield path


def _decode(path: Path, kind: Any) -> Any:
    try:
        if path.is_symlink() or path.stat().st_size > _FILE_MOST_BYTES:
            raise BundleUnreadable(f"{path.name}: a link, or larger than a mebibyte")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BundleUnreadable(f"{path.name}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BundleUnreadable(f"{path.name}: {error}") from None
