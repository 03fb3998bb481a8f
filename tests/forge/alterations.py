"""Ways to alter a genuine message, or to forge one without the right secret."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from string import ascii_letters
from urllib.parse import parse_qsl, quote_plus, urlencode

from tests.forge.genuine import (
    ENDPOINTS,
    FORM,
    JSON,
    SENDGRID_SIGNATURE,
    SENDGRID_TIMESTAMP,
    TWILIO_SIGNATURE,
    Keys,
    Message,
    make_genuine,
    sign_twilio,
)

SIGNATURES = (TWILIO_SIGNATURE, SENDGRID_SIGNATURE, "Tiedolla-Signature")
TIMESTAMPS = (SENDGRID_TIMESTAMP, "Tiedolla-Timestamp")
OTHER_KEYS = ("voima.1", "dms.1", "head-end.1", "nobody.1", "voima.2", "dms.99")
DAY_S = 86_400
# Names that Twilio may send, and some that it may not.
EXTRA = ("ErrorMessage", "FromCity", "SmsStatus", "To", "Extra", "from", "Body", "NewThing")


@dataclass(frozen=True, slots=True)
class Forger:
    """Whoever alters: what they know, and the moment."""

    keys: Keys
    draw: random.Random
    now: datetime


Alteration = Callable[[Forger, Message], Message | None]


def alter(forger: Forger, genuine: Message) -> tuple[str, Message]:
    """One alteration that is one: what means the same to us as the genuine message is none."""
    while True:
        name = forger.draw.choice(_APPLICABLE[genuine.endpoint])
        altered = _ALTERATIONS[name](forger, genuine)
        if altered is not None and _meaning(altered) != _meaning(genuine):
            return name, altered


def _meaning(message: Message) -> tuple[object, ...]:
    """What of a message is read: two that agree in it are the same message."""
    headers = {name.lower(): value.strip() for name, value in message.headers.items()}
    headers["content-type"] = headers.get("content-type", "").partition(";")[0]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    headers["authorization"] = f"{scheme.lower()} {token.strip()}"
    body: object = message.body
    if headers["content-type"] == FORM:
        body = _pairs(message.body)
    is_twilio = message.endpoint.startswith("twilio")
    # Only Twilio signs the query, and nobody else reads it.
    query = message.query if is_twilio else ""
    return message.method, message.path, query, tuple(sorted(headers.items())), body


def _pairs(body: bytes) -> object:
    try:
        return sorted(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True))
    except ValueError:
        return body


def _with(message: Message, **headers: str | None) -> Message:
    """The message with some headers changed; underscores stand for hyphens, None takes one away."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _with_headers(message, named)


def _with_headers(message: Message, headers: Mapping[str, str | None]) -> Message:
    merged: dict[str, str | None] = {**message.headers, **headers}
    return replace(message, headers={n: v for n, v in merged.items() if v is not None})


def _header_of(message: Message, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in message.headers), None)


def _flip_text(draw: random.Random, text: str) -> str:
    """One bit of one character, kept a visible one: others do not pass a web server."""
    while True:
        place = draw.randrange(len(text))
        flipped = chr(ord(text[place]) ^ 1 << draw.randrange(7))
        if flipped.isprintable() and flipped.isascii() and flipped != " ":
            return text[:place] + flipped + text[place + 1 :]


# Alterations of any message.


def _flip_body(forger: Forger, message: Message) -> Message:
    body = bytearray(message.body)
    for _ in range(forger.draw.choice((1, 1, 1, 2, 5))):
        body[forger.draw.randrange(len(body))] ^= 1 << forger.draw.randrange(8)
    return replace(message, body=bytes(body))


def _flip_signature(forger: Forger, message: Message) -> Message | None:
    name = _header_of(message, SIGNATURES)
    return (
        None
        if name is None
        else _with_headers(message, {name: _flip_text(forger.draw, message.headers[name])})
    )


def _flip_timestamp(forger: Forger, message: Message) -> Message | None:
    name = _header_of(message, TIMESTAMPS)
    return (
        None
        if name is None
        else _with_headers(message, {name: _flip_text(forger.draw, message.headers[name])})
    )


def _flip_credential(forger: Forger, message: Message) -> Message | None:
    if "Tiedolla-Key" not in message.headers:
        return None
    if forger.draw.random() < 0.5:
        return _with(message, Tiedolla_Key=_flip_text(forger.draw, message.headers["Tiedolla-Key"]))
    token = message.headers["Authorization"].removeprefix("Bearer ")
    return _with(message, Authorization=f"Bearer {_flip_text(forger.draw, token)}")


