"""Reading the body of a send call: what the provider refuses, and one mail per recipient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulators.ledger import Entry
from simulators.mail.addresses import is_address

RECIPIENTS_MOST = 1000
# Marks and values of all substitutions of one personalization.
SUBSTITUTIONS_MOST_BYTES = 10_000
RESERVED_HEADERS = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "to", "from"),
        *("content-transfer-encoding", "subject", "reply-to", "cc", "bcc"),
    )
)

Wrong = dict[str, str | None]


def check_send(body: Mapping[str, Any]) -> list[Wrong]:
    """Everything that the provider would complain of, in its own shape."""
    wrong: list[Wrong] = []
    personalizations = body.get("personalizations")
    if not isinstance(personalizations, list) or not 1 <= len(personalizations) <= RECIPIENTS_MOST:
        return [_wrong("personalizations", "The personalizations field is required, 1 to 1000.")]
    recipients = 0
    for at, person in enumerate(personalizations):
        path = f"personalizations.{at}"
        if not isinstance(person, Mapping):
            wrong.append(_wrong(path, "Each personalization must be an object."))
            continue
        wrong += _check_person(person, path, _is_text(body.get("subject")))
        recipients += sum(len(_people(person, kind)) for kind in ("to", "cc", "bcc"))
    if recipients > RECIPIENTS_MOST:
        wrong.append(_wrong("personalizations", "There are more than 1000 recipients."))
    sender = body.get("from")
    if not isinstance(sender, Mapping) or not is_address(sender.get("email")):
        wrong.append(_wrong("from.email", "The from object must have a valid email address."))
    wrong += _check_texts(body.get("custom_args"), "custom_args")
    categories = body.get("categories") or []
    if not isinstance(categories, list) or not all(isinstance(one, str) for one in categories):
        wrong.append(_wrong("categories", "The categories must be an array of strings."))
    return wrong + _check_content(body) + _check_headers(body.get("headers"), "headers")


def mails_of(body: Mapping[str, Any], message_id: str) -> Iterator[Entry]:
    """One mail per recipient, its text as this recipient reads it."""
    content = {part["type"]: part["value"] for part in body.get("content") or []}
    for at, person in enumerate(body["personalizations"]):
        swaps = {**(person.get("substitutions") or {})}
        people = [one for kind in ("to", "cc", "bcc") for one in _people(person, kind)]
        for recipient in people:
            yield {
                "message_id": message_id,
                "sg_message_id": f"{message_id}.recvd-{at:04x}-0",
                "to": recipient["email"],
                "to_name": recipient.get("name"),
                "from": body["from"]["email"],
                "from_name": body["from"].get("name"),
                "subject": _swapped(person.get("subject") or body.get("subject") or "", swaps),
                "text": _swapped(content.get("text/plain", ""), swaps),
                "html": _swapped(content.get("text/html", ""), swaps),
                "headers": {**(body.get("headers") or {}), **(person.get("headers") or {})},
                "categories": body.get("categories") or [],
                "custom_args": {
                    **(body.get("custom_args") or {}),
                    **(person.get("custom_args") or {}),
                },
            }


def is_sandbox(body: Mapping[str, Any]) -> bool:
    """True when the call only asks whether it would be accepted."""
    settings = body.get("mail_settings")
    mode = settings.get("sandbox_mode") if isinstance(settings, Mapping) else None
    return isinstance(mode, Mapping) and mode.get("enable") is True


def _check_person(person: Mapping[str, Any], path: str, subject_given: bool) -> Iterator[Wrong]:
    if not person.get("to"):
        yield _wrong(f"{path}.to", "The to array is required for all personalization objects.")
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        if not isinstance(person.get(kind) or [], list):
            yield _wrong(f"{path}.{kind}", f"The {kind} field must be an array.")
        for one in _people(person, kind):
            address = one.get("email") if isinstance(one, Mapping) else None
            if not is_address(address):
                yield _wrong(f"{path}.{kind}.email", "Does not contain a valid address.")
            elif str(address).lower() in seen:
                yield _wrong(f"{path}", "Each email address should be unique between to, cc, bcc.")
            seen.add(str(address).lower())
    own_subject = person.get("subject")
    if not (_is_text(own_subject) or (own_subject is None and subject_given)):
        yield _wrong("subject", "The subject is required.")
    for name in ("custom_args", "substitutions"):
        yield from _check_texts(person.get(name), f"{path}.{name}")
    swaps = person.get("substitutions")
    if isinstance(swaps, Mapping) and _size_of(swaps) > SUBSTITUTIONS_MOST_BYTES:
        yield _wrong(f"{path}.substitutions", "The substitutions may have 10000 bytes in all.")
    yield from _check_headers(person.get("headers"), f"{path}.headers")


def _check_content(body: Mapping[str, Any]) -> list[Wrong]:
    content = body.get("content")
    if not isinstance(content, list) or not content:
        return [_wrong("content", "The content field is required with at least one part.")]
    types: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        value = part.get("value") if isinstance(part, Mapping) else None
        if not isinstance(kind, str) or not isinstance(value, str) or not value:
            return [_wrong("content", "Each part must have a type and a value, not empty.")]
        types.append(kind)
    if "text/plain" in types and types[0] != "text/plain":
        return [_wrong("content", "The text/plain part must be first, followed by text/html.")]
    return []


def _check_texts(values: object, path: str) -> list[Wrong]:
    if values is None:
        return []
    if not isinstance(values, Mapping) or not all(isinstance(one, str) for one in values.values()):
        return [_wrong(path, "The values must be strings.")]
    return []


def _check_headers(headers: object, path: str) -> list[Wrong]:
    if headers is None:
        return []
    if not isinstance(headers, Mapping):
        return [_wrong(path, "The headers must be an object of strings.")]
    return [
        _wrong(f"{path}.{name}", f"The header {name} is reserved.")
        for name in headers
        if str(name).lower() in RESERVED_HEADERS
    ]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _people(person: Mapping[str, Any], kind: str) -> list[Any]:
    people = person.get(kind)
    return people if isinstance(people, list) else []


def _size_of(swaps: Mapping[str, object]) -> int:
    return sum(len(str(part).encode()) for pair in swaps.items() for part in pair)


def _swapped(text: str, swaps: Mapping[str, str]) -> str:
    for mark, value in swaps.items():
        text = text.replace(mark, value)
    return text


def _wrong(field: str, message: str) -> Wrong:
    return {"message": message, "field": field, "help": None}
