"""Partners' bundles: the version in force of each document travels, and arrives as a draft.

Partners themselves and their addresses belong to the place. A version that is in force here and not
in the file stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.environment_diff import Change, Standing, compare
from app.domain.mapping.vocabulary import MappingInvalid
from app.domain.states import BundleState
from app.models.partner import Partner
from app.models.partner_bundle import PartnerBundle
from app.services import bundle_versions
from app.services.bundle_content import Content, compile_bundle, digest_of, from_row, to_row
from app.services.bundle_versions import BundleRefused
from app.services.environments.kind import Act, ImportBlocked, Records
from app.settings import Settings
from integrations.partners.manifest import BundleUnreadable


class Bundles:
    """One record for each document of a partner, named `partner document direction`."""

    name = "bundles"

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        rows = session.execute(
            select(PartnerBundle)
            .where(
                PartnerBundle.state == BundleState.ACTIVE, PartnerBundle.valid_from <= func.now()
            )
            .order_by(PartnerBundle.valid_from, PartnerBundle.id)
        ).scalars()
        # Of several that have begun the latest counts.
        return {_key(row): _as_kept(row.content) for row in rows}

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        here = self.read(session)
        partners = set(session.execute(select(Partner.code)).scalars())
        changes = []
        for key in sorted(wanted):
            before, after = here.get(key), wanted[key]
            content = _content(key, after)
            standing: Standing = Standing.BLOCKED
            reason: str | None = "CONTENT_INVALID"
            if content is not None:
                after = to_row(content)
                standing, reason = self._standing(session, key, content, partners)
            change = compare(self.name, key, before, after, standing=standing, reason=reason)
            if change is not None:
                changes.append(change)
        return changes

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        for change in due:
            content = _content(change.key, wanted[change.key])
            if content is None:
                raise ImportBlocked(self.name, change.key, "CONTENT_INVALID")
            try:
                partner = change.key.split(" ")[0]
                bundle_versions.add(session, partner, content, by=act.brought_by, now=act.now)
            except BundleRefused as refused:
                raise ImportBlocked(self.name, change.key, refused.code) from None

    def _standing(
        self, session: Session, key: str, content: Content, partners: set[str]
    ) -> tuple[Standing, str | None]:
        partner = key.split(" ", maxsplit=1)[0]
        if partner not in partners:
            return Standing.BLOCKED, "PARTNER_UNKNOWN"
        digest = session.execute(
            select(PartnerBundle.digest).where(
                PartnerBundle.partner_code == partner,
                PartnerBundle.document == content.document,
                PartnerBundle.direction == content.direction,
                PartnerBundle.version == content.version,
            )
        ).scalar_one_or_none()
        if digest is None:
            return Standing.DUE, None
        if digest == digest_of(content):
            return Standing.WAITS, None
        return Standing.BLOCKED, "VERSION_TAKEN"


def _as_kept(content: dict[str, Any]) -> dict[str, Any]:
    """A version as this program writes it; one that it cannot run as whoever wrote it did."""
    try:
        return to_row(from_row(content))
    except BundleUnreadable:
        return content


def _key(row: PartnerBundle) -> str:
    return f"{row.partner_code} {row.document} {row.direction}"


def _content(key: str, record: Mapping[str, Any]) -> Content | None:
    """What a record holds, if it can run here and is what its key says."""
    try:
        content = from_row(record)
        compile_bundle(content)
    except (BundleUnreadable, MappingInvalid, TypeError, ValueError):
        return None
    return content if key.split(" ")[1:] == [content.document, content.direction] else None
