"""A partner in trouble, judged by the ledger that the simulated partner keeps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select, text

from app import clients
from app.db import transaction
from app.models import Alarm, OutboxItem, WorkOrder
from app.queries import lane_board, parked_orders
from app.services import bundle_activation, setup, watch
from app.services.bundle_content import shipped_content
from app.settings import Settings
from tests.services.queueing import drain_now, set_lane, states
from tests.services.routing_world import (
    AGO,
    a_swap,
    add_partner,
    an_order,
    put_in_force,
    take,
    values,
)
from tests.simulators.running import Listener, RunningRehearsal, eventually, listening
from workers.partner_files import look_after_files
from workers.rerouting import reroute

LANE = "partner.voima"
COUNT = 30
CONTRACTOR = "rautio"
FILES = 6
# Numbers of received files, out of the way of those that the table gives.
MESSAGE = 5_000


def test_a_partner_that_is_down_for_three_days_gets_every_order_once_and_in_order(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        # Two revisions each, so that their order can be seen.
        take([a_swap(n) for n in range(1, COUNT + 1)])
        partner.disturb(drop_before_ratio=1.0)
        partner.drain()
        take([a_swap(n, revision=2, phone="+358501234567") for n in range(1, COUNT + 1)], 2)
        for _ in range(72):
            _grow_older(hours=1)
            sent = partner.drain()
            # The circuit lets one call an hour find out whether the partner is back.
            assert sum(sent.values()) == 1, sent
        assert partner.taken() == []
        assert states() == {"READY": 2 * COUNT}
        with transaction() as session:
            # Tried more often than any item may be, and kept all the same: it is not to blame.
            assert session.execute(text("SELECT sum(attempts) FROM outbox_item")).scalar() > 72
            assert session.scalars(select(Alarm.kind).where(Alarm.closed_at.is_(None))).all() == [
                "LANE_DOWN"
            ]
        partner.calm()
        _grow_older(hours=1)
        # Back: first one call, and then as many at a time as the lane may, never more.
        set_lane(LANE, in_flight_count=4)
        partner.drain(batches=1)
        assert len(partner.taken()) == 1
        while partner.drain():
            _grow_older(hours=1)
        told = [(one["order_id"], one["revision"]) for one in partner.taken()]
        assert Counter(told) == {
            (f"A-{n}", revision): 1 for n in range(1, COUNT + 1) for revision in (1, 2)
        }
        for n in range(1, COUNT + 1):
            assert [revision for name, revision in told if name == f"A-{n}"] == [1, 2]
        assert states() == {"SENT": 2 * COUNT}
        with transaction() as session:
            assert set(session.scalars(select(WorkOrder.state))) == {"SENT"}
            assert session.scalars(select(Alarm.kind).where(Alarm.closed_at.is_(None))).all() == []


def test_a_lone_order_outlives_three_days_without_its_partner(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        take([a_swap(1)])
        partner.disturb(drop_before_ratio=1.0)
        for _ in range(3 * 24 * 4):
            partner.drain()
            _grow_older(hours=0.25)
        with transaction() as session:
            item = session.scalars(select(OutboxItem)).one()
            assert (item.state, item.attempts > 60) == ("READY", True)
        partner.calm()
        _grow_older(hours=1)
        partner.drain()
        assert [one["order_id"] for one in partner.taken()] == ["A-1"]


def test_a_partner_that_answers_nonsense_loses_no_order_and_gets_none_twice(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        take([a_swap(n) for n in range(1, COUNT + 1)])
        partner.disturb(nonsense_ratio=1.0)
        assert partner.drain() == {"NOT_SENT": COUNT}
        with transaction() as session:
            row = lane_board.find_lane(session, LANE)
            assert row is not None
            assert row.circuit(datetime.now(UTC)) == "OPEN"
            assert "answer not as agreed" in str(row.last_error)
        for _ in range(24):
            _grow_older(hours=1)
            partner.drain()
        assert states() == {"READY": COUNT}
        partner.calm()
        _grow_older(hours=1)
        while partner.drain():
            _grow_older(hours=1)
        assert states() == {"SENT": COUNT}
        # It had recorded every order behind its page of nonsense: each once, then repetitions.
        assert Counter(one["order_id"] for one in partner.taken()) == {
            f"A-{n}": 1 for n in range(1, COUNT + 1)
        }
        assert len(partner.rehearsal.ledger("installer", "repeat")) >= COUNT


def test_one_order_that_alone_meets_nonsense_is_given_up_and_told(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        take([a_swap(1)])
        partner.disturb(nonsense_ratio=1.0)
        for _ in range(5):
            partner.drain()
            _grow_older(hours=1)
        assert states() == {"DEAD": 1}
        with transaction() as session:
            assert session.scalars(select(WorkOrder.state)).all() == ["PARTNER_REJECTED"]
            (reason,) = lane_board.dead_reasons(session, LANE)
            assert (reason.error_class, reason.count) == ("ContractBroken", 1)


def test_a_partner_that_accepts_and_never_acknowledges_is_seen_with_its_age(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        partner.disturb(callbacks="none")
        take([a_swap(n) for n in range(1, COUNT + 1)])
        assert partner.drain() == {"SENT": COUNT}
        assert len(partner.taken()) == COUNT
        now = datetime.now(UTC)
        with transaction() as session:
            silent = lane_board.unanswered(session, "voima")
            assert silent.count == COUNT
            assert silent.oldest_at is not None
            assert abs(silent.oldest_at - now) < timedelta(minutes=1)
            # Its bundle says how long that may be; the setting is for those whose bundle does not.
            watch.raise_alarms(session, now + timedelta(hours=47), 3600.0)
            assert _silent(session) == []
            watch.raise_alarms(session, now + timedelta(hours=49), 3600.0)
            assert _silent(session) == [LANE]
            # A word about each ends it.
            session.execute(text("UPDATE work_order SET state = 'ACCEPTED'"))
            watch.raise_alarms(session, now + timedelta(hours=50), 3600.0)
            assert _silent(session) == []
            session.execute(
                text(
                    "UPDATE partner_bundle"
                    " SET content = jsonb_set(content, '{acks,expected_within_h}', 'null')"
                )
            )
            session.execute(text("UPDATE work_order SET state = 'SENT'"))
            watch.raise_alarms(session, now + timedelta(hours=2), 3600.0)
            assert _silent(session) == [LANE]


def test_a_contractor_whose_server_is_down_for_three_days_gets_every_file_once_and_in_order(
    app: Flask, contractor: _Contractor
) -> None:
    with app.app_context():
        take([a_swap(n) for n in range(1, FILES + 1)], MESSAGE)
        contractor.go_away()
        contractor.drain()
        take(
            [a_swap(n, revision=2, phone="+358501234567") for n in range(1, FILES + 1)], MESSAGE + 1
        )
        for _ in range(72):
            _grow_older(hours=1)
            assert not contractor.drain().get("SENT")
        assert contractor.taken() == []
        assert states() == {"READY": 2 * FILES}
        contractor.come_back()
        for _ in range(12):
            _grow_older(hours=1)
            contractor.drain()
        assert states() == {"SENT": 2 * FILES}
        wanted = {(f"A-{n}", revision): 1 for n in range(1, FILES + 1) for revision in (1, 2)}
        told = eventually(
            lambda: len(contractor.taken()) >= len(wanted) and contractor.taken(), "every file"
        )
        assert Counter((one["order_id"], one["revision"]) for one in told) == wanted
        for n in range(1, FILES + 1):
            own = [one["revision"] for one in told if one["order_id"] == f"A-{n}"]
            assert own == [1, 2]
        assert contractor.rehearsal.ledger("contractor", "repeat", "changed", "unreadable") == []


def test_a_contractor_that_reports_nonsense_hears_so_and_its_orders_stay_as_they_were(
    app: Flask, contractor: _Contractor
) -> None:
    with app.app_context():
        take([a_swap(1)], MESSAGE)
        contractor.drain()
        contractor.report("outo.csv", b"<html>200 OK</html>")
        contractor.report(
            "rivi.csv", b"KUITTAUS;TILAUS;REVISIO;TAPAHTUMA;AIKA;ILMOITETTU\r\n1;2\r\n"
        )
        contractor.look()
        contractor.drain()
        told = eventually(
            lambda: (
                len(contractor.rehearsal.ledger("contractor", "reject")) >= 2
                and contractor.rehearsal.ledger("contractor", "reject")
            ),
            "an answer to each file",
        )
        assert sorted(one["text"].splitlines()[1].split(";")[2] for one in told) == [
            "FIELD_INVALID",
            "FILE_UNREADABLE",
        ]
        with transaction() as session:
            assert session.scalars(select(WorkOrder.state)).all() == ["SENT"]
        # Both lie where their people find them; nothing comes a second time.
        contractor.look()
        assert contractor.files("quarantine") == ["outo.csv", "rivi.csv"]
        contractor.drain()
        assert len(contractor.rehearsal.ledger("contractor", "reject")) == 2


def test_a_contractor_that_takes_files_and_never_reports_is_seen_after_its_own_time(
    app: Flask, contractor: _Contractor
) -> None:
    with app.app_context():
        take([a_swap(n) for n in range(1, FILES + 1)], MESSAGE)
        contractor.drain()
        eventually(lambda: len(contractor.taken()) == FILES, "every file")
        now = datetime.now(UTC)
        with transaction() as session:
            watch.raise_alarms(session, now + timedelta(hours=95))
            assert _silent(session) == []
            watch.raise_alarms(session, now + timedelta(hours=97))
            assert _silent(session) == [f"partner.{CONTRACTOR}"]


class _Contractor:
    """The simulated contractor that works with files, and the lanes that reach its folders."""

    def __init__(
        self, rehearsal: RunningRehearsal, settings: Settings, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.rehearsal = rehearsal
        self._settings = settings
        self._loop = loop

    def drain(self) -> dict[str, int]:
        return drain_now(self._settings, self._loop, f"partner.{CONTRACTOR}")

    def look(self) -> None:
        for _ in range(2):
            look_after_files(self._settings, 1, "test")

    def go_away(self) -> None:
        self._be_at(f"sftp://{CONTRACTOR}@127.0.0.1:1")

    def come_back(self) -> None:
        self._be_at(f"sftp://{CONTRACTOR}@127.0.0.1:{self.rehearsal.sftp_port}")

    def taken(self) -> list[dict[str, object]]:
        """The orders that the contractor has taken, in the order in which it took them."""
        return self.rehearsal.ledger("contractor", "order")

    def report(self, name: str, body: bytes) -> None:
        (self.rehearsal.folder / "contractor" / "acks" / name).write_bytes(body)

    def files(self, folder: str) -> list[str]:
        return sorted(
            path.name for path in (self.rehearsal.folder / "contractor" / folder).iterdir()
        )

    def _be_at(self, address: str) -> None:
        with transaction() as session:
            setup.set_partner_url(session, CONTRACTOR, address)


def test_orders_that_no_rule_takes_reach_nobody_until_one_does_and_then_once(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        # Maintenance visits belong to nobody under the default rules.
        with transaction() as session:
            session.execute(text("UPDATE partner SET order_types = '{}' WHERE code = 'voima'"))
        take([an_order(n) for n in range(1, COUNT + 1)])
        partner.drain()
        assert partner.taken() == []
        with transaction() as session:
            assert parked_orders.count_parked(session)["NO_ROUTE"] == COUNT
        put_in_force(values("huolto", "voima", order_type_codes=["HUO"]))
        reroute(app.extensions["tiedolla_settings"], 1, "test")
        reroute(app.extensions["tiedolla_settings"], 1, "test")
        assert partner.drain() == {"SENT": COUNT}
        told = Counter((one["order_id"], one["revision"], one["key"]) for one in partner.taken())
        assert told == {(f"A-{n}", 1, f"A-{n}-1"): 1 for n in range(1, COUNT + 1)}
        assert _order_states() == {("SENT", "voima"): COUNT}


def test_an_order_that_goes_to_another_partner_is_called_off_at_the_first(
    app: Flask, partner: _Partner
) -> None:
    """Both know it by its id and revision, and only the new partner's word moves it."""
    with app.app_context():
        _at_a_partner_whom_the_rules_leave(partner)
        # The new partner is away.
        set_lane("partner.piiri", paused=True)
        take([an_order(1, revision=2)], 2)
        assert partner.drain() == {"SENT": 1}
        assert [(one["action"], one["key"]) for one in partner.taken()] == [
            ("NEW", "A-1-1"),
            ("CANCEL", "A-1-2"),
        ]
        assert partner.refused() == []
        # That the first one knows it is called off does not mean that the second one has it.
        assert _order_states() == {("ROUTED", "piiri"): 1}