def _without_a_header(forger: Forger, message: Message) -> Message:
    return _with_headers(message, {forger.draw.choice(list(message.headers)): None})


def _short_signature(forger: Forger, message: Message) -> Message | None:
    name = _header_of(message, SIGNATURES)
    return (
        None
        if name is None
        else _with_headers(message, {name: message.headers[name][: -forger.draw.randrange(1, 8)]})
    )


def _long_signature(forger: Forger, message: Message) -> Message | None:
    name = _header_of(message, SIGNATURES)
    more = forger.draw.choice(("=", "==", "A", "0", "\u00e4", ","))
    return None if name is None else _with_headers(message, {name: message.headers[name] + more})


def _signature_of_another(forger: Forger, message: Message) -> Message | None:
    name = _header_of(message, SIGNATURES)
    other = make_genuine(message.endpoint, forger.keys, forger.draw, forger.now)
    return None if name is None else _with_headers(message, {name: other.headers[name]})


def _body_of_another(forger: Forger, message: Message) -> Message:
    other = make_genuine(message.endpoint, forger.keys, forger.draw, forger.now)
    return replace(message, body=other.body)


def _cut_body(forger: Forger, message: Message) -> Message:
    return replace(message, body=message.body[: forger.draw.randrange(len(message.body))])


def _longer_body(forger: Forger, message: Message) -> Message:
    more = forger.draw.choice((b" ", b"\n", b"&", b"{}", b"&To=%2B358401234567", b"\x00"))
    at = forger.draw.choice((0, len(message.body)))
    return replace(message, body=message.body[:at] + more + message.body[at:])


def _twice(_forger: Forger, message: Message) -> Message:
    joint = b"&" if message.headers["Content-Type"] == FORM else b""
    return replace(message, body=message.body + joint + message.body)


def _zipped(forger: Forger, message: Message) -> Message:
    zipped = replace(message, body=gzip.compress(message.body))
    return zipped if forger.draw.random() < 0.3 else _with(zipped, Content_Encoding="gzip")


def _other_encoding(forger: Forger, message: Message) -> Message:
    encoding = forger.draw.choice(("utf-16", "utf-8-sig", "utf-32", "utf-7"))
    return replace(message, body=message.body.decode("utf-8").encode(encoding))


def _other_media_type(forger: Forger, message: Message) -> Message:
    kinds = ("text/plain", "multipart/form-data", "application/xml", FORM, JSON, "text/json")
    return _with(message, Content_Type=forger.draw.choice(kinds))


def _other_path(forger: Forger, message: Message) -> Message | None:
    other = make_genuine(forger.draw.choice(ENDPOINTS), forger.keys, forger.draw, forger.now)
    if other.key == message.key:
        # Whoever may speak there has shown who it is; what it says wrong is kept with the reason.
        return None
    return replace(message, path=other.path, query=forger.draw.choice((message.query, other.query)))


def _odd_path(forger: Forger, message: Message) -> Message:
    odd = forger.draw.choice(("/", "/x", "%2f", ";x=1", "//", "/../status"))
    return replace(message, path=message.path + odd)


def _other_method(forger: Forger, message: Message) -> Message:
    return replace(message, method=forger.draw.choice(("PUT", "PATCH", "DELETE", "GET")))


# Alterations of what signs the timestamp and the raw body.


def _reordered_json(forger: Forger, message: Message) -> Message:
    value = json.loads(message.body)
    forms: tuple[dict[str, object], ...] = (
        {"indent": 1},
        {"separators": (",", ":")},
        {"sort_keys": True},
        {"ensure_ascii": True},
    )
    return replace(message, body=json.dumps(value, **forger.draw.choice(forms)).encode())  # type: ignore[arg-type]


def _stale(forger: Forger, message: Message) -> Message:
    """Signed as it should be, but not now."""
    now_s = int(forger.now.timestamp())
    if message.endpoint == "sendgrid_events":
        at = now_s + forger.draw.choice((-1, 1)) * (25 * 3600 + 60 + forger.draw.randrange(DAY_S))
        headers = {
            SENDGRID_TIMESTAMP: str(at),
            SENDGRID_SIGNATURE: forger.keys.sign_events(str(at), message.body),
        }
        return _with_headers(message, headers)
    at = now_s + forger.draw.choice((-1, 1)) * (330 + forger.draw.randrange(DAY_S))
    return _with_headers(message, forger.keys.sign_feed(message.key, at, message.body))


