"""What the rehearsal is told: typed reading of its folder's config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG_NAME = "config.json"
RUNNING_NAME = "running.json"

Span = tuple[float, float]


class ConfigInvalid(ValueError):
    """The configuration cannot be used; the text names the field."""


@dataclass(frozen=True, slots=True)
class Sftp:
    """The CIS's file server: who may log in, and with which keys."""

    user: str
    root_dir: Path
    host_key_file: Path
    authorized_keys_file: Path
    client_key_file: Path


@dataclass(frozen=True, slots=True)
class Installer:
    """The mass installer: our token, its credentials towards Tiedolla, and how its crews work."""

    token: str = field(repr=False)
    ack_token: str = field(repr=False)
    ack_key_id: str
    ack_secret: str = field(repr=False)
    meter_series: str
    accepted_after_s: Span
    scheduled_after_s: Span
    started_after_s: Span
    completed_after_s: Span
    # How much longer a crew waits where it proposed a time that the customer has to answer.
    answer_wait_s: Span
    scheduled_ratio: float
    fail_ratio: float
    # Orders of this wave were worked on in the weeks before today; empty: of none.
    past_wave: str = ""


@dataclass(frozen=True, slots=True)
class Contractor:
    """The regional contractor: who logs in to its folders, and how its crews work."""

    user: str
    root_dir: Path
    accepted_after_s: Span
    started_after_s: Span
    completed_after_s: Span
    fail_ratio: float


@dataclass(frozen=True, slots=True)
class Feed:
    """The credentials towards Tiedolla of a system that only tells."""

    token: str = field(repr=False)
    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Twilio:
    """The SMS provider's account and its usual speed, counted from the acceptance."""

    account_sid: str
    auth_token: str = field(repr=False)
    # The account's number that people can write to.
    reply_number: str
    sent_after_s: Span
    delivered_after_s: Span


@dataclass(frozen=True, slots=True)
class Sendgrid:
    """The e-mail provider's key, the key that signs its events, and its usual speed."""

    api_key: str = field(repr=False)
    event_private_key_file: Path
    event_public_key_file: Path
    processed_after_s: Span
    delivered_after_s: Span


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that `run` needs besides its ports."""

    tiedolla_base_url: str
    seed: int
    sftp: Sftp
    installer: Installer
    contractor: Contractor
    bearer_tokens: Mapping[str, str] = field(repr=False)
    dms_feed: Feed
    head_end: Feed
    twilio: Twilio
    twilio2: Twilio
    sendgrid: Sendgrid


def load_config(path: Path) -> Config:
    """Read a complete configuration; file names in it are relative to its folder.

    Raises: ConfigInvalid (names the field).
    """
    raw = _Fields(read_object(path), path.parent.resolve())
    return Config(
        tiedolla_base_url=raw.text("tiedolla_base_url").rstrip("/"),
        seed=int(raw.number("seed")),
        sftp=Sftp(
            user=raw.text("sftp.user"),
            root_dir=raw.file("sftp.root_dir"),
            host_key_file=raw.file("sftp.host_key_file"),
            authorized_keys_file=raw.file("sftp.authorized_keys_file"),
            client_key_file=raw.file("sftp.client_key_file"),
        ),
        installer=Installer(
            token=raw.text("installer.token"),
            ack_token=raw.text("installer.acks.token"),
            ack_key_id=raw.text("installer.acks.key_id"),
            ack_secret=raw.text("installer.acks.secret"),
            meter_series=raw.text("installer.meter_series"),
            accepted_after_s=raw.span("installer.accepted_after_s"),
            scheduled_after_s=raw.span("installer.scheduled_after_s"),
            started_after_s=raw.span("installer.started_after_s"),
            completed_after_s=raw.span("installer.completed_after_s"),
            answer_wait_s=raw.span("installer.answer_wait_s"),
            scheduled_ratio=raw.number("installer.scheduled_ratio"),
            fail_ratio=raw.number("installer.fail_ratio"),
            past_wave=raw.optional_text("installer.past_wave"),
        ),
        contractor=Contractor(
            user=raw.text("contractor.user"),
            root_dir=raw.file("contractor.root_dir"),
            accepted_after_s=raw.span("contractor.accepted_after_s"),
            started_after_s=raw.span("contractor.started_after_s"),
            completed_after_s=raw.span("contractor.completed_after_s"),
            fail_ratio=raw.number("contractor.fail_ratio"),
        ),
        bearer_tokens={
            system: raw.text(f"{system}.token") for system in ("installer", "nis", "dms", "billing")
        },
        dms_feed=_feed(raw, "dms.feed"),
        head_end=_feed(raw, "head_end.feed"),
        twilio=_sms_account(raw, "twilio"),
        twilio2=_sms_account(raw, "twilio2"),
        sendgrid=Sendgrid(
            api_key=raw.text("sendgrid.api_key"),
            event_private_key_file=raw.file("sendgrid.event_private_key_file"),
            event_public_key_file=raw.file("sendgrid.event_public_key_file"),
            processed_after_s=raw.span("sendgrid.processed_after_s"),
            delivered_after_s=raw.span("sendgrid.delivered_after_s"),
        ),
    )


def _feed(raw: _Fields, name: str) -> Feed:
    return Feed(
        token=raw.text(f"{name}.token"),
        key_id=raw.text(f"{name}.key_id"),
        secret=raw.text(f"{name}.secret"),
    )


def _sms_account(raw: _Fields, name: str) -> Twilio:
    return Twilio(
        account_sid=raw.text(f"{name}.account_sid"),
        auth_token=raw.text(f"{name}.auth_token"),
        reply_number=raw.text(f"{name}.reply_number"),
        sent_after_s=raw.span(f"{name}.sent_after_s"),
        delivered_after_s=raw.span(f"{name}.delivered_after_s"),
    )


class _Fields:
    """Typed reading of nested JSON by dotted names."""

    def __init__(self, raw: Mapping[str, Any], folder: Path) -> None:
        self._raw = raw
        self._folder = folder

    def text(self, name: str) -> str:
        value = self._value(name)
        if not isinstance(value, str) or not value:
            raise ConfigInvalid(f"{name}: expected a text")
        return value

    def optional_text(self, name: str) -> str:
        try:
            return self.text(name)
        except ConfigInvalid:
            return ""

    def number(self, name: str) -> float:
        value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ConfigInvalid(f"{name}: expected a number, not below 0")
        return float(value)

    def span(self, name: str) -> Span:
        value = self._value(name)
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(type(end) in (int, float) for end in value)
            or not 0 <= value[0] <= value[1]
        ):
            raise ConfigInvalid(f"{name}: expected [shortest, longest] in seconds")
        return float(value[0]), float(value[1])

    def file(self, name: str) -> Path:
        return self._folder / self.text(name)

    def _value(self, name: str) -> Any:
        value: Any = self._raw
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise ConfigInvalid(f"{name}: missing; `simulate init` fills it in")
            value = value[part]
        return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file.

    Raises: ConfigInvalid (there is no such file, or something else is in it).
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigInvalid(f"{path}: not there; `simulate init` makes it") from None
    except ValueError as error:
        raise ConfigInvalid(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigInvalid(f"{path}: expected a JSON object")
    return value
