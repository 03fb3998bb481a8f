"""Many e-mails in one request: what they share stands once, what differs stands with each person.

E-mails of one kind differ in a few lines. Those lines become marks that SendGrid replaces for
each personalization; substitutions are replaced as they are, without any escaping of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.sendgrid_email.mail import build_mail, build_person
from integrations.sendgrid_email.types import Email

# The provider's bounds; the second is for all substitutions of one personalization.
EMAILS_PER_CALL = 1000
SUBSTITUTIONS_MAX_BYTES = 10_000
_MARK = "-td:"
_PARTS = ("subject", "text", "html")


@dataclass(frozen=True, slots=True)
class Addressed:
    """One e-mail of a batch and the attempt that its events come back with; at: its place."""

    at: int
    email: Email
    attempt_id: str


def group_alike(batch: Iterable[Addressed]) -> list[list[Addressed]]:
    """Groups of which each can leave in one request, as large as they may be."""
    groups: dict[object, list[Addressed]] = {}
    full: list[list[Addressed]] = []
    for one in batch:
        shape = _shape(one.email)
        # What holds a mark of ours would be replaced inside; alone there is nothing to replace.
        key = one.at if any(_MARK in part for part in _texts(one.email)) else shape
        group = groups.setdefault(key, [])
        group.append(one)
        if len(group) == EMAILS_PER_CALL:
            full.append(groups.pop(key))
    return full + list(groups.values())


def build_batch(group: Sequence[Addressed]) -> dict[str, Any] | None:
    """The request of one group; None when somebody's own lines are more than may differ."""
    first = group[0].email
    if len(group) == 1:
        return build_mail(first, group[0].attempt_id)
    shared, differing = _compare([one.email for one in group])
    mail = build_mail(
        Email(
            to=first.to,
            sender=first.sender,
            subject=shared["subject"],
            text=shared["text"],
            html=shared["html"] or None,
            language=first.language,
        ),
        group[0].attempt_id,
    )
    people = []
    for one, own in zip(group, differing, strict=True):
        if sum(len(mark) + len(line.encode()) for mark, line in own.items()) > (
            SUBSTITUTIONS_MAX_BYTES
        ):
            return None
        people.append(build_person(one.email, one.attempt_id, own))
    mail["personalizations"] = people
    return mail


def _texts(email: Email) -> tuple[str, ...]:
    return email.subject, email.text, email.html or ""


def _shape(email: Email) -> tuple[object, ...]:
    """E-mails of the same shape can share a request: they differ within their lines at most."""
    counts = tuple(part.count("\n") for part in _texts(email))
    return email.sender, email.language, email.unsubscribe_url is None, *counts


def _compare(emails: Sequence[Email]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The shared parts with marks in place of lines that differ, and each e-mail's own lines."""
    own: list[dict[str, str]] = [{} for _ in emails]
    shared: dict[str, str] = {}
    columns = zip(*(_texts(email) for email in emails), strict=True)
    for name, texts in zip(_PARTS, columns, strict=True):
        if all(text == texts[0] for text in texts):
            shared[name] = texts[0]
            continue
        lines = []
        for number, line in enumerate(zip(*(text.split("\n") for text in texts), strict=True)):
            if all(other == line[0] for other in line):
                lines.append(line[0])
                continue
            # Closed by a sign, so that the first mark is no part of the tenth.
            mark = f"{_MARK}{name}{number}-"
            lines.append(mark)
            for mine, value in zip(own, line, strict=True):
                mine[mark] = value
        shared[name] = "\n".join(lines)
    return shared, own


def guilty_of(paths: Iterable[str], count: int) -> frozenset[int]:
    """Which personalizations a refusal names, where it names any: personalizations.3.to.0.email."""
    found = set()
    for path in paths:
        words = path.split(".")
        if words[0] == "personalizations" and len(words) > 1 and words[1].isdecimal():
            found.add(int(words[1]))
    return frozenset(number for number in found if number < count)