def _odd_timestamp(forger: Forger, message: Message) -> Message | None:
    name = _header_of(message, TIMESTAMPS)
    odd = ("0{}", "+{}", "{}.0", "{}0", "{},{}", "-{}", "0x{}", "1e9", "\u0661{}", "")
    return (
        None
        if name is None
        else _with_headers(
            message, {name: forger.draw.choice(odd).replace("{}", message.headers[name])}
        )
    )


def _other_key(forger: Forger, message: Message) -> Message | None:
    """Signed by somebody who may not say this, or by a key that nobody has."""
    if "Tiedolla-Key" not in message.headers:
        return None
    key = forger.draw.choice(OTHER_KEYS)
    at = message.headers["Tiedolla-Timestamp"]
    signed = forger.keys.sign_feed(key, at, message.body)
    if forger.draw.random() < 0.4:
        # Under the right name, with the wrong secret.
        signed["Tiedolla-Key"] = message.headers["Tiedolla-Key"]
        signed["Authorization"] = message.headers["Authorization"]
    elif key == message.key:
        return None
    return _with_headers(message, signed)


def _other_raw_key(forger: Forger, message: Message) -> Message | None:
    """Signed with a key pair of the forger's own, or with nothing but the right length."""
    name = _header_of(message, SIGNATURES)
    if name is None:
        return None
    size = {TWILIO_SIGNATURE: 20, SENDGRID_SIGNATURE: 71}.get(name)
    if size is None:
        return _with_headers(message, {name: f"v1={forger.draw.getrandbits(256):064x}"})
    made = base64.b64encode(forger.draw.randbytes(size)).decode()
    return _with_headers(message, {name: made})


# Alterations of Twilio's forms; these know the right secret only where nothing is forged with it.


def _moved_border(forger: Forger, message: Message) -> Message | None:
    """The same signed text with a border between a name and a value elsewhere."""
    pairs = sorted(message.form)
    place = forger.draw.randrange(len(pairs))
    name, value = pairs[place]
    way = forger.draw.randrange(4)
    if way == 0 and value:
        # The value's end becomes a parameter of its own.
        cut = _likely_border(forger.draw, value)
        end = value[cut:]
        letters = len(end) - len(end.lstrip(ascii_letters))
        split = letters or forger.draw.randrange(1, len(end) + 1)
        moved = [(name, value[:cut]), (end[:split], end[split:])]
    elif way == 1:
        # The name's end moves into its value.
        cut = forger.draw.randrange(1, len(name))
        moved = [(name[:cut], name[cut:] + value)]
    elif way == 2 and value:
        # The value's beginning moves into its name.
        cut = forger.draw.randrange(1, len(value) + 1)
        moved = [(name + value[:cut], value[cut:])]
    elif place + 1 < len(pairs):
        # The next parameter becomes the end of this one's value.
        moved = [(name, value + "".join(pairs[place + 1]))]
        del pairs[place + 1]
    else:
        return None
    altered = [*pairs[:place], *moved, *pairs[place + 1 :]]
    if "".join(n + v for n, v in sorted(dict(altered).items())) != _signed(message):
        return None
    return replace(message, body=urlencode(altered).encode())


def _likely_border(draw: random.Random, value: str) -> int:
    """A place where a name could begin: at a capital, if there is one, or anywhere."""
    capitals = [place for place, sign in enumerate(value) if place and sign.isupper()]
    return draw.choice(capitals) if capitals else draw.randrange(len(value))


def _signed(message: Message) -> str:
    return "".join(name + value for name, value in sorted(message.form))


def _repeated(forger: Forger, message: Message) -> Message:
    name, value = forger.draw.choice(message.form)
    more = forger.draw.choice((value, "x", "", value + "1"))
    pair = f"{quote_plus(name)}={quote_plus(more)}".encode()
    joined = (message.body, pair) if forger.draw.random() < 0.5 else (pair, message.body)
    return replace(message, body=b"&".join(joined))


def _added(forger: Forger, message: Message) -> Message:
    pair = urlencode([(forger.draw.choice(EXTRA), forger.draw.choice(("", "1", "delivered")))])
    return replace(message, body=message.body + b"&" + pair.encode())


def _left_out(forger: Forger, message: Message) -> Message:
    pairs = list(message.form)
    pairs.pop(forger.draw.randrange(len(pairs)))
    return replace(message, body=urlencode(pairs).encode())