def test_req_33_the_first_partner_is_called_off_although_the_cis_speaks_again_before_it_hears(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        _at_a_partner_whom_the_rules_leave(partner)
        for lane in (LANE, "partner.piiri"):
            set_lane(lane, paused=True)
        for revision in (2, 3):
            take([an_order(1, revision=revision)], revision)
        set_lane(LANE, paused=False)
        assert partner.drain() == {"SENT": 1}
        assert [(one["action"], one["key"]) for one in partner.taken()] == [
            ("NEW", "A-1-1"),
            ("CANCEL", "A-1-2"),
        ]


def test_what_the_first_partner_says_to_a_calling_off_does_not_move_the_order(
    app: Flask, partner: _Partner
) -> None:
    with app.app_context():
        with transaction() as session:
            add_partner(session)
        take([a_swap(1)])
        partner.drain()
        put_in_force(values("huolto", "piiri", order_type_codes=["HUO"]))
        take([an_order(1, revision=2)], 2)
        partner.disturb(fail_ratio=1.0, status=422)
        assert partner.drain() == {"REJECTED": 1}
        assert _order_states() == {("ROUTED", "piiri"): 1}
        with transaction() as session:
            # It stays visible that the first one has not agreed.
            (reason,) = lane_board.dead_reasons(session, LANE)
            assert reason.count == 1


class _Partner:
    """The simulated mass installer, and a drain of its lane."""

    def __init__(
        self, rehearsal: RunningRehearsal, settings: Settings, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.rehearsal = rehearsal
        self._settings = settings
        self._loop = loop

    def drain(self, **more: int) -> dict[str, int]:
        return drain_now(self._settings, self._loop, LANE, **more)

    def disturb(self, **faults: float | str) -> None:
        self.rehearsal.disturb("installer", **faults)

    def calm(self) -> None:
        self.rehearsal.calm("installer")

    def taken(self) -> list[dict[str, object]]:
        """The orders that the partner has taken, in the order in which it took them."""
        return self.rehearsal.ledger("installer", "order")

    def refused(self) -> list[dict[str, object]]:
        """What it would not take."""
        return self.rehearsal.ledger("installer", "refused")


def _at_a_partner_whom_the_rules_leave(partner: _Partner) -> None:
    """A swap has been sent to one, and of a new revision the rules send another type to the second."""
    with transaction() as session:
        add_partner(session, base_url=f"{partner.rehearsal.url}/installer")
    take([a_swap(1)])
    partner.drain()
    put_in_force(values("huolto", "piiri", order_type_codes=["HUO"]))


def _order_states() -> dict[tuple[str, str], int]:
    with transaction() as session:
        rows = session.execute(
            text("SELECT state, partner_code, count(*) FROM work_order GROUP BY 1, 2")
        )
        return {(row[0], row[1]): row[2] for row in rows}


def _grow_older(hours: float) -> None:
    """Time passes: whatever waits for a moment has waited so much longer."""
    values = {"hours": timedelta(hours=hours)}
    with transaction() as session:
        session.execute(
            text("UPDATE lane SET open_until = open_until - CAST(:hours AS interval)"), values
        )
        session.execute(
            text(
                "UPDATE outbox_item SET next_at = next_at - CAST(:hours AS interval),"
                " created_at = created_at - CAST(:hours AS interval)"
            ),
            values,
        )


def _silent(session: object) -> list[str]:
    rows = session.scalars(  # type: ignore[attr-defined]
        select(Alarm.subject).where(Alarm.kind == "PARTNER_SILENT", Alarm.closed_at.is_(None))
    )
    return list(rows)


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
    settings: Settings = app.extensions["tiedolla_settings"]
    token = SecretStr(rehearsal.config["installer"]["token"])
    settings = settings.model_copy(update={"partner_tokens": {"voima": token}})
    loop = asyncio.new_event_loop()
    with app.app_context():
        with transaction() as session:
            setup.set_partner_url(session, "voima", f"{rehearsal.url}/installer")
        yield _Partner(rehearsal, settings, loop)
        clients.close_clients(loop)
    loop.close()
    rehearsal.kill()


@pytest.fixture
def contractor(app: Flask, tmp_path: Path, tiedolla: Listener) -> Iterator[_Contractor]:
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", tiedolla.url)
    rehearsal.configure("contractor", accepted_after_s=[600.0, 600.0])
    rehearsal.start()
    base: Settings = app.extensions["tiedolla_settings"]
    keys = rehearsal.folder / "keys"
    host_key = (keys / "sftp_host_ed25519.pub").read_text("utf-8")
    settings = base.model_copy(
        update={
            "partner_sftp_key_file": str(keys / "tiedolla_ed25519"),
            "partner_host_keys": {CONTRACTOR: " ".join(host_key.split()[:2])},
            "cis_quiet_s": 0.0,
            "http_connect_s": 2.0,
            "http_total_s": 5.0,
        }
    )
    loop = asyncio.new_event_loop()
    now = datetime.now(UTC)
    with app.app_context():
        with transaction() as session:
            setup.add_partner(
                session,
                CONTRACTOR,
                "Rautio Oy",
                transport="SFTP",
                base_url=f"sftp://{CONTRACTOR}@127.0.0.1:{rehearsal.sftp_port}",
                order_types=[],
                sees_key_info=False,
                settings=settings,
                now=now,
            )
            for document, direction in (("order", "out"), ("ack", "in")):
                content = shipped_content("regional_contractor", document, direction)
                bundle_activation.install(session, CONTRACTOR, content, AGO)
            session.execute(
                text("UPDATE route_rule SET partner_code = :code"), {"code": CONTRACTOR}
            )
        yield _Contractor(rehearsal, settings, loop)
        clients.close_clients(loop)
    loop.close()
    rehearsal.kill()
