"""The dispatcher: rings lanes by the clock and by what waits, and cleans up after the dead.

One leads at a time, held by a session advisory lock; others stand by. PostgreSQL tells it all, so
it needs no memory of its own. When Redis is gone it raises an alarm; the workers then look for
themselves, each after its own lane, see deaf.py.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.db import db, transaction, try_session_lock
from app.domain.lock_spaces import LockSpace
from app.doorbell import redis_is_up, ring
from app.services import (
    alarms,
    lane_runners,
    leases,
    outbox,
    process_starts,
    schedules,
    triggers,
)
from app.settings import Settings
from workers.holder import Holder
from workers.upkeep import FAILED_ALARM

log = structlog.get_logger()

_LEADER_KEY = 1
_TICK_S = 0.25
_CLEAN_UP_EVERY_S = 1.0
_DATABASE_AWAY_S = 1.0


class Dispatcher:
    """Runs until told to stop; a lost database only makes it wait."""

    def __init__(self, settings: Settings, holder: Holder) -> None:
        self._settings = settings
        self._holder = holder
        self._leader: Connection | None = None
        self._cleaned_up_at = 0.0
        # Not known at first: another dispatcher may have opened or closed the alarm.
        self._redis_was_up: bool | None = None
        self._triggers_failed: bool | None = None

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set."""
        while not stop.is_set():
            pause_s = _TICK_S
            try:
                if self._leads():
                    self.tick(datetime.now(UTC))
            except DBAPIError as error:
                log.warning("database_away", error=type(error.orig or error).__name__)
                self._resign()
                pause_s = _DATABASE_AWAY_S
            except Exception:
                # One bad tick must not end the process that everything else waits for.
                log.exception("tick_failed")
                pause_s = _DATABASE_AWAY_S
            finally:
                db.session.remove()
            stop.wait(pause_s)
        self._resign()

    def tick(self, now: datetime) -> None:
        """One round: clocks, clean-up, bells.

        Without Redis nothing is done in its place: a lane that is stuck would keep us from all others.
        """
        self._clean_up(now)
        self._fire_triggers(now)
        with transaction() as session:
            due = schedules.move_on(session, now)
            due += schedules.lanes_waiting(session, now)
            due = schedules.without_paused(session, due)
            due += outbox.lanes_with_work(session, now)
        lanes = list(dict.fromkeys(due))
        if redis_is_up():
            if self._redis_was_up is not True:
                self._redis_is(True, now)
            for lane in lanes:
                ring(lane)
            return
        if self._redis_was_up is not False:
            self._redis_is(False, now)

    def _fire_triggers(self, now: datetime) -> None:
        """Turn causes into starts; a fault of ours in it must not keep lanes from being rung."""
        try:
            with transaction() as session:
                triggers.fire_due(session, now)
            with transaction() as session:
                triggers.consume_changes(session, now)
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("triggers_failed")
            self._triggers_failed = True
            with transaction() as session:
                alarms.open_alarm(session, FAILED_ALARM, "triggers", type(error).__name__, now)
            return
        if self._triggers_failed is not False:
            self._triggers_failed = False
            with transaction() as session:
                alarms.close_alarm(session, FAILED_ALARM, "triggers", now)

    def _leads(self) -> bool:
        if self._leader is not None:
            self._leader.exec_driver_sql("SELECT 1")
            return True
        connection = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if try_session_lock(connection, LockSpace.LEADER, _LEADER_KEY):
            self._leader = connection
            log.info("dispatcher_leads")
            return True
        connection.close()
        return False

    def _resign(self) -> None:
        self._redis_was_up = None
        if self._leader is not None:
            self._leader.invalidate()
            self._leader.close()
            self._leader = None

    def _clean_up(self, now: datetime) -> None:
        """Give back what dead workers held; their locks are free for us to take."""
        if time.monotonic() - self._cleaned_up_at < _CLEAN_UP_EVERY_S:
            return
        self._cleaned_up_at = time.monotonic()
        assert self._leader is not None  # noqa: S101 - only the leader ticks.
        own = self._holder.lease(now)
        for lease in leases.dead(self._leader, own):
            with transaction() as session:
                back, unknown = outbox.give_back(
                    session, lease, now, self._settings.unknown_grace_s
                )
                starts = process_starts.give_back(session, lease, now)
                runs = leases.close(session, lease, now)
            leases.let_go(self._leader, lease)
            if back or unknown or runs or starts:
                log.warning(
                    "worker_died",
                    lease=lease,
                    back=back,
                    unknown=unknown,
                    runs=runs,
                    starts=starts,
                )
        with transaction() as session:
            for lease in outbox.lost_leases(session, now):
                back, unknown = outbox.give_back(
                    session, lease, now, self._settings.unknown_grace_s
                )
                log.warning("lease_ran_out", lease=lease, back=back, unknown=unknown)
            for runner, back, unknown in lane_runners.expire(session, self._settings, now):
                log.warning("runner_away", runner=str(runner), back=back, unknown=unknown)

    def _redis_is(self, up: bool, now: datetime) -> None:
        with transaction() as session:
            if up:
                alarms.close_alarm(session, "REDIS_DOWN", "redis", now)
            else:
                text = "Redis does not answer: each worker looks for itself, more slowly."
                alarms.open_alarm(session, "REDIS_DOWN", "redis", text, now)
        self._redis_was_up = up
