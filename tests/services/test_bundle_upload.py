"""Drafts from an uploaded file: what a folder has to keep to, an archive has to as well."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.models import AuditEntry, PartnerBundle
from app.services import bundle_upload
from app.services.bundle_upload import Uploaded, UploadRefused
from app.services.bundle_versions import BundleRefused
from integrations.partners.manifest import SHIPPED

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
KIND = "mass_installer"


def test_what_is_new_in_a_folder_becomes_drafts_and_the_rest_stays_as_it_is(
    session: Session,
) -> None:
    uploaded = _upload(session, _archive())
    # Version 1 of both documents is in force since the setup.
    assert uploaded.known == ("order out 1", "ack in 1")
    assert uploaded.differing == ()
    (row,) = [session.get_one(PartnerBundle, number) for number in uploaded.drafts]
    assert (row.document, row.version, row.state, row.added_by, row.note) == (
        "order",
        2,
        "DRAFT",
        "staff:aino",
        "adds the fuse",
    )
    told = session.scalars(select(AuditEntry.action).where(AuditEntry.actor == "staff:aino"))
    assert told.all() == ["BUNDLE_ADDED"]
    assert _upload(session, _archive()).drafts == ()


def test_a_known_version_with_another_content_is_named_and_not_kept(session: Session) -> None:
    manifest = json.loads((SHIPPED / KIND / "manifest.json").read_bytes())
    manifest["limits"]["in_flight"] = 7
    uploaded = _upload(session, _archive({"manifest.json": json.dumps(manifest).encode()}))
    assert uploaded.differing == ("order out 1", "ack in 1")
    assert len(uploaded.drafts) == 1


def test_one_mapping_follows_a_version_with_all_else_as_it_is_there(session: Session) -> None:
    base = session.scalars(
        select(PartnerBundle).where(
            PartnerBundle.partner_code == "voima", PartnerBundle.document == "order"
        )
    ).one()
    mapping = {"mapping": 1, "rules": [{"target": "orderId", "source": "order_id"}]}
    uploaded = _upload(session, b"\xef\xbb\xbf" + json.dumps(mapping).encode(), base=base)
    row = session.get_one(PartnerBundle, uploaded.drafts[0])
    assert (row.version, row.kind, row.content["mapping"]) == (2, KIND, mapping)
    assert row.content["codec"] == base.content["codec"]
    with pytest.raises(UploadRefused, match="a single mapping needs a version"):
        _upload(session, json.dumps(mapping).encode())
    bad = {"mapping": 1, "rules": [{"target": "a", "source": "no_such"}, {"target": "b"}]}
    with pytest.raises(UploadRefused) as refused:
        _upload(session, json.dumps(bad).encode(), base=base)
    assert [one.text.split(" ")[0] for one in refused.value.faults] == [
        "MAP_SOURCE_UNKNOWN",
        "MAP_NOTHING_GIVEN",
    ]


def test_everything_that_is_wrong_with_a_folder_is_told_and_nothing_of_it_kept(
    session: Session,
) -> None:
    first = json.loads((SHIPPED / KIND / "order-out-1.json").read_bytes())
    first["rules"][0]["source"] = "no_such"
    with pytest.raises(UploadRefused) as refused:
        _upload(
            session,
            _archive({"order-out-1.json": json.dumps(first).encode(), "order-out-2.json": b"{}"}),
        )
    told = " ".join(one.text for one in refused.value.faults)
    assert "MAP_SOURCE_UNKNOWN" in told
    assert "MAP_FORM" in told
    assert (
        session.scalars(select(PartnerBundle.id).where(PartnerBundle.state == "DRAFT")).all() == []
    )


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"../manifest.json": b"{}"}, "leads out of the folder"),
        ({"/etc/manifest.json": b"{}"}, "leads out of the folder"),
        ({"readme.md": b"x"}, "no manifest.json"),
        ({"big.json": b" " * (1024 * 1024 + 1)}, "too large"),
        ({f"{n}.json": b"{}" for n in range(401)}, "at most 400 files"),
    ],
    ids=["climbs", "absolute", "nothing", "one too large", "too many"],
)
def test_an_archive_that_is_no_bundle_is_refused(
    session: Session, files: Mapping[str, bytes], told: str
) -> None:
    with pytest.raises(UploadRefused, match=told):
        _upload(session, _zip(files))


@pytest.mark.parametrize(
    "body",
    [b"", b"PK\x03\x04nonsense", b"<xml/>", b"[1]", b"\xff\xfe", b"[" * 100_000],
)
def test_nonsense_is_refused_in_words(session: Session, body: bytes) -> None:
    base = session.scalars(select(PartnerBundle).limit(1)).one()
    with pytest.raises(UploadRefused):
        _upload(session, body, base=base)


def test_half_an_archive_and_one_that_lies_about_its_sizes_are_refused(session: Session) -> None:
    whole = _archive()
    with pytest.raises(UploadRefused, match="cannot be read"):
        _upload(session, whole[: len(whole) // 2])
    spoiled = bytearray(whole)
    place = spoiled.index(b"manifest.json") + 200
    spoiled[place : place + 40] = b"\0" * 40
    with pytest.raises(UploadRefused):
        _upload(session, bytes(spoiled))


def test_a_folder_for_files_is_not_for_a_partner_over_rest(session: Session) -> None:
    with pytest.raises(BundleRefused) as refused:
        _upload(session, _archive(kind="regional_contractor"))
    assert refused.value.code == "TRANSPORT_DIFFERS"


def _upload(session: Session, body: bytes, base: PartnerBundle | None = None) -> Uploaded:
    return bundle_upload.add_upload(
        session, "voima", body, by="staff:aino", now=NOW, note="adds the fuse", base=base
    )


def _archive(changed: Mapping[str, bytes] | None = None, kind: str = KIND) -> bytes:
    """A shipped folder as people zip one, with what their computers put beside it."""
    files = {
        f"{kind}/{path.relative_to(SHIPPED / kind)}": path.read_bytes()
        for path in sorted((SHIPPED / kind).rglob("*"))
        if path.is_file()
    }
    files |= {f"{kind}/{name}": body for name, body in (changed or {}).items()}
    return _zip({**files, "__MACOSX/._manifest.json": b"x", f"{kind}/.DS_Store": b"x"})


def _zip(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return made.getvalue()


@pytest.fixture
def session(app: Flask) -> Iterator[Any]:
    """One open transaction."""
    with app.app_context():
        with transaction() as opened:
            yield opened
        db.session.remove()
