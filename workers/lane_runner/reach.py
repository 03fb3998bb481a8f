"""How the runner reaches the systems of its zone: its own settings file, the product's own clients.

Secrets stand in files that the settings name, or in the settings file itself; they stay on this
machine, the centre never learns them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integrations.channel import Channel
from integrations.outcomes import Client, HttpTarget, LaneDown

if TYPE_CHECKING:
    from integrations.sftp.inbox import SftpPlace

_CONNECT_S = 3.0
_TOTAL_S = 10.0


class ReachInvalid(Exception):
    """The settings file is not complete; the text names every fault."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One section of the file, read with plain faults."""

    name: str
    values: Mapping[str, Any]
    folder: Path
    faults: list[str] = field(default_factory=list)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or (not value and default is None):
            self.faults.append(f"{self.name}.{key}: missing or no text")
            return ""
        return value

    def secret(self, key: str, default: str | None = None) -> str:
        """A value, or the content of the file that <key>_file names."""
        named = self.values.get(f"{key}_file")
        if named is None:
            return self.text(key, default)
        try:
            return (self.folder / str(named)).read_text(encoding="utf-8").strip()
        except OSError as error:
            self.faults.append(f"{self.name}.{key}_file: cannot read it ({error.strerror})")
            return ""

    def number(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            self.faults.append(f"{self.name}.{key}: has to be a number above 0")
            return default
        return float(value)

    def file(self, key: str) -> Path:
        return self.folder / self.text(key)


class Reach:
    """The clients of a settings file, each built when it is first wanted, inside the running loop."""

    def __init__(self, path: Path) -> None:
        """Raises: ReachInvalid."""
        self._builders: dict[str, Callable[[], Client]] = {}
        self._channels: dict[tuple[str, str], Callable[[], Channel]] = {}
        self._places: dict[str, SftpPlace] = {}
        self._targets: dict[str, HttpTarget] = {}
        self._built: dict[object, Any] = {}
        faults: list[str] = []
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ReachInvalid(f"{path.name}: {error}") from None
        for lane, values in _sections(found, "lanes", faults):
            part = _Part(f"lanes.{lane}", values, path.parent, faults)
            maker = _CLIENTS.get(str(values.get("client", "")))
            if maker is None:
                faults.append(f"{part.name}.client: has to be one of {', '.join(sorted(_CLIENTS))}")
            else:
                self._builders[lane] = maker(part)
                if maker in _BY_FILE:
                    self._places[lane] = _sftp(part)
                elif maker in _GIVE_LISTS:
                    self._targets[lane] = _target(part)
        for account, values in _sections(found, "channels", faults):
            part = _Part(f"channels.{account}", values, path.parent, faults)
            adapter = str(values.get("adapter", ""))
            channel = _CHANNELS.get(adapter)
            if channel is None:
                faults.append(
                    f"{part.name}.adapter: has to be one of {', '.join(sorted(_CHANNELS))}"
                )
            else:
                self._channels[(adapter, account)] = channel(part, account)
        if not self._builders and not self._channels and not faults:
            faults.append("there is neither a lane nor a channel in it")
        if faults:
            # Some sections are read twice, for two uses.
            raise ReachInvalid("\n  ".join([f"{path.name}:", *dict.fromkeys(faults)]))

    def serves(self, lane: str, mode: str) -> bool:
        """Whether there is a client for a lane; those of messages go by their channels."""
        return lane in self._builders or (mode == "once" and bool(self._channels))

    def client(self, lane: str, adapter: str | None, account: str | None) -> Client:
        """The client of an item. Raises: LaneDown (nothing in the file reaches it)."""
        key: object = lane if adapter is None else (adapter, account or "")
        if key not in self._built:
            build: Callable[[], Client] | None = (
                self._builders.get(lane)
                if adapter is None
                else self._channels.get((adapter, account or ""))
            )
            if build is None:
                raise LaneDown(
                    f"the runner's settings have no way to {lane} {account or ''}".strip()
                )
            self._built[key] = build()
        client: Client = self._built[key]
        return client

    def place(self, lane: str) -> SftpPlace | None:
        """The server in whose folders the system of a lane leaves files, None where it has none."""
        return self._places.get(lane)

    def target(self, lane: str) -> HttpTarget | None:
        """Where the system of a lane gives lists by HTTP, None where it gives none."""
        return self._targets.get(lane)

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self._built.values():
            await client.aclose()
        self._built.clear()


def _sections(
    found: Mapping[str, Any], name: str, faults: list[str]
) -> list[tuple[str, Mapping[str, Any]]]:
    sections = found.get(name, {})
    if not isinstance(sections, dict) or any(not isinstance(v, dict) for v in sections.values()):
        faults.append(f"{name}: has to hold tables, such as [{name}.nis]")
        return []
    return list(sections.items())


def _target(part: _Part) -> HttpTarget:
    base_url = part.text("base_url").rstrip("/")
    if base_url and not base_url.startswith(("http://", "https://")):
        part.faults.append(f"{part.name}.base_url: must begin with http:// or https://")
    return HttpTarget(
        base_url=base_url,
        token=part.secret("token", ""),
        connect_s=part.number("connect_s", _CONNECT_S),
        total_s=part.number("total_s", _TOTAL_S),
        in_flight=int(part.number("in_flight", 100)),
    )


def _nis(part: _Part) -> Callable[[], Client]:
    from integrations.nis.client import NisClient

    target = _target(part)
    return lambda: NisClient(target)


def _dms(part: _Part) -> Callable[[], Client]:
    from integrations.dms.client import DmsClient

    target = _target(part)
    return lambda: DmsClient(target)


def _billing(part: _Part) -> Callable[[], Client]:
    from integrations.billing.client import BillingClient

    target = _target(part)
    return lambda: BillingClient(target)


def _installer(part: _Part) -> Callable[[], Client]:
    from integrations.installer.client import InstallerClient

    target = _target(part)
    return lambda: InstallerClient(target)


def _webhook(part: _Part) -> Callable[[], Client]:
    from integrations.alarm_webhook.client import AlarmWebhookClient

    target, secret = _target(part), part.secret("secret")
    return lambda: AlarmWebhookClient(target, secret)


def _cis(part: _Part) -> Callable[[], Client]:
    from integrations.cis.client import CisReturnsClient

    place = _sftp(part)
    return lambda: CisReturnsClient(place)


def _partner_files(part: _Part) -> Callable[[], Client]:
    from integrations.partners.files import PartnerFilesClient

    place, orders, rejects = _sftp(part), part.text("orders"), part.text("rejects")
    return lambda: PartnerFilesClient(place, orders, rejects)


def _sftp(part: _Part) -> SftpPlace:
    from integrations.sftp.inbox import SftpPlace

    return SftpPlace(
        host=part.text("host"),
        port=int(part.number("port", 22)),
        user=part.text("user"),
        key_file=part.file("key_file"),
        host_key=part.text("host_key"),
        returns=part.text("returns", "returns"),
        connect_s=part.number("connect_s", _CONNECT_S),
        channel_s=part.number("total_s", _TOTAL_S),
    )


def _twilio(part: _Part, _account: str) -> Callable[[], Channel]:
    from integrations.twilio_sms.client import TwilioSmsClient
    from integrations.twilio_sms.types import TwilioAccount

    account = TwilioAccount(
        account_sid=part.text("account_sid"),
        auth_token=part.secret("auth_token"),
        base_url=part.text("base_url", "https://api.twilio.com").rstrip("/"),
        connect_s=part.number("connect_s", _CONNECT_S),
        total_s=part.number("total_s", _TOTAL_S),
        in_flight=int(part.number("in_flight", 100)),
        senders={str(k): str(v) for k, v in dict(part.values.get("senders", {})).items()},
    )
    return lambda: TwilioSmsClient(account)


def _sendgrid(part: _Part, _account: str) -> Callable[[], Channel]:
    from integrations.sendgrid_email.client import SendgridEmailClient
    from integrations.sendgrid_email.types import SendgridAccount

    account = SendgridAccount(
        api_key=part.secret("api_key"),
        base_url=part.text("base_url", "https://api.sendgrid.com").rstrip("/"),
        connect_s=part.number("connect_s", _CONNECT_S),
        total_s=part.number("total_s", _TOTAL_S),
    )
    return lambda: SendgridEmailClient(account)


_CLIENTS: Mapping[str, Callable[[_Part], Callable[[], Client]]] = {
    "nis": _nis,
    "dms": _dms,
    "billing": _billing,
    "installer": _installer,
    "alarm_webhook": _webhook,
    "cis": _cis,
    "partner_files": _partner_files,
}
_BY_FILE = (_cis, _partner_files)
_GIVE_LISTS = (_nis, _dms, _billing, _installer)
_CHANNELS: Mapping[str, Callable[[_Part, str], Callable[[], Channel]]] = {
    "twilio": _twilio,
    "sendgrid": _sendgrid,
}
