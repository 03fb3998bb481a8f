"""Text messages per second through the real drain and the real SDK, and what each costs whom."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any, cast

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import copy_rows, db, transaction
from app.domain.gsrn import check_digit
from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts
from app.domain.notice_types import NOTICE_RULES, Channel, NoticeType
from app.domain.notice_values import values_for
from app.factory import create_app
from app.services import message_templates, outbox
from app.services.notice_items import build_item, notice_key
from app.settings import Settings
from bench.report import row
from bench.sms_worker import make_ready
from deploy.tether import bound
from workers import jobs
from workers.drain import drain

KIND = NoticeType.METER_SWAP_DONE
CHUNK = 1_000


@dataclass(slots=True)
class Cost:
    """What a stretch of work took: seconds on the clock, and of the processor by whom."""

    wall_s: float = 0.0
    ours_s: float = 0.0
    postgres_s: float = 0.0
    stub_s: float = 0.0


def main(count: int) -> list[dict[str, Any]]:
    """Write notices in bulk, let one worker's drain send them, then the same with two workers."""
    app = create_app()
    settings: Settings = app.extensions["tiedolla_settings"]
    with _stub() as (url, stub), app.app_context():
        _seed(count)
        with _measured(stub) as writing:
            _write_notices(count, settings)
        work = make_ready(settings, url)
        with _measured(stub) as one:
            counts = drain(work)
        jobs.end()
        _check(count, counts, url)
        _write_notices(count, settings)
        with _workers(url, 2) as workers, _measured(stub) as two:
            told = _drain_together(workers)
        two.ours_s = sum(worker["cpu_s"] for worker in told)
        _check(2 * count, sum((Counter(worker["counts"]) for worker in told), counts), url)
    note = f"{count:,} messages, {{:.1f}} s, claim to settlement"
    return [
        row("SMS: one worker", count / one.wall_s, "SMS/s", "", note.format(one.wall_s)),
        row("SMS: two workers", count / two.wall_s, "SMS/s", ">= 2,000", note.format(two.wall_s)),
        row("SMS: CPU of a worker", one.ours_s / count * 1000, "ms each", "< 1"),
        row("SMS: CPU of two workers", two.ours_s / count * 1000, "ms each", "< 1"),
        row("SMS: CPU of PostgreSQL", one.postgres_s / count * 1000, "ms each"),
        row("SMS: CPU of the stub", one.stub_s / count * 1000, "ms each", "", "not ours"),
        row("SMS: notices written", count / writing.wall_s, "notices/s", "", "text, row, item"),
        row("SMS: CPU of writing", writing.ours_s / count * 1000, "ms each"),
        row(
            "SMS: written, then sent", count / (writing.wall_s + one.wall_s), "SMS/s", "", "by one"
        ),
    ]


