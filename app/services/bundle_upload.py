"""Drafts of bundles from a file that somebody uploads: a folder as a ZIP archive, or one mapping.

What a folder has to keep to, an archive has to as well; nothing of it is run, and nothing of it stays
on our disk. Promise: a file that cannot be taken is told everything that is wrong with it.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.mapping.vocabulary import MappingInvalid
from app.models.partner_bundle import PartnerBundle
from app.services import bundle_check, bundle_versions
from app.services.bundle_check import CheckFault
from app.services.bundle_content import (
    Content,
    compile_bundle,
    content_of,
    digest_of,
    from_row,
)
from integrations.partners.manifest import MANIFEST, Bundle

# As much as any form of ours may hold, with room for its fields.
UPLOAD_MOST_BYTES = 960 * 1024
_FILES_MOST = 400
_FILE_MOST_BYTES = 1024 * 1024
_ALL_MOST_BYTES = 32 * 1024 * 1024
_SUFFIXES = frozenset({".json", ".csv", ".xml", ".xsd", ".md", ".txt"})
_ZIP = b"PK\x03\x04"
# What the archive's reader says of what is broken, encrypted or of a kind that it does not know.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
)


class UploadRefused(Exception):
    """A file of which nothing was kept; faults say why."""

    def __init__(self, *faults: CheckFault) -> None:
        super().__init__("; ".join(f"{one.place}: {one.text}" for one in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The drafts that came of a file, and the versions in it that were there already.

    differing: those of them whose content is another one; nothing of that was kept.
    """

    drafts: tuple[int, ...]
    known: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def add_upload(
    session: Session,
    partner_code: str,
    body: bytes,
    *,
    by: str,
    now: datetime,
    note: str | None,
    base: PartnerBundle | None = None,
) -> Uploaded:
    """Keep what is new in a file as drafts.

    base: the version that a single mapping is to follow; it gives codec, codes, transport and limits.
    Raises: UploadRefused, BundleRefused.
    """
    if body.startswith(_ZIP):
        return _add_folder(session, partner_code, body, by=by, now=now, note=note)
    if base is None:
        text = "a ZIP archive of a bundle's folder; a single mapping needs a version to follow"
        raise UploadRefused(CheckFault("file", text))
    content = msgspec.structs.replace(
        from_row(base.content), mapping=_mapping(body), version=_next_version(session, base)
    )
    _compile(content)
    faults = [CheckFault("mapping", told) for told in bundle_check.check_life(content)]
    if faults:
        raise UploadRefused(*faults)
    row = bundle_versions.add(session, partner_code, content, by=by, now=now, note=note)
    return Uploaded((row.id,))


def _add_folder(
    session: Session, partner_code: str, body: bytes, *, by: str, now: datetime, note: str | None
) -> Uploaded:
    with tempfile.TemporaryDirectory(prefix="bundle-") as place:
        bundle, faults = bundle_check.check_folder(_unpack(body, Path(place)))
    if bundle is None or faults:
        raise UploadRefused(*faults)
    bundle_versions.lock(session, partner_code)
    drafts: list[int] = []
    known: list[str] = []
    differing: list[str] = []
    for content in _contents(bundle):
        bundle_versions.check_partner(session, partner_code, content)
        name = f"{content.document} {content.direction} {content.version}"
        there = session.execute(
            select(PartnerBundle.digest).where(
                PartnerBundle.partner_code == partner_code,
                PartnerBundle.document == content.document,
                PartnerBundle.direction == content.direction,
                PartnerBundle.version == content.version,
            )
        ).scalar_one_or_none()
        if there is None:
            row = bundle_versions.add(session, partner_code, content, by=by, now=now, note=note)
            drafts.append(row.id)
        else:
            (known if there == digest_of(content) else differing).append(name)
    return Uploaded(tuple(drafts), tuple(known), tuple(differing))


def _contents(bundle: Bundle) -> Iterator[Content]:
    for spec in bundle.manifest.documents:
        content = content_of(bundle, spec.document, spec.direction, spec.version)
        if content is not None:
            yield content


def _compile(content: Content) -> None:
    """Raises: UploadRefused, with all that is wrong with the mapping."""
    try:
        compile_bundle(content)
    except MappingInvalid as error:
        told = (CheckFault("mapping", fault.sentence()) for fault in error.faults)
        raise UploadRefused(*told) from None


def _next_version(session: Session, base: PartnerBundle) -> int:
    """Behind all that there are; two people at once come one after the other."""
    bundle_versions.lock(session, base.partner_code)
    newest = select(func.max(PartnerBundle.version)).where(
        PartnerBundle.partner_code == base.partner_code,
        PartnerBundle.document == base.document,
        PartnerBundle.direction == base.direction,
    )
    return int(session.execute(newest).scalar_one()) + 1


def _mapping(body: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        text = "neither a ZIP archive of a bundle's folder nor a mapping, which is a JSON object"
        raise UploadRefused(CheckFault("file", text))
    return found


def _unpack(body: bytes, place: Path) -> Path:
    """Write the archive's files into a folder of ours, under their plain names only.

    Names lead nowhere else, what an archive claims of sizes is not believed, and links are not
    followed, since none is made. Raises: UploadRefused.
    """
    left = _ALL_MOST_BYTES
    try:
        with zipfile.ZipFile(BytesIO(body)) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir()]
            if len(entries) > _FILES_MOST:
                raise UploadRefused(CheckFault("file", f"at most {_FILES_MOST} files are taken"))
            for entry in entries:
                path = _inside(entry.filename)
                if path is None:
                    continue
                with archive.open(entry) as source:
                    data = source.read(_FILE_MOST_BYTES + 1)
                left -= len(data)
                if len(data) > _FILE_MOST_BYTES or left < 0:
                    raise UploadRefused(CheckFault(entry.filename[:80], "is too large"))
                target = place / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
    except _UNREADABLE:
        raise UploadRefused(CheckFault("file", "the archive cannot be read")) from None
    manifests = sorted(place.rglob(MANIFEST), key=lambda path: len(path.parts))
    if not manifests:
        raise UploadRefused(CheckFault("file", f"there is no {MANIFEST} in the archive"))
    return manifests[0].parent


def _inside(name: str) -> PurePosixPath | None:
    """Where in our folder a file belongs; None for what no bundle has. Raises: UploadRefused."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or any("\0" in part for part in path.parts):
        raise UploadRefused(CheckFault(name[:80], "a name that leads out of the folder"))
    if any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return None
    return path if path.suffix.lower() in _SUFFIXES else None
