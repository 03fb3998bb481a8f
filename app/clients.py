"""The only place that builds clients of outside systems, from settings and rows.

A client's module is imported when its lane first needs it: one process serves one lane, and the
providers' SDKs take tens of megabytes that the other processes can do without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy import select

from app.db import db, transaction
from app.domain import lanes
from app.domain.reconciliation import HEAD_END, stock_of
from app.models.partner import SFTP, Partner
from app.services import bundles_in_force
from app.settings import Settings
from integrations.channel import Channel
from integrations.outcomes import Client, HttpTarget, LaneDown
from integrations.partners.manifest import BundleUnreadable
from integrations.twilio_sms.types import TwilioAccount

if TYPE_CHECKING:
    from integrations.mailbox.client import Mailbox
    from integrations.sftp.inbox import SftpInbox, SftpPlace

# The accounts that the settings can name; provider routes point at them.
TWILIO = "twilio"
TWILIO2 = "twilio2"
SENDGRID = "sendgrid"
# The slice of the drain is the bound; a narrower one here would only make it wait in the middle.
_SLICE_MOST = 2000

# One client per lane and process: its connections are pooled and belong to the process's loop.
_clients: dict[str, Client] = {}
# The same for messages, by adapter and account: a lane may have several ways to its recipients.
_channels: dict[tuple[str, str], Channel] = {}
# Where the client of a partner's lane calls; the partner's row may change while we run.
_targets: dict[str, HttpTarget | PartnerPlace] = {}


@dataclass(frozen=True, slots=True)
class PartnerPlace:
    """A partner's SFTP server with the folders that its bundle names."""

    place: SftpPlace
    orders: str
    rejects: str


def client_for(lane: str, settings: Settings, loop: asyncio.AbstractEventLoop) -> Client:
    """The client of a sending lane, built on first use inside the process's one event loop.

    A partner that was switched off or has moved since is noticed here, so it is to be asked for
    each batch. Raises LaneDown when a partner has no token or no active row; it is configuration,
    not the item.
    """
    partner_code = lanes.partner_of(lane)
    if partner_code is not None:
        target = _partner_target(partner_code, settings)
        if _targets.get(lane) != target and lane in _clients:
            loop.run_until_complete(_clients.pop(lane).aclose())
        _targets[lane] = target
    client = _clients.get(lane)
    if client is None:
        client = _clients[lane] = loop.run_until_complete(_build(lane, settings))
    return client


def channel_for(
    adapter: str, account: str, settings: Settings, loop: asyncio.AbstractEventLoop
) -> Channel:
    """The client of one provider's account, built on first use like those of the lanes.

    Raises LaneDown when the settings have no such account.
    """
    key = (adapter, account)
    channel = _channels.get(key)
    if channel is None:
        channel = _channels[key] = loop.run_until_complete(_build_channel(*key, settings))
    return channel


def close_clients(loop: asyncio.AbstractEventLoop) -> None:
    """Close every connection of this process."""
    for client in _clients.values():
        loop.run_until_complete(client.aclose())
    for channel in _channels.values():
        loop.run_until_complete(channel.aclose())
    _clients.clear()
    _channels.clear()
    _targets.clear()


def mailbox(name: str, settings: Settings) -> Mailbox:
    """A mailbox of the settings, not yet open. Raises: LaneDown when there is none of that name."""
    from integrations.mailbox.client import Mailbox, parse_address

    address = settings.mailboxes.get(name)
    if address is None:
        raise LaneDown(f"TIEDOLLA_MAILBOXES has no {name}")
    return Mailbox(
        parse_address(
            name,
            address.get_secret_value(),
            timeout_s=settings.http_total_s,
            max_bytes=settings.mail_max_bytes,
        )
    )


def cis_inbox(settings: Settings) -> SftpInbox:
    """The CIS's folders on the SFTP server."""
    from integrations.sftp.inbox import SftpInbox

    return SftpInbox(cis_sftp(settings))


def list_folder(system: str, settings: Settings) -> SftpInbox | None:
    """The folder in which a system lays down its lists; None where it is asked by HTTP.

    A partner's list of its stock has one of its own, or each would be taken for the other's.
    What is fetched of it is put away like any other file. Raises: LaneDown (a setting is missing).
    """
    from integrations.sftp.inbox import SftpInbox

    if system == lanes.CIS:
        place = cis_sftp(settings)
    else:
        partner_code = lanes.partner_of(system) or stock_of(system)
        target = _partner_target(partner_code, settings) if partner_code is not None else None
        if not isinstance(target, PartnerPlace):
            return None
        place = target.place
    folder = settings.snapshots_dir
    if stock_of(system):
        folder += "-stock"
    return SftpInbox(replace(place, inbox=folder, processing=folder))


