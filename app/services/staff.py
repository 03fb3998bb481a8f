"""Staff accounts: made, checked at log-in, locked for a while after failures, switched off."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.roles import Role
from app.models.staff_account import StaffAccount
from app.services import audit

LOCK_AFTER_FAILURES = 5
LOCK_FOR = timedelta(minutes=15)
PASSWORD_MIN_CHARS = 12
# Argon2 takes any length; a bound keeps a huge form from becoming a huge computation.
PASSWORD_MAX_CHARS = 200

_hasher = PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Checked for user names that nobody has, so that they cost as much time as those that exist.

    Made on first use: a hash takes 64 MiB, which workers that log nobody in must not hold.
    """
    return _hasher.hash("nobody has this password")


class LoginOutcome(StrEnum):
    """How a log-in ended; the person at the page only learns whether it was OK."""

    OK = "OK"
    WRONG = "WRONG"
    LOCKED = "LOCKED"
    INACTIVE = "INACTIVE"


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in's outcome, and the account when it went well."""

    outcome: LoginOutcome
    account: StaffAccount | None = None


class UsernameTaken(Exception):
    """Another account has this user name; the caller asks for a different one."""


class PasswordTooWeak(Exception):
    """The password is too short, too long or is the user name; the caller asks for another."""


def authenticate(session: Session, username: str, password: str, now: datetime) -> Login:
    """Check a user name and password, count failures, lock after the fifth in a row.

    Promise: the account's row is locked while the password is checked, so that guesses sent at
    the same moment are counted one after the other. Each outcome is in the audit trail.
    """
    name = normalised(username)
    statement = select(StaffAccount).where(StaffAccount.username == name).with_for_update()
    account = session.scalars(statement).one_or_none()
    fits = _fits(account.password_hash if account else _nobodys_hash(), password)
    outcome = _outcome(account, fits, now)
    if account is not None:
        _note(account, outcome, now)
        if outcome is LoginOutcome.OK and _hasher.check_needs_rehash(account.password_hash):
            account.password_hash = _hasher.hash(password)
    actor = f"staff:{account.username}" if account else "staff:unknown"
    audit.record(session, actor, f"LOGIN_{outcome}", actor, {}, now)
    return Login(outcome, account if outcome is LoginOutcome.OK else None)


def create(
    session: Session,
    username: str,
    display_name: str,
    password: str,
    role: Role,
    now: datetime,
    *,
    language: str = "fi",
    by: str,
) -> StaffAccount:
    """Make an account. Raises UsernameTaken, PasswordTooWeak -> ask the person again."""
    name = normalised(username)
    _check_password(name, password)
    if session.scalar(select(StaffAccount.id).where(StaffAccount.username == name)) is not None:
        raise UsernameTaken(name)
    account = StaffAccount(
        username=name,
        display_name=display_name.strip(),
        password_hash=_hasher.hash(password),
        role=role.value,
        language=language,
        created_at=now,
    )
    session.add(account)
    session.flush()
    audit.record(session, by, "STAFF_CREATED", _subject(account), {"role": role.value}, now)
    return account


def set_password(
    session: Session, account: StaffAccount, password: str, now: datetime, *, by: str
) -> None:
    """Give a new password, end the sessions begun with the old one and lift a lock."""
    _check_password(account.username, password)
    account.password_hash = _hasher.hash(password)
    account.session_version += 1
    account.failed_count = 0
    account.locked_until = None
    audit.record(session, by, "STAFF_PASSWORD_SET", _subject(account), {}, now)


def set_active(
    session: Session, account: StaffAccount, active: bool, now: datetime, *, by: str
) -> None:
    """Switch an account on or off; its sessions end."""
    account.active = active
    account.session_version += 1
    action = "STAFF_ACTIVATED" if active else "STAFF_DEACTIVATED"
    audit.record(session, by, action, _subject(account), {}, now)


def normalised(username: str) -> str:
    """User names compare without regard to case and to how letters are composed."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


def _outcome(account: StaffAccount | None, fits: bool, now: datetime) -> LoginOutcome:
    if account is None:
        return LoginOutcome.WRONG
    if account.locked_until is not None and account.locked_until > now:
        return LoginOutcome.LOCKED
    if not fits:
        return LoginOutcome.WRONG
    return LoginOutcome.OK if account.active else LoginOutcome.INACTIVE


def _note(account: StaffAccount, outcome: LoginOutcome, now: datetime) -> None:
    if outcome is LoginOutcome.OK:
        account.failed_count = 0
        account.locked_until = None
        account.last_login_at = now
    elif outcome is LoginOutcome.WRONG:
        account.failed_count += 1
        if account.failed_count >= LOCK_AFTER_FAILURES:
            account.locked_until = now + LOCK_FOR
            # After the lock a person has five tries again.
            account.failed_count = 0


def _fits(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password[:PASSWORD_MAX_CHARS])
    except (VerificationError, InvalidHashError):
        return False


def _check_password(username: str, password: str) -> None:
    long_enough = PASSWORD_MIN_CHARS <= len(password) <= PASSWORD_MAX_CHARS
    if not long_enough or normalised(password) == username:
        raise PasswordTooWeak


def _subject(account: StaffAccount) -> str:
    return f"staff:{account.username}"
