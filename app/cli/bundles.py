"""`flask bundles …`: which form each partner gets and gives, and bringing another one into force."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from app.cli.persons import BY, PASSWORD_STDIN, actor_of, machine_account
from app.db import db, transaction
from app.domain.mapping.vocabulary import MappingInvalid
from app.models.partner_bundle import PartnerBundle
from app.queries import bundle_list
from app.services import (
    bundle_activation,
    bundle_check,
    bundle_drift,
    bundle_limits,
    bundle_versions,
)
from app.services.bundle_content import compile_bundle, content_of, shipped
from app.services.bundle_versions import BundleRefused
from integrations.partners.manifest import SHIPPED, BundleUnreadable

_WHY = {
    "PARTNER_UNKNOWN": "there is no such partner; see: flask partners list",
    "TRANSPORT_DIFFERS": "the bundle's transport is not the partner's",
    "FOLDER_TAKEN": "another document of this partner comes in the same folders; give it its own",
    "VERSION_TAKEN": "this version is there already with another content; give it a new number",
    "WRONG_STATE": "it is not in a state from which this leads on; see: flask bundles list",
    "SHADOW_TAKEN": "another version runs as the shadow of this document",
    "NOTHING_ACTIVE": "nothing is in force that it could be compared with",
    "NOT_PROPOSED": "nobody has proposed it; see: flask bundles propose",
    "SAME_PERSON": "a second person has to activate what somebody has proposed",
}
_DOCUMENT = (
    click.argument("document", type=click.Choice(["order", "ack", "delivery"])),
    click.argument("direction", type=click.Choice(["out", "in"])),
    click.argument("version", type=int),
)


@click.group("bundles")
def bundle_commands() -> None:
    """Bundles: how each partner's documents become ours, and ours theirs."""


@bundle_commands.command("list")
@click.option("--partner", help="only this partner's")
@click.option("--json", "as_json", is_flag=True, help="as JSON, one object a line")
@with_appcontext
def list_command(partner: str | None, as_json: bool) -> None:
    """List the versions of each partner; * marks what is in force."""
    for row in bundle_list.versions(db.session(), datetime.now(UTC), partner):
        if as_json:
            shown = {name: getattr(row, name) for name in row.__slots__}
            click.echo(json.dumps(shown, default=str))
            continue
        mark = "*" if row.in_force else " "
        since = f" from {row.valid_from:%Y-%m-%d %H:%M}Z" if row.valid_from else ""
        asked = f", proposed by {row.proposed_by}" if row.proposed_by else ""
        beside = ""
        if row.shadow_count:
            beside = f", {row.shadow_differing} of {row.shadow_count} differ"
        what = f"{row.document} {row.direction} {row.version}"
        click.echo(
            f"{mark}{row.id:4} {row.partner_code:16} {what:16} {row.kind:20}"
            f" {row.state:8}{since}{asked}{beside}"
        )


@bundle_commands.command("kinds")
@with_appcontext
def kinds_command() -> None:
    """List the kinds of partners that come with the product."""
    for kind, bundle in shipped().items():
        documents = ", ".join(
            f"{one.document} {one.direction} {one.version}" for one in bundle.manifest.documents
        )
        click.echo(f"{kind:20} {bundle.manifest.title}: {documents}")


@bundle_commands.command("check")
@click.argument("folders", nargs=-1, metavar="[FOLDER | KIND]…")
@with_appcontext
def check_command(folders: tuple[str, ...]) -> None:
    """Check bundles: manifest, mappings, golden pairs; without a name all that are shipped."""
    bad = 0
    for folder in [_folder(name) for name in folders] or [b.folder for b in shipped().values()]:
        bundle, faults = bundle_check.check_folder(folder)
        for fault in faults:
            click.echo(f"{folder.name}: {fault.place}: {fault.text}", err=True)
        bad += bool(faults)
        if bundle is not None and not faults:
            click.echo(f"{folder.name}: good, {len(bundle.manifest.documents)} documents")
    if bad:
        sys.exit(1)


@bundle_commands.command("run")
@click.argument("folder")
@_DOCUMENT[0]
@_DOCUMENT[1]
@_DOCUMENT[2]
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def run_command(folder: str, document: str, direction: str, version: int, source: Path) -> None:
    """Print what a bundle makes of a file; nothing is stored or sent. So golden files are made."""
    compiled = _compiled(folder, document, direction, version)
    try:
        made = bundle_check.make(compiled, source.read_bytes())
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    sys.stdout.buffer.write(made)