def _drain_together(workers: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """Let all of them go at once and wait for the last."""
    for worker in workers:
        told_to = cast("IO[str]", worker.stdin)
        told_to.write("go\n")
        told_to.flush()
    return [json.loads(_line_of(worker)) for worker in workers]


@contextmanager
def _workers(url: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes that each wait for the word to drain the lane."""
    command = bound([sys.executable, "-m", "bench.sms_worker", url])
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(count)
        ]
        for worker in workers:
            _line_of(worker)
        yield workers


def _line_of(process: subprocess.Popen[str]) -> str:
    return cast("IO[str]", process.stdout).readline().strip()


def _write_notices(count: int, settings: Settings) -> None:
    """As many notices as contacts: text rendered, row and outbox item in one transaction each chunk."""
    for first in range(0, count, CHUNK):
        now = datetime.now(UTC)
        with transaction() as session:
            ids = _new_ids(session, min(CHUNK, count - first))
            rows, items = [], []
            for number, notice_id in enumerate(ids, start=first):
                notice, item = _notice(number, notice_id, settings, now)
                rows.append(tuple(notice.values()))
                items.append(item)
            copy_rows(session, "notice", tuple(notice), rows)
            outbox.put(session, items, now)


def _notice(
    number: int, notice_id: int, settings: Settings, now: datetime
) -> tuple[dict[str, Any], outbox.NewItem]:
    language = (Language.FI, Language.FI, Language.SV, Language.EN)[number % 4]
    contact = ContactFacts(number + 1, Channel.SMS, _phone(number))
    rendered = message_templates.render(
        message_templates.SHIPPED,
        KIND,
        Channel.SMS,
        language,
        values_for(
            KIND,
            language,
            {"happened_at": now.isoformat()},
            brand=settings.brand,
            phone=settings.customer_service_phone,
            address=f"Öljymäentie {number % 997} A {number % 80}",
        ),
        settings.sms_senders,
    )
    expires_at = now + NOTICE_RULES[KIND].good_for
    item = build_item(
        notice_id, KIND, _gsrn(number), contact, language, rendered, settings, None, expires_at
    )
    notice = {
        "id": notice_id,
        "type": KIND.value,
        "dedupe_key": f"bench/{notice_key(notice_id)}",
        "contact_id": contact.id,
        "customer_id": f"C{number}",
        "gsrn": _gsrn(number),
        "order_id": f"B-{number}",
        "topic": NOTICE_RULES[KIND].topic.value,
        "language": language.value,
        "channel": Channel.SMS.value,
        "sent_to": contact.value,
        "body": rendered.body,
        "encoding": rendered.encoding,
        "segments": rendered.segments,
        "state": "QUEUED",
        "state_at": now,
        "decision": "Outside quiet hours.",
        "event_at": now - timedelta(seconds=5),
        "expires_at": expires_at,
        "resent_count": 0,
        "created_at": now,
    }
    return notice, item


def _new_ids(session: Session, count: int) -> list[int]:
    statement = text(
        "SELECT nextval(pg_get_serial_sequence('notice', 'id')) FROM generate_series(1, :count)"
    )
    return list(session.execute(statement, {"count": count}).scalars())


def _seed(count: int) -> None:
    """Customers with a phone each who want to be told; the last look asks for them."""
    numbers = {"numbers": list(range(count)), "phones": [_phone(n) for n in range(count)]}
    with transaction() as session:
        for statement in _STATEMENTS:
            session.execute(text(statement), numbers)
    with db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


_SOURCE = "FROM unnest(CAST(:numbers AS bigint[]), CAST(:phones AS text[])) AS s (n, phone)"
_STATEMENTS = (
    "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
    " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
    " SELECT 'C' || n, 1, 'consumer', 'Asiakas ' || n, 'fi', false, false, false, 'SMS', true,"
    f" now() {_SOURCE}",
    "INSERT INTO contact (id, customer_id, kind, value, state, source, bounce_count, created_at,"
    " enrolled)"
    f" SELECT n + 1, 'C' || n, 'SMS', phone, 'UNVERIFIED', 'CIS', 0, now(), true {_SOURCE}",
)


def _check(count: int, counts: Mapping[str, int], url: str) -> None:
    """Every message reached the stub once, and ledger, item and attempt say so."""
    with transaction() as session:
        told = session.execute(
            text(
                "SELECT (SELECT count(*) FROM notice WHERE state = 'SENT' AND provider_ref IS NOT NULL),"
                " (SELECT count(*) FROM outbox_item WHERE state = 'SENT'),"
                " (SELECT count(*) FROM attempt WHERE outcome = 'SENT'),"
                " (SELECT count(*) FROM step)"
            )
        ).one()
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own stub.
        received = int(answer.read())
    if (dict(counts), tuple(told), received) != ({"SENT": count}, (count,) * 4, count):
        raise SystemExit(f"expected {count} of each: {counts}, {told}, {received} at the stub")


@contextmanager
def _stub() -> Iterator[tuple[str, psutil.Process]]:
    """The provider in a process of its own."""
    command = bound([sys.executable, "-m", "bench.twilio_stub"])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield _line_of(process), psutil.Process(process.pid)


@contextmanager
def _measured(stub: psutil.Process) -> Iterator[Cost]:
    cost = Cost()
    postmaster = _postmaster()
    began = time.perf_counter(), time.process_time(), _cpu_of(postmaster), _cpu_of(stub)
    yield cost
    cost.wall_s = time.perf_counter() - began[0]
    cost.ours_s = time.process_time() - began[1]
    cost.postgres_s = _cpu_of(postmaster) - began[2]
    cost.stub_s = _cpu_of(stub) - began[3]


def _postmaster() -> psutil.Process:
    with transaction() as session:
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return cast("psutil.Process", psutil.Process(pid).parent())


def _cpu_of(process: psutil.Process) -> float:
    """Seconds of the processor that it and its children, living and dead, have used."""
    used = process.cpu_times()
    return sum(used[:4]) + sum(sum(child.cpu_times()[:4]) for child in process.children())


def _phone(number: int) -> str:
    return f"+35850{number:07d}"


def _gsrn(number: int) -> str:
    body = f"6499990{number:010d}"
    return body + str(check_digit(body))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
