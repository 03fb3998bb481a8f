"""Every setting of the product in one frozen, typed object.

Names in the environment carry the prefix TIEDOLLA_; a name that ends in _FILE gives the path of
a file that holds the value, for secrets. All missing or wrong names are reported at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.domain.reconciliation import SystemUnknown, systems
from app.domain.sender_profiles import Senders, is_number, is_sender

PREFIX = "TIEDOLLA_"


class SettingsInvalid(RuntimeError):
    """The environment does not make a valid configuration; the text names every fault."""


class Settings(BaseSettings):
    """The configuration, with the unit in each field's name where it has one."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    environment: Literal["development", "test", "production"] = Field(
        "production",
        description="development, test or production; shown on every page but production",
    )
    environment_trust: dict[str, str] = Field(
        default_factory=dict,
        description="JSON object, environments whose exports are taken to their keys, as printed there"
        ' by flask environment key: {"test": "…"}; several keys separated by spaces',
    )
    base_url: str = Field(description="public address of the portal, without a trailing slash")
    database_url: SecretStr = Field(description="PostgreSQL 15+, as postgresql+psycopg://…")
    redis_url: SecretStr = Field(description="Redis 6.2+ or Valkey, as redis://… or unix://…")
    secret_key: SecretStr = Field(description="signs sessions; at least 32 characters")
    partner_key: SecretStr = Field(
        description="derives the credentials that partners use towards us; at least 32 characters"
    )
    trusted_proxy_count: int = Field(0, ge=0, le=3, description="reverse proxies in front of us")
    secure_cookies: bool = Field(True, description="cookies only over HTTPS; off only for a demo")
    staff_idle_min: int = Field(60, ge=5, description="staff session ends after this idle time")
    staff_session_h: int = Field(12, ge=1, description="staff session ends after this time at most")
    customer_idle_min: int = Field(
        30, ge=5, description="customer session ends after this idle time"
    )
    customer_session_h: int = Field(
        8, ge=1, description="customer session ends after this time at most"
    )
    code_per_address_count: int = Field(
        5, ge=1, description="one-time codes to one address in an hour"
    )
    code_per_customer_count: int = Field(
        15, ge=1, description="one-time codes to all addresses of one customer in a day"
    )
    code_per_source_count: int = Field(
        30, ge=1, description="one-time codes asked for from one network address in an hour"
    )
    enrolment_confirmation: bool = Field(
        False, description="whoever the CIS enrols anew is told so; off for the first load"
    )
    enrolment_per_min_count: int = Field(60, ge=1, description="such messages in a minute at most")
    mailboxes: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='JSON object, mailbox to its address: {"orders": "imaps://user:password@host/INBOX"};'
        " user and password percent-encoded",
    )
    mail_max_bytes: int = Field(
        32 * 1024 * 1024, ge=1024, description="larger e-mails are put aside unread"
    )
    alarm_webhook_url: str = Field(
        "", description="where alarms and signals are posted, signed; empty switches it off"
    )
    alarm_webhook_secret: SecretStr = Field(
        SecretStr(""), description="signs them; at least 32 characters"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="log level")

    database_pool_count: int = Field(5, ge=1, description="pooled connections per process")
    statement_timeout_s: float = Field(30.0, gt=0, description="longest statement of any process")

    cis_sftp_host: str = Field(description="SFTP server on which the CIS drops its files")
    cis_sftp_port: int = Field(22, ge=1, le=65535, description="its port")
    cis_sftp_user: str = Field(description="its user")
    cis_sftp_key_file: Path = Field(description="private key for the login")
    cis_sftp_host_key: str = Field(description="pinned host key, as 'ssh-ed25519 AAAA…'")
    cis_inbox_dir: str = Field("inbox", description="folder in which files arrive")
    cis_processing_dir: str = Field("processing", description="folder of claimed files")
    cis_archive_dir: str = Field("archive", description="folder of stored files")
    cis_quarantine_dir: str = Field("quarantine", description="folder of refused files")
    cis_returns_dir: str = Field("returns", description="folder for our answers to the CIS")
    snapshots_dir: str = Field(
        "snapshots",
        description="folder of lists of what they have, of the CIS and of SFTP partners",
    )
    cis_file_max_bytes: int = Field(
        512 * 1024 * 1024, ge=1024, description="larger files are quarantined unread"
    )
    cis_quiet_s: float = Field(
        2.0, ge=0, description="a file must look the same for this long before it is taken"
    )
    cis_poll_s: float = Field(5.0, gt=0, description="pause between two polls")
    cis_sender_ids: str = Field(
        "", description="GLNs that may send to us, separated by commas; empty takes any"
    )

    partner_tokens: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='JSON object, partner code to its API token: {"voima": "…"}',
    )
    partner_sftp_key_file: str = Field(
        "", description="private key for the login to partners' SFTP servers"
    )
    partner_host_keys: dict[str, str] = Field(
        default_factory=dict,
        description='JSON object, partner code to its server\'s pinned host key: {"x": "ssh-ed25519 AAAA…"}',
    )
    partner_poll_s: float = Field(
        30.0, gt=0, description="pause between two looks into partners' folders"
    )
    ack_patience_s: float = Field(
        86_400.0,
        gt=0,
        description="an order may stay so long without a word where the partner's bundle names no time",
    )
    nis_url: str = Field(description="network information system, base address")
    nis_token: SecretStr = Field(description="its bearer token")
    dms_url: str = Field(description="distribution management system, base address")
    dms_token: SecretStr = Field(description="its bearer token")
    billing_url: str = Field(description="billing system, base address")
    billing_token: SecretStr = Field(description="its bearer token")

    head_end_url: str = Field(
        "", description="head-end, base address of its list of meters; empty: it gives none"
    )
    head_end_token: SecretStr = Field(SecretStr(""), description="its bearer token")
    reconcile_systems: str = Field(
        "partners,nis,dms,billing",
        description="systems whose lists are compared with what they got, separated by commas;"
        " partners: those with REST; also cis, head_end, stock (their meters of ours), partner.CODE",
    )
    reconcile_grace_s: float = Field(
        900.0, ge=0, description="what changed so shortly before a list was taken is not judged"
    )
    reconcile_alarm_h: float = Field(
        24.0, gt=0, description="a difference that nobody ended for so long raises an alarm"
    )
    reconcile_list_late_h: float = Field(
        30.0,
        gt=0,
        description="a system that lays down its lists, or whose lists a runner fetches, raises an alarm when"
        " the newest is this old",
    )

    twilio_url: str = Field("https://api.twilio.com", description="Twilio's base address")
    twilio_account_sid: str = Field(description="Twilio account")
    twilio_auth_token: SecretStr = Field(description="Twilio secret; also verifies its callbacks")
    twilio2_url: str = Field(
        "https://api.twilio.com", description="base address of a second SMS route"
    )
    twilio2_account_sid: str = Field(
        "", description="its account; empty means that there is no second route"
    )
    twilio2_auth_token: SecretStr = Field(
        SecretStr(""), description="its secret; also verifies its callbacks"
    )
    twilio2_senders: dict[str, str] = Field(
        default_factory=dict,
        description='JSON object, our sender to its name there: {"Verkkoyhtio": "+358…"}',
    )
    sms_sender: str = Field(description="authorised sender id or number")
    sms_two_way_sender: str = Field(
        "", description="number whose replies reach us; texts that ask for an answer leave from it"
    )
    sms_authorised_senders: str = Field(
        "",
        description="sender ids authorised with the regulator, separated by commas;"
        " outside production empty means those in use",
    )
    sendgrid_url: str = Field("https://api.sendgrid.com", description="SendGrid's base address")
    sendgrid_api_key: SecretStr = Field(description="SendGrid API key")
    sendgrid_event_public_key: str = Field(description="verifies SendGrid's event webhook, base64")
    email_sender: str = Field(description="From address of e-mails")

    brand: str = Field(max_length=11, description="company name in messages, at most 11 characters")
    customer_service_phone: str = Field(description="number that messages tell customers to call")

    sms_part_price_cents: float = Field(
        7.0, ge=0, description="what one part of a text message costs, for estimates and the budget"
    )
    email_price_cents: float = Field(0.1, ge=0, description="what one e-mail costs, for the same")
    letter_price_cents: float = Field(
        150.0, ge=0, description="what one printed and posted letter costs, for estimates"
    )
    budget_hour_cents: int = Field(
        0, ge=0, description="messages wait when an hour has cost this much; 0 is no limit"
    )
    budget_day_cents: int = Field(
        0, ge=0, description="and when a day in Helsinki has cost this much; 0 is no limit"
    )
    letter_sender_address: str = Field(
        "", description="sender on letters, lines separated by |; empty takes the brand"
    )

    mass_hold_count: int = Field(
        1_000, ge=0, description="a mass file with more bad items waits for two people; 0: no limit"
    )
    mass_hold_percent: float = Field(
        5.0, ge=0, le=100, description="and so does one with a larger share of bad items"
    )
    rollout_refresh_s: float = Field(
        300.0, gt=0, description="the rollout's figures are counted again after this time"
    )
    ack_silence_days: int = Field(
        3, ge=1, description="an order that the contractor has not answered for so long is told of"
    )
    blast_guard_count: int = Field(
        20_000,
        ge=1,
        description="an announcement to more points than this waits for a second person",
    )
    blast_guard_area_percent: float = Field(
        50.0, gt=0, description="and so does one to more than this share of a municipality"
    )

    status_snapshot_dir: Path = Field(
        Path("instance/status"), description="folder of the public status page's snapshot"
    )
    status_frame_ancestors: str = Field(
        "*", description="sites that may show the status in a frame, as in Content-Security-Policy"
    )
    fault_close_after_h: float = Field(
        6.0, gt=0, description="a fault that is over is closed after this time"
    )
    priority_call_after_h: float = Field(
        4.0, gt=0, description="priority customers without power for so long are called"
    )
    retention_body_days: int = Field(730, ge=30, description="texts of messages (24 months)")
    retention_delivery_days: int = Field(
        1095, ge=60, description="what became of messages, and where they went (36 months)"
    )
    retention_code_h: int = Field(24, ge=1, description="one-time codes and their requests")
    retention_xml_days: int = Field(90, ge=7, description="messages as they came in")
    retention_outgoing_days: int = Field(
        1095, ge=60, description="people and places in what was sent to other systems (36 months)"
    )
    retention_payload_days: int = Field(90, ge=7, description="payloads of steps of processes")
    retention_step_days: int = Field(
        1461, ge=60, description="steps of runs, by whole months (4 years); runs stay"
    )
    retention_audit_days: int = Field(2192, ge=365, description="audit trail (6 years)")

    http_connect_s: float = Field(3.0, gt=0, description="longest wait for a connection")
    http_total_s: float = Field(10.0, gt=0, description="longest wait for an answer")
    in_flight_count: int = Field(
        100, ge=1, le=2000, description="calls under way per sender process"
    )
    lease_s: float = Field(120.0, gt=10, description="longest hold of a claimed outbox item")
    runner_lease_s: float = Field(
        900.0,
        ge=60,
        le=86_400,
        description="so long a lane runner goes on with what it has claimed while it cannot reach us",
    )
    unknown_grace_s: float = Field(
        60.0, ge=0, description="wait for a callback before an unknown outcome is looked up"
    )
    unknown_lookup_gap_s: float = Field(
        150.0, ge=0, description="wait between the two look-ups of an unknown outcome"
    )

    @field_validator(
        "base_url",
        "nis_url",
        "dms_url",
        "billing_url",
        "twilio_url",
        "twilio2_url",
        "sendgrid_url",
    )
    @classmethod
    def _plain_address(cls, value: str) -> str:
        """Paths are put behind these, and Twilio signs the result: a slash too many breaks both."""
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("alarm_webhook_url", "head_end_url")
    @classmethod
    def _address_or_nothing(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("reconcile_systems")
    @classmethod
    def _known_systems(cls, value: str) -> str:
        try:
            systems(_listed(value), [])
        except SystemUnknown as error:
            raise ValueError(f"there is no system {error.name}") from None
        return value

    @field_validator("sms_sender", "sms_two_way_sender")
    @classmethod
    def _sender_id(cls, value: str, info: ValidationInfo) -> str:
        """Operators drop texts from any other form of sender without a word."""
        if info.field_name == "sms_two_way_sender" and value and not is_number(value):
            raise ValueError("must be a number, as +358…")
        if value and not is_sender(value):
            raise ValueError("must be a number, or 3 to 11 letters, digits and single spaces")
        return value

    @property
    def sms_senders(self) -> Senders:
        """Whom text messages come from, and who may be used (REQ-28)."""
        listed = _listed(self.sms_authorised_senders)
        if not listed and self.environment != "production":
            listed = frozenset({self.sms_sender, self.sms_two_way_sender} - {""})
        return Senders(self.sms_sender, self.sms_two_way_sender, listed)

    @property
    def status_folder(self) -> Path:
        """The folder of the public status; a relative one lies beside the code."""
        return Path(__file__).resolve().parent.parent / self.status_snapshot_dir

    @property
    def reconciled(self) -> frozenset[str]:
        """The systems, or kinds of systems, whose lists are compared."""
        return _listed(self.reconcile_systems)

    @property
    def message_sender_ids(self) -> frozenset[str]:
        """GLNs that may send CIS files; empty means any."""
        return _listed(self.cis_sender_ids)


def load_settings(environ: dict[str, str] | None = None) -> Settings:
    """Read the environment; raises SettingsInvalid with one line per missing or wrong name."""
    source = dict(os.environ if environ is None else environ)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        path = source.get(variable + "_FILE")
        if path is not None and not name.endswith("_file"):
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                faults.append(f"{variable}_FILE: cannot read the file ({error.strerror})")
    try:
        settings = _from_mapping(source, values)
    except ValidationError as error:
        for fault in error.errors():
            variable = PREFIX + "_".join(str(part) for part in fault["loc"]).upper()
            faults.append(f"{variable}: {_plain(fault['type'], fault['msg'])}")
        raise SettingsInvalid("Configuration is not complete:\n  " + "\n  ".join(faults)) from None
    faults += _weak_secrets(settings)
    if faults:
        raise SettingsInvalid("Configuration is not complete:\n  " + "\n  ".join(faults))
    return settings


def env_example() -> str:
    """The text of .env.example: every name with its meaning and default, in order."""
    lines = ["# Every setting of Tiedolla. A name with _FILE added reads the value from that file."]
    for name, field in Settings.model_fields.items():
        lines.append("")
        lines.append(f"# {field.description}{' (required)' if field.is_required() else ''}")
        if field.is_required():
            value = ""
        elif field.default_factory is not None:
            value = "{}"
        else:
            value = (
                str(field.default).lower()
                if isinstance(field.default, bool)
                else str(field.default)
            )
        lines.append(f"{PREFIX}{name.upper()}={value}")
    return "\n".join(lines) + "\n"


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _from_mapping(source: dict[str, str], values: dict[str, Any]) -> Settings:
    """Build the object from the mapping alone, so that tests never depend on the real environment."""
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        if name in values or variable not in source:
            continue
        text = source[variable]
        # An empty value is the same as no value: it is how a line of .env.example is left alone.
        if text == "" and field.is_required():
            continue
        values[name] = text
    for name in (
        "partner_tokens",
        "partner_host_keys",
        "twilio2_senders",
        "mailboxes",
        "environment_trust",
    ):
        if isinstance(values.get(name), str):
            try:
                values[name] = json.loads(values[name])
            except ValueError:
                values[name] = "not a JSON object"
    return Settings.model_validate(values)


def _plain(kind: str, message: str) -> str:
    return "missing" if kind == "missing" else message


def _weak_secrets(settings: Settings) -> list[str]:
    faults = []
    for name in ("secret_key", "partner_key"):
        if len(getattr(settings, name).get_secret_value()) < 32:
            faults.append(f"{PREFIX}{name.upper()}: shorter than 32 characters")
    if settings.alarm_webhook_url and len(settings.alarm_webhook_secret.get_secret_value()) < 32:
        faults.append(f"{PREFIX}ALARM_WEBHOOK_SECRET: shorter than 32 characters")
    return faults


if __name__ == "__main__":
    sys.stdout.write(env_example())