@bundle_commands.command("add")
@click.argument("partner")
@click.argument("folder")
@_DOCUMENT[0]
@_DOCUMENT[1]
@_DOCUMENT[2]
@click.option("--note", help="what is new in it")
@BY
@PASSWORD_STDIN
@with_appcontext
def add_command(
    partner: str,
    folder: str,
    document: str,
    direction: str,
    version: int,
    note: str | None,
    by: str,
    password_stdin: bool,
) -> None:
    """Keep a version of a FOLDER (or a shipped KIND) for a PARTNER as a draft."""
    _bundle, faults = bundle_check.check_folder(_folder(folder))
    for fault in faults:
        click.echo(f"{fault.place}: {fault.text}", err=True)
    if faults:
        raise click.ClickException("not added; put the folder right first")
    content = _compiled(folder, document, direction, version).content
    actor, now = actor_of(by, password_stdin), datetime.now(UTC)
    try:
        with transaction() as session:
            row = bundle_versions.add(session, partner, content, by=actor, now=now, note=note)
    except BundleRefused as refused:
        raise click.ClickException(_WHY[refused.code]) from None
    click.echo(f"{row.id} is a draft; next: flask bundles shadow {row.id}, or propose {row.id}")


@bundle_commands.command("begin")
@click.argument("partner")
@click.argument("kind")
@with_appcontext
def begin_command(partner: str, kind: str) -> None:
    """Give a new PARTNER the first versions of a shipped KIND, in force at once.

    What somebody has chosen for the partner already stays as it is.
    """
    bundle = shipped().get(kind)
    if bundle is None:
        raise click.ClickException(f"no kind {kind!r}; see: flask bundles kinds")
    now = datetime.now(UTC)
    try:
        with transaction() as session:
            done = [
                bundle_activation.install(session, partner, content, now, by=machine_account())
                for spec in bundle.manifest.documents
                if spec.version == 1
                and (content := content_of(bundle, spec.document, spec.direction, 1)) is not None
            ]
    except BundleRefused as refused:
        raise click.ClickException(_WHY[refused.code]) from None
    if not all(done):
        raise click.ClickException(f"{partner} works by another kind; see: flask bundles add")
    click.echo(f"{partner} works by {kind}; see: flask bundles list --partner {partner}")


@bundle_commands.command("shadow")
@click.argument("number", type=int)
@click.option("--stop", is_flag=True, help="take it out of the traffic again")
@BY
@PASSWORD_STDIN
@with_appcontext
def shadow_command(number: int, stop: bool, by: str, password_stdin: bool) -> None:
    """Run a version beside the one in force, and count where they differ."""
    act = bundle_versions.stop_shadow if stop else bundle_versions.start_shadow
    _change(number, act, by, password_stdin)
    click.echo("It runs no more." if stop else f"It runs; see: flask bundles differences {number}")


@bundle_commands.command("propose")
@click.argument("number", type=int)
@click.option(
    "--from", "valid_from", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="from this moment on"
)
@BY
@PASSWORD_STDIN
@with_appcontext
def propose_command(
    number: int, valid_from: datetime | None, by: str, password_stdin: bool
) -> None:
    """Ask a second person to bring a version into force."""
    _change(number, bundle_versions.propose, by, password_stdin, valid_from=valid_from)
    click.echo(f"Proposed; somebody else: flask bundles activate {number} --by USERNAME")