def list_target(system: str, settings: Settings) -> HttpTarget:
    """Where a system gives its list by HTTP. Raises: LaneDown when nothing says where that is."""
    partner_code = lanes.partner_of(system) or stock_of(system)
    if partner_code is not None:
        target = _partner_target(partner_code, settings)
        if isinstance(target, PartnerPlace):
            raise LaneDown(f"partner {partner_code} is not asked by HTTP")
        return replace(target, base_url=target.base_url + "/stock") if stock_of(system) else target
    addresses = {
        lanes.NIS: (settings.nis_url, settings.nis_token),
        lanes.DMS: (settings.dms_url, settings.dms_token),
        lanes.BILLING: (settings.billing_url, settings.billing_token),
        HEAD_END: (settings.head_end_url, settings.head_end_token),
    }
    url, token = addresses.get(system, ("", SecretStr("")))
    if not url:
        raise LaneDown(f"there is no address of {system}")
    return _target(settings, url, token.get_secret_value())


def cis_sftp(settings: Settings) -> SftpPlace:
    """Where the CIS's SFTP server is and how we know that it is the right one."""
    from integrations.sftp.inbox import SftpPlace

    return SftpPlace(
        host=settings.cis_sftp_host,
        port=settings.cis_sftp_port,
        user=settings.cis_sftp_user,
        key_file=settings.cis_sftp_key_file,
        host_key=settings.cis_sftp_host_key,
        inbox=settings.cis_inbox_dir,
        processing=settings.cis_processing_dir,
        archive=settings.cis_archive_dir,
        quarantine=settings.cis_quarantine_dir,
        returns=settings.cis_returns_dir,
        connect_s=settings.http_connect_s,
        channel_s=settings.http_total_s,
        max_bytes=settings.cis_file_max_bytes,
    )


async def _build(lane: str, settings: Settings) -> Client:
    partner_code = lanes.partner_of(lane)
    if partner_code is not None:
        target = _partner_target(partner_code, settings)
        return _files(target) if isinstance(target, PartnerPlace) else _installer(target)
    build = _BUILD.get(lane)
    if build is None:
        raise LaneDown(f"lane {lane} has no client")
    return build(settings)


async def _build_channel(adapter: str, account: str, settings: Settings) -> Channel:
    build = _BUILD_CHANNEL.get(adapter)
    if build is None:
        raise LaneDown(f"there is no adapter {adapter}")
    return build(account, settings)


def twilio_accounts(settings: Settings) -> dict[str, TwilioAccount]:
    """How to reach Twilio, or whoever speaks its language, by the names of the accounts."""
    accounts: dict[str, tuple[str, SecretStr, str, dict[str, str]]] = {
        TWILIO: (
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            settings.twilio_url,
            {},
        )
    }
    if settings.twilio2_account_sid:
        accounts[TWILIO2] = (
            settings.twilio2_account_sid,
            settings.twilio2_auth_token,
            settings.twilio2_url,
            settings.twilio2_senders,
        )
    return {
        name: TwilioAccount(
            account_sid=sid,
            auth_token=token.get_secret_value(),
            base_url=url,
            connect_s=settings.http_connect_s,
            total_s=settings.http_total_s,
            in_flight=_SLICE_MOST,
            senders=senders,
        )
        for name, (sid, token, url, senders) in accounts.items()
    }


def _partner_target(code: str, settings: Settings) -> HttpTarget | PartnerPlace:
    with transaction() as session:
        row = session.execute(
            select(Partner.base_url, Partner.transport).where(Partner.code == code, Partner.active)
        ).one_or_none()
        folders = None
        if row is not None and row.transport == SFTP:
            try:
                folders = bundles_in_force.find_folders(session, code, datetime.now(UTC))
            except BundleUnreadable as error:
                raise LaneDown(f"this program cannot run the bundle of {code}: {error}") from None
    db.session.remove()
    if row is None:
        raise LaneDown(f"partner {code} is not active")
    if row.transport == SFTP:
        if folders is None:
            raise LaneDown(f"partner {code} has no bundle in force that says where its files go")
        place = partner_sftp(code, row.base_url, settings)
        return PartnerPlace(place, folders.orders, folders.rejects)
    token = settings.partner_tokens.get(code)
    if token is None:
        raise LaneDown(f"TIEDOLLA_PARTNER_TOKENS has no token for {code}")
    return _target(settings, row.base_url, token.get_secret_value())


