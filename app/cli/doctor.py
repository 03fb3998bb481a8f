"""`flask doctor`: checks each thing that Tiedolla depends on and prints how to mend it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from flask.cli import with_appcontext
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.clients import cis_inbox
from app.db import db
from app.domain.zones import CENTRAL
from app.doorbell import listens, rq
from app.queries import zone_list
from app.services import unreadable_bundles
from app.settings import Settings
from integrations.outcomes import CallError
from integrations.sendgrid_email.events import load_public_key

_OLDEST_POSTGRESQL = 150_000
_CONNECT_S = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """One result: what was checked, whether it is well, and what to do if not."""

    name: str
    ok: bool
    found: str
    fix: str = ""


@click.command("doctor")
@with_appcontext
def doctor_command() -> None:
    """Check every dependency; ends with 1 when something needs mending."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    bad = 0
    for check in _checks(settings):
        bad += not check.ok
        click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.found}")
        if not check.ok:
            click.echo(f"      fix: {check.fix}")
    if bad:
        raise SystemExit(1)


def _checks(settings: Settings) -> Iterator[Check]:
    yield _database()
    yield _migrations()
    yield _redis()
    yield _dispatcher()
    yield _workers()
    yield from _zones()
    yield _partner_tokens(settings)
    yield _bundles()
    yield _event_key(settings)
    yield _sms_senders(settings)
    yield _sftp(settings)
    for name, url in (
        ("NIS", settings.nis_url),
        ("DMS", settings.dms_url),
        ("billing", settings.billing_url),
        ("Twilio", settings.twilio_url),
        ("SendGrid", settings.sendgrid_url),
    ):
        yield _host(name, url)


def _sms_senders(settings: Settings) -> Check:
    """Operators block what comes from a sender that was not authorised beforehand (REQ-28)."""
    unlisted = settings.sms_senders.unlisted()
    found = f"not authorised: {', '.join(unlisted)}" if unlisted else "all authorised"
    fix = "authorise them and add them to TIEDOLLA_SMS_AUTHORISED_SENDERS"
    return Check("SMS senders", not unlisted, found, fix)


def _database() -> Check:
    fix = "start PostgreSQL 15 or newer and set TIEDOLLA_DATABASE_URL to it"
    try:
        version = _one("SHOW server_version_num")
    except DBAPIError as error:
        return Check("PostgreSQL", False, str(error.orig).strip().splitlines()[0], fix)
    ok = int(str(version)) >= _OLDEST_POSTGRESQL
    return Check("PostgreSQL", ok, f"version {int(str(version)) // 10000}", fix)


def _migrations() -> Check:
    fix = "run: flask db upgrade"
    directory = current_app.extensions["migrate"].directory
    head = ScriptDirectory(directory).get_current_head()
    try:
        with db.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except DBAPIError:
        return Check("migrations", False, "the database is out of reach", fix)
    return Check("migrations", current == head, f"at {current}, newest is {head}", fix)


def _redis() -> Check:
    fix = "start Redis 6.2 or newer (or Valkey) and set TIEDOLLA_REDIS_URL; until then work is slow"
    try:
        info = rq.queue.connection.info("server")
    except RedisError as error:
        return Check("Redis", False, type(error).__name__, fix)
    return Check("Redis", True, f"version {info.get('redis_version')}", fix)


