"""Posts forged messages to the application and judges: nothing stored, and an answer of 400 to 499."""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import text

from app.db import db, transaction
from app.services import planned_requests
from app.settings import Settings
from tests.forge.alterations import Forger, alter
from tests.forge.genuine import ENDPOINTS, Keys, Message, keys_of, make_genuine

# How often it is looked whether anything was stored; a finding is then narrowed down by its name.
LOOK_EVERY = 250


@dataclass(slots=True)
class Struck:
    """What was tried and what went wrong; accepted says which alteration of what."""

    tried: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)

    def note(self, message: Message, name: str, status: int) -> None:
        """One message was posted."""
        self.tried[f"{message.endpoint}: {name}"] += 1
        self.answers[status] += 1
        if not 400 <= status < 500:
            facts = f"{message.method} {message.path}?{message.query} {message.body[:300]!r}"
            self.accepted.append(f"{message.endpoint}, {name}: answered {status}: {facts}")


def equip(app: Flask) -> Keys:
    """Give the application two SMS accounts and the public half of a mail provider's key."""
    pair = ec.generate_private_key(ec.SECP256R1())
    der = pair.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    settings: Settings = app.extensions["tiedolla_settings"]
    changed = settings.model_copy(
        update={
            "sendgrid_event_public_key": base64.b64encode(der).decode(),
            "twilio2_account_sid": "AC" + "2" * 32,
            "twilio2_auth_token": SecretStr("another-twilio-secret"),
        }
    )
    app.extensions["tiedolla_settings"] = changed
    with app.app_context(), transaction() as session:
        planned_requests.allow_planner(session, "voima", None, True, "test", datetime.now(UTC))
    return keys_of(changed, pair)


def post(client: FlaskClient, message: Message) -> int:
    """The status of the answer."""
    headers = dict(message.headers)
    host = headers.pop("Host", None)
    answer = client.open(
        message.path,
        base_url=f"http://{host}" if host else None,
        method=message.method,
        query_string=message.query,
        headers=headers,
        data=message.body,
    )
    return answer.status_code


def count_rows(app: Flask) -> dict[str, int]:
    """How many rows every table has."""
    tables = [table.name for table in db.metadata.sorted_tables]
    counts = " UNION ALL ".join(f"SELECT '{one}', count(*) FROM \"{one}\"" for one in tables)
    with app.app_context(), transaction() as session:
        return {row[0]: row[1] for row in session.execute(text(counts))}


def strike(
    app: Flask, keys: Keys, count: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> Struck:
    """Post so many altered messages, each made of a genuine one that was never sent."""
    draw = random.Random(seed)  # noqa: S311 - the same seed has to mean the same forgeries.
    client = app.test_client()
    struck = Struck()
    before = count_rows(app)
    since: Counter[str] = Counter()
    for number in range(1, count + 1):
        now = datetime.now(UTC)
        genuine = make_genuine(draw.choice(ENDPOINTS), keys, draw, now)
        name, altered = alter(Forger(keys, draw, now), genuine)
        struck.note(altered, name, post(client, altered))
        since[f"{genuine.endpoint}: {name}"] += 1
        if number % LOOK_EVERY == 0 or number == count:
            after = count_rows(app)
            grown = {one: n - before[one] for one, n in after.items() if n != before[one]}
            if grown:
                struck.accepted.append(f"rows appeared: {grown}, after one of {dict(since)}")
                before = after
            since.clear()
            if number % 10_000 == 0:
                say(f"{number} of {count}, {len(struck.accepted)} accepted")
    return struck
