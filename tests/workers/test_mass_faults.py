"""Mass orders that go wrong, and processes that die between any two orders, judged by the ledger of
the partner that the orders are for."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text

from app import clients
from app.db import transaction
from app.services import inbound, mass_orders, setup
from app.settings import Settings
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.world import make_points
from tests.servers import SftpServer
from tests.services.queueing import drain_now, set_lane
from tests.simulators.running import Listener, RunningRehearsal, eventually, listening
from tests.workers.killed_dispatcher import working
from workers import intake as worker
from workers.poll_cis import poll_cis

LANE = "partner.voima"
COUNT = 80
NAMES = [f"M-1-{number:06d}" for number in range(1, COUNT + 1)]


def test_req_33_killed_between_any_two_children_every_child_is_exactly_one_partner_order(
    partner: _Partner,
) -> None:
    """Real kill -9, while the file is read, while orders are made and while they leave."""
    moments = random.Random(33)  # noqa: S311 - only the same moments each time.
    partner.drop(first=1, count=COUNT)
    for _ in range(3):
        with working(partner.values) as process:
            # Wherever it is by then, from its first connection to its first items.
            process.join(moments.uniform(0.05, 0.6))
        assert process.exitcode == -signal.SIGKILL
    seen = [
        partner.kill_when(partner.orders_made, moments.randint(first, first + 15))
        for first in (5, 25, 45)
    ]
    seen += [
        partner.kill_when(partner.orders_sent, moments.randint(first, first + 15))
        for first in (5, 25, 45)
    ]
    # It really died in the middle, most times at least, whatever else the machine was doing.
    assert sum(count < COUNT for count in seen) >= 3, seen
    with working(partner.values):
        _wait(lambda: partner.orders_sent() == COUNT, "the rest to be sent")
    assert Counter(partner.taken()) == Counter(NAMES)
    assert partner.rehearsal.ledger("installer", "changed") == []
    assert _numbers("SELECT order_id FROM work_order_change WHERE from_state IS NULL") == Counter(
        NAMES
    )
    assert _numbers("SELECT state FROM work_order") == {"SENT": COUNT}
    assert _numbers("SELECT state FROM mass_file") == {"SPLIT": 1}
    assert _numbers("SELECT state FROM inbound_message") == {"INTERPRETED": 1}


def test_req_33_two_files_of_a_batch_at_once_and_a_dispatcher_that_dies_over_them(
    partner: _Partner,
) -> None:
    """Some items are in both files; the other one goes on where the first died."""
    partner.drop(first=1, count=50)
    partner.drop(first=31, count=COUNT - 30)
    with working(partner.values) as one, working(partner.values) as other:
        _wait(lambda: partner.orders_made() > 10, "the first orders")
        # One of them reads and makes, and nobody here knows which.
        one.kill()
        one.join()
        _wait(lambda: partner.orders_sent() == COUNT, "everything to be sent")
        assert other.is_alive()
    assert Counter(partner.taken()) == Counter(NAMES)
    assert _numbers("SELECT state FROM mass_file") == {"SPLIT": 2}


@pytest.mark.parametrize(
    "trap",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="byte order mark"),
        pytest.param(lambda text: _declared(text).encode("iso-8859-1"), id="declared latin-1"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="windows line ends"),
        pytest.param(lambda text: normalize("NFD", text).encode(), id="decomposed letters"),
        pytest.param(lambda text: _prefixed(text).encode(), id="another prefix"),
        pytest.param(
            lambda text: text.replace("<ItemNo>00", "<ItemNo>0<!-- 1 -->0").encode(), id="comments"
        ),
        pytest.param(
            lambda text: text.replace("<OldMeter>", "<Own><a/></Own><OldMeter>").encode(),
            id="unknown elements",
        ),
        pytest.param(lambda text: _at(text, "2027-03-28T03:30:00").encode(), id="spring night"),
        pytest.param(lambda text: _at(text, "2027-10-31T03:30:00").encode(), id="autumn night"),
    ],
)
def test_files_with_tricks_are_taken_and_every_item_is_one_partner_order(
    partner: _Partner, trap: Callable[[str], bytes]
) -> None:
    body = trap(partner.body(first=1, count=10).decode())
    for name in ("mass.xml", "again.xml"):
        # The same bytes under another name are the same file.
        partner.store(body, name)
        partner.interpret()
        partner.drain()
    assert Counter(partner.taken()) == Counter(NAMES[:10])
    assert _numbers("SELECT 'file' FROM inbound_message") == {"file": 1}
    # What came decomposed is kept composed.
    assert _numbers("SELECT area_name FROM mass_order") == {"Jyväskylä": 1}


@pytest.mark.parametrize(
    ("trap", "state", "code"),
    [
        pytest.param(lambda _: b"", "REJECTED", "XML_MALFORMED", id="empty"),
        pytest.param(
            lambda text: text.encode("iso-8859-1"), "REJECTED", "XML_MALFORMED", id="latin-1"
        ),
        pytest.param(
            lambda text: _entity(text, '<!ENTITY x SYSTEM "file:///etc/passwd">'),
            "REJECTED",
            "XML_MALFORMED",
            id="external entity",
        ),
        pytest.param(
            lambda text: _entity(text, '<!ENTITY a "ha"><!ENTITY x "&a;&a;&a;">'),
            "REJECTED",
            "XML_MALFORMED",
            id="entity bomb",
        ),
        pytest.param(
            lambda text: text.encode()[: len(text) // 2], "PARTLY", "XML_MALFORMED", id="half"
        ),
    ],
)
def test_of_a_file_that_cannot_be_read_whole_nothing_reaches_the_partner(
    partner: _Partner, trap: Callable[[str], bytes], state: str, code: str
) -> None:
    partner.store(trap(partner.body(first=1, count=10).decode()))
    partner.interpret()
    assert partner.drain() == {}
    assert partner.taken() == []
    assert _numbers("SELECT 'made' FROM work_order") == {}
    assert _numbers("SELECT state FROM inbound_message") == {state: 1}
    assert code in _numbers("SELECT code FROM inbound_finding")
    assert _numbers("SELECT kind FROM outbox_item") == {"CIS_REJECT": 1}


def test_of_an_upload_nothing_reaches_the_partner_until_it_is_whole_and_then_each_once(
    partner: _Partner, sshd: SftpServer
) -> None:
    body = partner.body(first=1, count=10)
    folder = sshd.folder("inbox")
    half = len(body) // 2
    # Under the name of what is still coming, then growing under its own.
    for name, size in (("mass.xml.tmp", len(body)), ("mass.xml", half), ("mass.xml", half + 999)):
        (folder / name).write_bytes(body[:size])
        partner.poll(sshd)
        partner.interpret()
        assert partner.drain() == {}
    assert partner.taken() == []
    (folder / "mass.xml.tmp").rename(folder / "mass.xml")
    for _ in range(3):
        partner.poll(sshd)
        partner.interpret()
        partner.drain()
    assert Counter(partner.taken()) == Counter(NAMES[:10])


def test_of_a_file_that_is_too_large_nothing_reaches_the_partner(
    partner: _Partner, sshd: SftpServer
) -> None:
    body = partner.body(first=1, count=10)
    (sshd.folder("inbox") / "mass.xml").write_bytes(body)
    for most in (len(body) - 1, len(body)):
        for _ in range(2):
            partner.poll(sshd, cis_file_max_bytes=most)
        partner.interpret()
        partner.drain()
        if most < len(body):
            assert partner.taken() == []
            assert _numbers("SELECT reason_code FROM inbound_message") == {"FILE_TOO_LARGE": 1}
            (sshd.folder("quarantine") / "mass.xml").rename(sshd.folder("inbox") / "mass.xml")
    assert Counter(partner.taken()) == Counter(NAMES[:10])


def test_of_a_file_whose_every_item_is_bad_nothing_reaches_the_partner(partner: _Partner) -> None:
    now = datetime.now(UTC)
    partner.drop(first=1, count=20, bad=frozenset(range(1, 21)))
    partner.interpret()
    assert partner.drain() == {}
    assert _numbers("SELECT hold_reason FROM mass_file") == {"BAD_SHARE 20 20 5": 1}
    with transaction() as session:
        mass_orders.propose_release(session, 1, "the CIS wants its list", now, by="staff:a")
        mass_orders.release(session, 1, now, by="staff:b")
    partner.interpret()
    assert partner.drain() == {}
    assert partner.taken() == []
    assert _numbers("SELECT state FROM work_order") == {"REJECTED": 20}
    # Put right, each goes there once.
    partner.drop(first=1, count=20)
    partner.interpret()
    assert partner.drain() == {"SENT": 20}
    assert Counter(partner.taken()) == Counter(NAMES[:20])


class _Partner:
    """The simulated mass installer, files of the CIS, and dispatchers that die."""

    def __init__(self, rehearsal: RunningRehearsal, settings: Settings, folder: Path) -> None:
        self.rehearsal = rehearsal
        self._folder = folder
        token = rehearsal.config["installer"]["token"]
        self._settings = settings.model_copy(update={"partner_tokens": {"voima": SecretStr(token)}})
        # Nobody's doorbell: the processes look for themselves.
        self.values: dict[str, Any] = {
            "database_url": settings.database_url.get_secret_value(),
            "redis_url": "unix:///nowhere.sock",
            "partner_tokens": {"voima": token},
        }

    def body(self, *, first: int, count: int, bad: frozenset[int] = frozenset()) -> bytes:
        path = self._folder / "mass.xml"
        wish = MassWish("M-1", "2026-W50", "Jyväskylä", bad=bad)
        write_mass_order(path, make_points(1, first, count), count, wish, datetime.now(UTC))
        return path.read_bytes()

    def store(self, body: bytes, name: str = "mass.xml") -> None:
        with transaction() as session:
            inbound.store(
                session,
                source="cis",
                kind=worker.KIND,
                name=name,
                chunks=[body],
                now=datetime.now(UTC),
            )

    def drop(self, **what: Any) -> None:
        self.store(self.body(**what))

    def kill_when(self, count: Callable[[], int], least: int) -> int:
        """Kill a dispatcher as soon as so many are done; how many were when it was dead."""
        with working(self.values):
            _wait(lambda: count() >= least, f"{least} to be done")
        return count()

    def orders_made(self) -> int:
        return _numbers("SELECT 'made' FROM work_order")["made"]

    def orders_sent(self) -> int:
        return _numbers("SELECT state FROM outbox_item WHERE kind = 'WORK_ORDER'")["SENT"]

    def poll(self, sshd: SftpServer, **changes: Any) -> None:
        """Look once into the folder that the CIS puts its files into."""
        poll_cis(self._settings.model_copy(update={**sshd.as_settings(), **changes}), 1, "test")

    def interpret(self) -> None:
        worker.interpret_files(self._settings, 1, "test")

    def drain(self) -> dict[str, int]:
        loop = asyncio.new_event_loop()
        try:
            return drain_now(self._settings, loop, LANE)
        finally:
            clients.close_clients(loop)
            loop.close()

    def taken(self) -> list[str]:
        """The orders that the partner has taken, as its own ledger has them."""
        return [str(one["order_id"]) for one in self.rehearsal.ledger("installer", "order")]


def _wait(check: Callable[[], bool], what: str) -> None:
    """Processes begin slowly on a machine that has other things to do."""
    eventually(check, what, patience_s=120.0)


def _declared(text: str) -> str:
    assert 'encoding="UTF-8"' in text.replace("'", '"')
    return text.replace("UTF-8", "ISO-8859-1", 1)


def _prefixed(text: str) -> str:
    return re.sub(r"<(/?)(?=[A-Z])", r"<\1a:", text).replace("xmlns=", "xmlns:a=")


def _at(text: str, moment: str) -> str:
    """Every window begins at this local time, without an offset."""
    end = moment.replace("T03:30", "T06:00")
    window = f"<WindowFrom>{moment}</WindowFrom><WindowTo>{end}</WindowTo>"
    return text.replace("<DefaultWork>", f"<DefaultWork>{window}")


def _entity(text: str, declared: str) -> bytes:
    root = "<MassWorkOrderMessage"
    return text.replace(root, f"<!DOCTYPE m [{declared}]>\n{root}", 1).encode()


def _numbers(statement: str) -> Counter[Any]:
    with transaction() as session:
        return Counter(session.scalars(text(statement)))


@pytest.fixture(scope="module")
def tiedolla() -> Iterator[Listener]:
    """Who the partner's reports go to."""
    with listening() as listener:
        yield listener


@pytest.fixture
def partner(app: Flask, tmp_path: Path, tiedolla: Listener) -> Iterator[_Partner]:
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", tiedolla.url)
    # Its crews say nothing while a test looks.
    rehearsal.configure("installer", accepted_after_s=[600.0, 600.0])
    rehearsal.start()
    with app.app_context():
        with transaction() as session:
            setup.set_partner_url(session, "voima", f"{rehearsal.url}/installer")
            # Nothing but files and orders is looked after here.
            session.execute(text("UPDATE schedule SET active = false"))
        set_lane(LANE, in_flight_count=2)
        yield _Partner(rehearsal, app.extensions["tiedolla_settings"], tmp_path)
    rehearsal.kill()