def _dispatcher() -> Check:
    fix = "run: flask dispatcher"
    try:
        alive = _one(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7403003"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    except DBAPIError:
        return Check("dispatcher", False, "the database is out of reach", fix)
    return Check("dispatcher", bool(alive), "leads" if alive else "none is running", fix)


def _workers() -> Check:
    try:
        # A worker has a lease from its first work on; until then it only waits to be rung.
        idle = _one(
            "SELECT string_agg(name, ' ' ORDER BY name) FROM lane WHERE zone = 'central' AND NOT EXISTS"
            " (SELECT 1 FROM drainer d WHERE d.lane = lane.name AND d.ended_at IS NULL)"
        )
        count = _one("SELECT count(*) FROM lane")
    except DBAPIError:
        return Check("workers", False, "lanes cannot be read", "run: flask db upgrade; flask setup")
    if not count:
        return Check("workers", False, "there are no lanes", "run: flask setup")
    missing = " ".join(lane for lane in str(idle or "").split() if not listens(lane))
    found = f"none for {missing}" if missing else "one for each lane"
    return Check("workers", not missing, found, "run for each lane: flask worker LANE")


def _zones() -> Iterator[Check]:
    """One check for each zone whose lanes are drained by runners."""
    now = datetime.now(UTC)
    try:
        rows = zone_list.zones(db.session(), now)
    except DBAPIError:
        return
    finally:
        db.session.remove()
    for zone in rows:
        if zone.code == CENTRAL or not zone.active or not zone.lanes:
            continue
        faults = [] if zone.runs(now) else ["no runner is heard of"]
        live = [one for one in zone.runners if one.standing(now) in ("WELL", "LATE")]
        for one in live:
            about = f"{one.host} {one.version}"
            if one.missing_lanes:
                faults.append(f"{about} has no way to {' '.join(one.missing_lanes)}")
            if one.clock_off:
                faults.append(f"the clock of {about} is off by {one.clock_offset_ms} ms")
            if one.last_error:
                faults.append(f"{about}: {one.last_error}")
        seen = ", ".join(
            f"{one.host} {one.version}, heard of"
            f" {(now - one.heartbeat_at).total_seconds():.0f} s ago, holds {one.held},"
            f" clock {one.clock_offset_ms:+d} ms"
            for one in live
        )
        fix = f"run in that network: flask lane-runner --zone {zone.code}; see its log"
        yield Check(f"zone {zone.code}", not faults, "; ".join(faults) or seen, fix)


def _partner_tokens(settings: Settings) -> Check:
    """Those who are called over REST from here; files and other zones have keys of their own."""
    fix = "add it to TIEDOLLA_PARTNER_TOKENS; until then the partner's lane stands still"
    try:
        found = _one(
            "SELECT string_agg(p.code, ' ' ORDER BY p.code) FROM partner p"
            " WHERE p.active AND p.transport = 'REST' AND NOT EXISTS (SELECT 1 FROM lane l"
            " WHERE l.name = 'partner.' || p.code AND l.zone <> 'central')"
        )
    except DBAPIError:
        return Check("partners", False, "the database is out of reach", "run: flask db upgrade")
    codes = str(found or "").split()
    missing = [code for code in codes if code not in settings.partner_tokens]
    if missing:
        return Check("partners", False, f"no token for {' '.join(missing)}", fix)
    return Check("partners", True, f"a token for each: {' '.join(codes) or 'none'}")


def _bundles() -> Check:
    """A version that a newer release brought into force stops its partner under an older one."""
    fix = "start the release that it came with, or: flask bundles roll-back NUMBER --by USERNAME"
    try:
        found = unreadable_bundles.find(db.session(), datetime.now(UTC))
    except DBAPIError:
        return Check("bundles", False, "the database is out of reach", "run: flask db upgrade")
    finally:
        db.session.remove()
    told = "; ".join(f"{one.partner_code} {one.name}: {one.why}" for one in found)
    return Check("bundles", not found, told or "every version in force can be run", fix)


def _event_key(settings: Settings) -> Check:
    fix = "set TIEDOLLA_SENDGRID_EVENT_PUBLIC_KEY to the verification key of the event webhook"
    try:
        load_public_key(settings.sendgrid_event_public_key)
    except ValueError as error:
        return Check("SendGrid's event key", False, str(error), fix)
    return Check("SendGrid's event key", True, "is a P-256 public key")


def _sftp(settings: Settings) -> Check:
    fix = "check TIEDOLLA_CIS_SFTP_*: address, user, key file, pinned host key, folders"
    inbox = cis_inbox(settings)
    try:
        count = len(inbox.list_inbox())
    except (CallError, OSError) as error:
        return Check("CIS SFTP server", False, f"{type(error).__name__}: {error}", fix)
    finally:
        inbox.close()
    return Check("CIS SFTP server", True, f"{count} files in the inbox")


def _host(name: str, url: str) -> Check:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S).close()
    except OSError as error:
        return Check(
            name, False, f"{parts.hostname}:{port} {error}", "check the address and the way to it"
        )
    return Check(name, True, f"{parts.hostname}:{port} answers")


def _one(statement: str) -> object:
    query: Callable[..., object] = db.session.scalar
    try:
        return query(text(statement))
    finally:
        db.session.remove()