def _changed_value(forger: Forger, message: Message) -> Message:
    pairs = list(message.form)
    place = forger.draw.randrange(len(pairs))
    name, value = pairs[place]
    values = ("", "delivered", "failed", "+358409999999", value.lower(), value + " ", "SEIS")
    pairs[place] = (name, forger.draw.choice(values))
    return replace(message, body=urlencode(pairs).encode())


def _other_account(forger: Forger, message: Message) -> Message:
    """One account's name with the other one's secret."""
    other = next(sid for sid in forger.keys.twilio if sid != message.key)
    form = dict(message.form)
    if forger.draw.random() < 0.5:
        return sign_twilio(forger.keys, message.path, message.query, form, other, message.endpoint)
    form["AccountSid"] = other
    return sign_twilio(
        forger.keys, message.path, message.query, form, message.key, message.endpoint
    )


def _nobodys_account(forger: Forger, message: Message) -> Message:
    """The secret is right, but it signs for an account that is not ours."""
    form = {**dict(message.form), "AccountSid": f"AC{forger.draw.getrandbits(128):032x}"}
    key = forger.draw.choice(list(forger.keys.twilio))
    return sign_twilio(forger.keys, message.path, message.query, form, key, message.endpoint)


def _other_query(forger: Forger, message: Message) -> Message:
    other = make_genuine("twilio_status", forger.keys, forger.draw, forger.now)
    attempt = message.query
    queries = (other.query, "", "x=1", f"{attempt}&{other.query}", f"{attempt}&x=1")
    return replace(message, query=forger.draw.choice((*queries, attempt.upper(), attempt[:-1])))


def _other_host(forger: Forger, message: Message) -> Message:
    """Signed for another address of ours; the Host header says so, too."""
    url = f"http://elsewhere.example{message.path}"
    url += f"?{message.query}" if message.query else ""
    signature = forger.keys.sign_form(url, dict(message.form), message.key)
    return _with_headers(message, {TWILIO_SIGNATURE: signature, "Host": "elsewhere.example"})


def _latin_form(_forger: Forger, message: Message) -> Message:
    """Percent-encoded from ISO-8859-1, which the signature does not cover."""
    pairs = [f"{quote_plus(n)}={quote_plus(v, encoding='latin-1')}" for n, v in message.form]
    return replace(message, body="&".join(pairs).encode())


_ANY: Mapping[str, Alteration] = {
    "bits of the body": _flip_body,
    "bits of the signature": _flip_signature,
    "no header": _without_a_header,
    "a short signature": _short_signature,
    "a long signature": _long_signature,
    "another's signature": _signature_of_another,
    "another's body": _body_of_another,
    "a cut body": _cut_body,
    "a longer body": _longer_body,
    "the body twice": _twice,
    "a zipped body": _zipped,
    "another encoding": _other_encoding,
    "another media type": _other_media_type,
    "another path": _other_path,
    "an odd path": _odd_path,
    "another method": _other_method,
    "a made-up signature": _other_raw_key,
}
_OF_JSON: Mapping[str, Alteration] = {
    "bits of the timestamp": _flip_timestamp,
    "the same JSON otherwise": _reordered_json,
    "a stale timestamp": _stale,
    "an odd timestamp": _odd_timestamp,
}
_OF_FEEDS: Mapping[str, Alteration] = {
    "bits of the credential": _flip_credential,
    "another's key": _other_key,
}
_OF_FORMS: Mapping[str, Alteration] = {
    "a moved border": _moved_border,
    "a parameter twice": _repeated,
    "a parameter more": _added,
    "a parameter less": _left_out,
    "another value": _changed_value,
    "another account's secret": _other_account,
    "an account that is not ours": _nobodys_account,
    "another query": _other_query,
    "another host": _other_host,
    "another form encoding": _latin_form,
}
_ALTERATIONS: Mapping[str, Alteration] = {**_ANY, **_OF_JSON, **_OF_FEEDS, **_OF_FORMS}


def _applicable(endpoint: str) -> list[str]:
    if endpoint.startswith("twilio"):
        # Borders are the weak point of this signature, so they are tried more often.
        return [*_ANY, *_OF_FORMS, *["a moved border"] * 6]
    return [*_ANY, *_OF_JSON, *(() if endpoint == "sendgrid_events" else _OF_FEEDS)]


_APPLICABLE: Mapping[str, list[str]] = {one: _applicable(one) for one in ENDPOINTS}