@bundle_commands.command("activate")
@click.argument("number", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def activate_command(number: int, by: str, password_stdin: bool) -> None:
    """Bring a version into force that somebody else has proposed; what is queued stays as it is."""
    _change(number, bundle_activation.activate, by, password_stdin)
    click.echo("It is in force, or will be from its moment on.")
    if bundle_limits.find_offer(db.session(), db.session.get_one(PartnerBundle, number)):
        click.echo(f"Its lane has other bounds than it asks for: flask bundles limits {number}")


@bundle_commands.command("limits")
@click.argument("number", type=int)
@click.option("--take", is_flag=True, help="give the lane what the version asks for; needs --by")
@click.option("--by", metavar="USERNAME", help="your staff account")
@PASSWORD_STDIN
@with_appcontext
def limits_command(number: int, take: bool, by: str | None, password_stdin: bool) -> None:
    """Show where a version asks for other bounds than the partner's lane has."""
    if take and not by:
        raise click.ClickException("name your staff account: --by USERNAME")
    row = db.session.get(PartnerBundle, number)
    if row is None:
        raise click.ClickException(f"no version {number}; see: flask bundles list")
    try:
        offer = bundle_limits.find_offer(db.session(), row)
    except BundleUnreadable as error:
        raise click.ClickException(str(error)) from None
    if offer is None:
        click.echo("The lane has what it asks for.")
        return
    for name, has, asks in (
        ("in flight", offer.now.in_flight_count, offer.asked.in_flight_count),
        ("a second", offer.now.rate_per_s or "any", offer.asked.rate_per_s or "any"),
    ):
        if has != asks:
            click.echo(f"{offer.lane} has {has} {name}, the version asks for {asks}")
    if take and by:
        _change(number, bundle_limits.take, by, password_stdin)
        click.echo("Taken.")


@bundle_commands.command("roll-back")
@click.argument("number", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def roll_back_command(number: int, by: str, password_stdin: bool) -> None:
    """Bring a version back that was in force before; one person may do it."""
    _change(number, bundle_activation.roll_back, by, password_stdin)
    click.echo("It is in force again.")


@bundle_commands.command("differences")
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
@with_appcontext
def differences_command(number: int, as_json: bool) -> None:
    """Show where a shadow differs from what is in force, with a few orders to look at."""
    row = db.session.get(PartnerBundle, number)
    if row is None:
        raise click.ClickException(f"no version {number}; see: flask bundles list")
    found = bundle_list.differences(db.session(), number)
    if as_json:
        fields = [
            {"path": one.path, "kind": one.kind, "count": one.count, "examples": one.examples}
            for one in found
        ]
        facts = {"documents": row.shadow_count, "differing": row.shadow_differing}
        click.echo(json.dumps({**facts, "fields": fields}))
        return
    click.echo(f"{row.shadow_differing} of {row.shadow_count} documents differ")
    for one in found:
        click.echo(f"{one.count:8} {one.kind:8} {one.path}  ({', '.join(one.examples)})")


@bundle_commands.command("unmapped")
@click.option("--partner", help="only this partner's")
@with_appcontext
def unmapped_command(partner: str | None) -> None:
    """Show fields that partners send and that no rule reads."""
    for one in bundle_list.unmapped(db.session(), partner):
        seen = f", accepted by {one.accepted_by}" if one.accepted_by else ""
        click.echo(
            f"{one.count:8} {one.partner_code:16} {one.document:8} {one.path}"
            f"  (last {one.last_at:%Y-%m-%d %H:%M}Z{seen})"
        )


@bundle_commands.command("accept")
@click.argument("partner")
@click.argument("document", type=click.Choice(["order", "ack", "delivery"]))
@click.argument("path")
@BY
@PASSWORD_STDIN
@with_appcontext
def accept_command(partner: str, document: str, path: str, by: str, password_stdin: bool) -> None:
    """Say that a field is known and not needed, which ends its alarm."""
    actor, now = actor_of(by, password_stdin), datetime.now(UTC)
    with transaction() as session:
        found = bundle_drift.accept(session, partner, document, path, by=actor, now=now)
        bundle_drift.watch(session, now)
    if not found:
        raise click.ClickException(f"{partner} never sent {path}; see: flask bundles unmapped")
    click.echo("Accepted.")


def _change(
    number: int, act: Callable[..., object], by: str, password_stdin: bool, **more: Any
) -> None:
    actor, now = actor_of(by, password_stdin), datetime.now(UTC)
    try:
        with transaction() as session:
            row = bundle_versions.get(session, number)
            if row is None:
                raise click.ClickException(f"no version {number}; see: flask bundles list")
            act(session, row, by=actor, now=now, **more)
    except BundleRefused as refused:
        raise click.ClickException(_WHY[refused.code]) from None
    except (MappingInvalid, BundleUnreadable) as error:
        raise click.ClickException(str(error)) from None


def _folder(name: str) -> Path:
    """A folder, or the name of a kind that comes with the product."""
    path = Path(name)
    return path if path.is_dir() else SHIPPED / path.name


def _compiled(folder: str, document: str, direction: str, version: int) -> Any:
    bundle, faults = bundle_check.check_folder(_folder(folder))
    if bundle is None:
        raise click.ClickException(faults[0].text)
    content = content_of(bundle, document, direction, version)
    if content is None:
        raise click.ClickException(f"{folder} has no {document} {direction} {version}")
    try:
        return compile_bundle(content)
    except MappingInvalid as error:
        raise click.ClickException(str(error)) from None
