"""Steady load on the whole product: so many notices a second, then the same while processes die.

Every part is a process of its own, as in production: portal, dispatcher, a worker per lane, two for
text messages; the provider writes each message to the disk. Faults are announced twice a second; what is
measured is the time from a notice's creation to the line in the provider's ledger. Calls whose end was in
doubt are counted by themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg

from bench.machine import describe_machine
from bench.report import print_table, row
from bench.site import Site

RATE = 500
TICK_S = 0.5
KILL_EVERY_S = 10.0
QUIET_S, DRAIN_PATIENCE_S = 5.0, 90.0
# One after the other; the portal's process is looked after by its own master as well.
VICTIMS = ("sms", "notices", "web", "dispatcher", "sms 2", "receipts", "upkeep")
# The simulated phone company tells of each message within a second or two.
QUICK = {"sent_after_s": [0.1, 0.4], "delivered_after_s": [0.3, 1.5]}


@dataclass(slots=True)
class Took:
    """Seconds from creation to the provider, of every notice of a stretch; unknown and lost apart."""

    seconds: list[float]
    from_event: list[float]
    unknown: int = 0
    lost: int = 0
    kills: int = 0
    made: int = 0

    def share(self, within_s: float) -> float:
        """Of all that were not in doubt, in percent; what never arrived counts as late."""
        whole = len(self.seconds) + self.lost
        return 100 * sum(one <= within_s for one in self.seconds) / max(whole, 1)

    def at(self, share: float) -> float:
        """The time within which this share had arrived."""
        ranked = sorted(self.seconds)
        return ranked[min(int(len(ranked) * share), len(ranked) - 1)] if ranked else float("inf")


def main(seconds: int, rate: int = RATE, *, receipts: bool = False) -> list[dict[str, Any]]:
    """Measure a calm stretch, then one with kills.

    receipts: let the provider report each delivery, which is two more requests for each message,
    made and taken on the same machine; bench/receipts.py measures them by themselves.
    """
    with tempfile.TemporaryDirectory(prefix="td-steady-") as name:
        home = Path(name)
        with Site(home, twice=("sms",)) as site:
            _hurry_reports(site)
            site.start_product({"TIEDOLLA_LOG_LEVEL": "ERROR"})
            if not receipts:
                url = f"{site.rehearsal.url}/faults/twilio"
                site.ask(url, "PUT", b'{"callbacks": "none"}')
            _seed(site, rate * seconds * 2)
            calm = _stretch(site, seconds, rate, 0, kills=False)
            killed = _stretch(site, seconds, rate, rate * seconds, kills=True)
    note = f"{{:,}} notices at {rate}/s for {seconds} s"
    rows = []
    for title, took in (("steady", calm), ("steady, kills", killed)):
        words = note.format(took.made)
        if took.kills:
            words += f", {took.kills} kill -9, one every {KILL_EVERY_S:.0f} s"
        rows += [
            row(f"{title}: within 5 s", took.share(5), "%", ">= 99", words),
            row(f"{title}: within 30 s", took.share(30), "%", ">= 99.9"),
            row(f"{title}: p50", took.at(0.5), "s"),
            row(f"{title}: p99", took.at(0.99), "s"),
            row(f"{title}: p99.9", took.at(0.999), "s"),
            row(f"{title}: event to provider, p99", _rank(took.from_event, 0.99), "s"),
            row(f"{title}: in doubt", took.unknown, "notices", "", "counted apart"),
            row(f"{title}: not arrived", took.lost, "notices", "0"),
        ]
    return rows


def _stretch(site: Site, seconds: int, rate: int, first: int, *, kills: bool) -> Took:
    """Announce for so long, kill if asked to, let everything drain, then read both ledgers."""
    since = datetime.now(UTC)
    source = _Source(site.dsn, seconds, rate, first)
    source.start()
    deaths = 0
    victims = cycle(VICTIMS)
    next_kill = time.monotonic() + KILL_EVERY_S / 2
    while source.is_alive():
        site.turn()
        if kills and time.monotonic() >= next_kill:
            next_kill += KILL_EVERY_S
            deaths += site.kill(next(victims))
    if source.failure is not None:
        raise source.failure
    _drain(site)
    took = _read(site, since)
    took.kills = deaths
    return took


class _Source(threading.Thread):
    """Faults of a few points each, announced in their own transactions at an even pace."""

    def __init__(self, dsn: str, seconds: int, rate: int, first: int) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._ticks = int(seconds / TICK_S)
        self._each = max(1, round(rate * TICK_S))
        self._first = first
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with psycopg.connect(self._dsn) as connection:
                self._announce(connection)
        except Exception as error:
            self.failure = error

    def _announce(self, connection: psycopg.Connection[Any]) -> None:
        began = time.monotonic()
        for tick in range(self._ticks):
            wait_s = began + tick * TICK_S - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            first = self._first + tick * self._each
            values = {"ref": f"B-{first}", "first": first, "end": first + self._each}
            connection.execute(_ANNOUNCE, values)
            connection.commit()


# What app/services/faults.py and announcements.py write; the dispatcher hears of it by the clock, so
# the bell, which only makes it sooner, is left out.
_ANNOUNCE = """
    WITH fault AS (
        INSERT INTO outage (source, source_ref, kind, state, version, started_at, confirmed_at,
            created_at, updated_at)
        VALUES ('DMS', %(ref)s, 'FAULT', 'CONFIRMED', 1, now(), now(), now(), now()) RETURNING id),
    points AS (
        INSERT INTO outage_point (outage_id, gsrn, off_at)
        SELECT fault.id, m.gsrn, now() FROM fault, metering_point m
        WHERE m.gsrn IN (SELECT gsrn FROM bench_point WHERE n >= %(first)s AND n < %(end)s))
    INSERT INTO announcement (type, topic, priority, subject, occurrence, outage_id, event_at, facts,
        state, told_count, suppressed_count, created_by, created_at)
    SELECT 'FAULT_STARTED', 'FAULT', 30, 'outage:' || id, '', id, now(),
        jsonb_build_object('off_at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
        'PENDING', 0, 0, 'bench', clock_timestamp()
    FROM fault
"""


def _drain(site: Site) -> None:
    """Wait until nothing is on its way any more, and then for the reports."""
    with psycopg.connect(site.dsn, autocommit=True) as connection:

        def idle() -> bool:
            found = connection.execute(_WAITING).fetchone()
            return found is not None and not found[0]

        try:
            site.wait_for(idle, "the lanes to be empty", DRAIN_PATIENCE_S)
        except RuntimeError as error:
            print(error, file=sys.stderr)
    end = time.monotonic() + QUIET_S
    while time.monotonic() < end:
        site.turn()


_WAITING = """
    SELECT EXISTS (SELECT 1 FROM announcement WHERE state = 'PENDING')
        OR EXISTS (SELECT 1 FROM outbox_item WHERE state IN ('READY', 'CLAIMED', 'UNKNOWN'))
"""


def _read(site: Site, since: datetime) -> Took:
    """Join the provider's ledger and ours by the attempt that each message names."""
    arrived = dict(_arrivals(site.rehearsal.folder / "ledger" / "twilio.jsonl"))
    took = Took([], [])
    with psycopg.connect(site.dsn) as connection:
        for attempts, made_at, event_at, doubted in connection.execute(_NOTICES, [since]):
            took.made += 1
            times = [arrived[one] for one in attempts if one in arrived]
            if doubted:
                took.unknown += 1
            elif times:
                first = min(times)
                took.seconds.append(max((first - made_at).total_seconds(), 0.0))
                took.from_event.append((first - event_at).total_seconds())
            else:
                took.lost += 1
    return took


_NOTICES = """
    SELECT coalesce(array_agg(CAST(a.id AS text)) FILTER (WHERE a.id IS NOT NULL), '{}'),
        n.created_at, s.created_at, coalesce(bool_or(a.outcome = 'UNKNOWN'
            OR a.resolved_by IS NOT NULL), false)
    FROM notice n JOIN announcement s ON s.id = n.announcement_id
    LEFT JOIN outbox_item i ON i.business_key = 'notice:' || n.id AND i.lane = 'sms'
    LEFT JOIN attempt a ON a.outbox_item_id = i.id
    WHERE n.created_at >= %s AND n.state <> 'SUPPRESSED'
    GROUP BY n.id, s.id
"""


def _arrivals(path: Path) -> Iterator[tuple[str, datetime]]:
    with path.open("rb") as lines:
        for line in lines:
            if b'"kind":"message"' in line:
                entry = json.loads(line)
                yield str(entry["attempt"]), datetime.fromisoformat(entry["at"])


def _rank(values: Sequence[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(int(len(ranked) * share), len(ranked) - 1)] if ranked else float("inf")


def _hurry_reports(site: Site) -> None:
    path = site.rehearsal.folder / "config.json"
    config = site.rehearsal.config
    config["twilio"] |= QUICK
    path.write_text(json.dumps(config), "utf-8")


def _seed(site: Site, count: int) -> None:
    """Points with a customer each who wants to be told at any hour."""
    with psycopg.connect(site.dsn, autocommit=True) as connection:
        for statement in _SEED:
            connection.execute(statement, {"count": count})
        connection.execute("VACUUM ANALYZE")


_NUMBERS = "FROM generate_series(0, %(count)s - 1) AS s (n)"
_SEED = (
    # Check digits do not matter to anything that is measured.
    f"CREATE TABLE bench_point AS SELECT n, '6499990' || lpad(CAST(n AS text), 11, '0') AS gsrn {_NUMBERS}",
    "CREATE INDEX ON bench_point (n)",
    "INSERT INTO metering_point (gsrn, version, status, type, street_name, house_number,"
    " municipality_code, updated_at) SELECT gsrn, 1, 'AE01', 'AG01', 'Öljymäentie', n %% 997, '091',"
    " now() FROM bench_point",
    "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
    " personal_safety_ban, priority_flag, preferred_channel, active, updated_at) SELECT 'C' || n, 1,"
    " 'consumer', 'Asiakas ' || n, (ARRAY['fi', 'fi', 'sv', 'en'])[1 + n %% 4], false, false, false,"
    " 'SMS', true, now() FROM bench_point",
    "INSERT INTO occupancy (contract_id, version, customer_id, gsrn, moved_in_on, updated_at)"
    " SELECT 'K' || n, 1, 'C' || n, gsrn, '2020-01-01', now() FROM bench_point",
    # Numbers that end in 0000 to 0009 misbehave at the provider.
    "INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, quiet_from,"
    " quiet_to, created_at, enrolled) SELECT 'C' || n, 'SMS', '+35850' || lpad(CAST(n / 9000 AS"
    " text), 3, '0') || CAST(1000 + n %% 9000 AS text), 'UNVERIFIED', 'CIS', 0, '03:00', '03:00',"
    " now(), true FROM bench_point",
)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.steady", description=__doc__)
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--receipts", action="store_true", help="with reports of deliveries")
    parser.add_argument("--table", action="store_true", help="as a table instead of JSON")
    asked = parser.parse_args()
    found = main(asked.seconds, asked.rate, receipts=asked.receipts)
    if asked.table:
        print_table(describe_machine(), found)
    else:
        print(json.dumps(found))