def partner_sftp(code: str, base_url: str, settings: Settings, max_bytes: int = 0) -> SftpPlace:
    """A partner's SFTP server, whose address is sftp://user@host:port.

    Raises: LaneDown (a setting is missing, or the address is none).
    """
    from integrations.sftp.inbox import SftpPlace

    host_key = settings.partner_host_keys.get(code)
    try:
        address = urlsplit(base_url)
        port = address.port or 22
    except ValueError:
        raise LaneDown(f"the address of {code} is not sftp://user@host:port") from None
    if address.scheme != "sftp" or not address.hostname or not address.username:
        raise LaneDown(f"the address of {code} is not sftp://user@host:port")
    if host_key is None:
        raise LaneDown(f"TIEDOLLA_PARTNER_HOST_KEYS has no host key for {code}")
    if not settings.partner_sftp_key_file:
        raise LaneDown("TIEDOLLA_PARTNER_SFTP_KEY_FILE is not set")
    return SftpPlace(
        host=address.hostname,
        port=port,
        user=address.username,
        key_file=Path(settings.partner_sftp_key_file),
        host_key=host_key,
        connect_s=settings.http_connect_s,
        channel_s=settings.http_total_s,
        max_bytes=max_bytes or settings.cis_file_max_bytes,
    )


def _target(settings: Settings, base_url: str, token: str) -> HttpTarget:
    return HttpTarget(
        base_url=base_url.rstrip("/"),
        token=token,
        connect_s=settings.http_connect_s,
        total_s=settings.http_total_s,
        # The lane's own bound counts, which people may change while we run.
        in_flight=_SLICE_MOST,
    )


def _files(target: PartnerPlace) -> Client:
    from integrations.partners.files import PartnerFilesClient

    return PartnerFilesClient(target.place, target.orders, target.rejects)


def _installer(target: HttpTarget) -> Client:
    from integrations.installer.client import InstallerClient

    return InstallerClient(target)


def _cis(settings: Settings) -> Client:
    from integrations.cis.client import CisReturnsClient

    return CisReturnsClient(cis_sftp(settings))


def _nis(settings: Settings) -> Client:
    from integrations.nis.client import NisClient

    return NisClient(_target(settings, settings.nis_url, settings.nis_token.get_secret_value()))


def _dms(settings: Settings) -> Client:
    from integrations.dms.client import DmsClient

    return DmsClient(_target(settings, settings.dms_url, settings.dms_token.get_secret_value()))


def _billing(settings: Settings) -> Client:
    from integrations.billing.client import BillingClient

    token = settings.billing_token.get_secret_value()
    return BillingClient(_target(settings, settings.billing_url, token))


def _webhook(settings: Settings) -> Client:
    from integrations.alarm_webhook.client import AlarmWebhookClient

    if not settings.alarm_webhook_url:
        raise LaneDown("TIEDOLLA_ALARM_WEBHOOK_URL is not set")
    target = _target(settings, settings.alarm_webhook_url, "")
    return AlarmWebhookClient(target, settings.alarm_webhook_secret.get_secret_value())


def _twilio(account: str, settings: Settings) -> Channel:
    from integrations.twilio_sms.client import TwilioSmsClient

    known = twilio_accounts(settings).get(account)
    if known is None:
        raise LaneDown(f"TIEDOLLA_{account.upper()}_ACCOUNT_SID is not set")
    return TwilioSmsClient(known)


def _sendgrid(account: str, settings: Settings) -> Channel:
    from integrations.sendgrid_email.client import SendgridEmailClient
    from integrations.sendgrid_email.types import SendgridAccount

    if account != SENDGRID:
        raise LaneDown(f"there is no SendGrid account {account}")
    return SendgridEmailClient(
        SendgridAccount(
            api_key=settings.sendgrid_api_key.get_secret_value(),
            base_url=settings.sendgrid_url,
            connect_s=settings.http_connect_s,
            total_s=settings.http_total_s,
        )
    )


_BUILD: dict[str, Callable[[Settings], Client]] = {
    lanes.CIS: _cis,
    lanes.NIS: _nis,
    lanes.DMS: _dms,
    lanes.BILLING: _billing,
    lanes.WEBHOOK: _webhook,
}

_BUILD_CHANNEL: dict[str, Callable[[str, Settings], Channel]] = {
    "twilio": _twilio,
    "sendgrid": _sendgrid,
}
