"""What a drain may take now: whether its lane may send, how much, how urgent, and by which route.

Asked anew for each claim, and the parts that may change at any moment again for each slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.lanes import NOTICE_LANES
from app.domain.notice_types import TOPIC_PRIORITY, Topic
from app.domain.route_choice import choose_route
from app.services import budget, lanes, outbox, provider_routes, sending_rates, sending_stops
from app.services.budget import EXEMPT, Prices
from app.services.lanes import OpenLane
from app.services.outbox import Claimed
from app.services.provider_routes import OpenRoute
from app.services.sending_stops import Urgencies
from app.settings import Settings

# So few slices that even one that runs into every time-out ends well before the lease does.
SLICES_PER_CLAIM = 5
# What is claimed waits for what was claimed before it, so a claim stays small.
_CLAIM_MOST = 5000
# Nothing that has been claimed keeps these waiting; they come at the next slice (REQ-27).
_OVERTAKES = TOPIC_PRIORITY[Topic.SERVICE]


@dataclass(slots=True)
class Plan:
    """One claim's bounds. routes: those open now, none for a lane that knows one receiver only.

    room: what the buckets of the limits hold, by their names.
    """

    limit: int
    urgencies: Urgencies = None
    routes: Mapping[str, OpenRoute] = field(default_factory=dict)
    room: Mapping[str, int] = field(default_factory=dict)


def make_plan(
    session: Session,
    lane: OpenLane,
    settings: Settings,
    now: datetime,
    stock: int | None = None,
) -> Plan | None:
    """The bounds of the next claim; None when nothing of the lane may leave now.

    stock: so many instead of a few slices, for whoever has to go on while we are away.
    """
    # A half-open circuit lets one call pass to see whether the receiver is back.
    most = 1 if lane.half_open else stock or lane.in_flight_count * SLICES_PER_CLAIM
    plan = Plan(limit=min(most, max(_CLAIM_MOST, lane.in_flight_count)))
    if lane.day_room is not None:
        plan.limit = min(plan.limit, lane.day_room)
    if lane.name in NOTICE_LANES:
        may, plan.urgencies = sending_stops.allowed(session, lane.name)
        if not may:
            return None
        _within_budget(session, lane.name, plan, settings, now)
        plan.routes = {
            one.code: one for one in provider_routes.open_routes(session, lane.name, now)
        }
        if not plan.routes:
            return None
        if all(route.half_open for route in plan.routes.values()):
            plan.limit = min(plan.limit, len(plan.routes))
    _within_rates(session, lane, plan, now)
    return plan if plan.limit > 0 else None


def claim(
    session: Session, lane: OpenLane, plan: Plan, lease: int, settings: Settings, now: datetime
) -> tuple[list[Claimed], dict[int, str | None]]:
    """Claim within the plan, and the route that each item takes.

    Items for which no route has room are not in the second; they go back untouched.
    """
    items = outbox.claim(
        session,
        lane.name,
        lease,
        plan.limit,
        now,
        settings.lease_s,
        urgencies=plan.urgencies,
        routes=list(plan.routes),
        zone=lane.zone,
    )
    if lane.name not in NOTICE_LANES:
        taken: dict[int, str | None] = dict.fromkeys((item.id for item in items), None)
    else:
        taken = _assign(plan, items)
    counts = {f"lane:{lane.name}": len(taken)}
    for route in taken.values():
        counts[f"route:{route}"] = counts.get(f"route:{route}", 0) + 1
    sending_rates.take(session, {name: counts.get(name, 0) for name in plan.room})
    return items, taken


def may_go_on(
    session: Session, lane: OpenLane, slice_: Sequence[Claimed], now: datetime, *, first: bool
) -> bool:
    """Whether the slice may begin: nobody has paused or stopped the lane, and nothing overtakes it.

    The first slice of a claim is what was most urgent; something more urgent that cannot be
    claimed must not keep everything else waiting for ever.
    """
    if not slice_:
        return True
    if lanes.is_paused(session, lane.name):
        return False
    if lane.name not in NOTICE_LANES:
        return True
    may, urgencies = sending_stops.allowed(session, lane.name)
    most, least = min(i.priority for i in slice_), max(i.priority for i in slice_)
    if not may or (urgencies and (most < urgencies[0] or least > urgencies[1])):
        return False
    return first or not outbox.is_overtaken(session, lane.name, most, _OVERTAKES, now)


def affordable(
    session: Session, slice_: Sequence[Claimed], settings: Settings, now: datetime
) -> tuple[list[Claimed], dict[int, int]]:
    """The items that may leave for the money that is left, and what each costs.

    Whatever of it begins is to be told to budget.spend() in the same transaction.
    """
    prices = Prices.of(settings)
    costs = budget.costs_of(session, [item.payload["notice_id"] for item in slice_], prices)
    if not costs:
        return list(slice_), {}
    cost_of = {item.id: costs.get(item.payload["notice_id"], 0) for item in slice_}
    if not (settings.budget_hour_cents or settings.budget_day_cents):
        return list(slice_), cost_of
    state = budget.read_locked(session, settings, now)
    fits = budget.what_fits(
        [(item.id, item.priority, cost_of[item.id]) for item in slice_], state.left
    )
    if len(fits) < len(slice_):
        budget.note_spent(session, state, now)
    return [item for item in slice_ if item.id in fits], cost_of


def _within_budget(
    session: Session, lane: str, plan: Plan, settings: Settings, now: datetime
) -> None:
    unit = Prices.of(settings).unit(lane)
    if not unit:
        return
    state = budget.read(session, settings, now)
    if state.left is None:
        return
    count = state.left // unit
    if count:
        plan.limit = min(plan.limit, count)
        return
    budget.note_spent(session, state, now)
    most, least = plan.urgencies or EXEMPT
    plan.urgencies = (max(most, EXEMPT[0]), min(least, EXEMPT[1]))


def _within_rates(session: Session, lane: OpenLane, plan: Plan, now: datetime) -> None:
    limits = {f"lane:{lane.name}": lane.rate_per_s}
    limits |= {f"route:{code}": plan.routes[code].rate_per_s for code in sorted(plan.routes)}
    looked = {
        name: sending_rates.look(session, name, rate, now) for name, rate in limits.items() if rate
    }
    plan.room = {name: room for name, room in looked.items() if room is not None}
    own = plan.room.get(f"lane:{lane.name}")
    if own is not None:
        plan.limit = min(plan.limit, own)
    rooms = [plan.room.get(f"route:{code}") for code in plan.routes]
    if rooms and None not in rooms:
        plan.limit = min(plan.limit, sum(room for room in rooms if room is not None))


def _assign(plan: Plan, items: Sequence[Claimed]) -> dict[int, str | None]:
    """Spread the items over the routes by their weights, within what each route may take now."""
    left = {
        code: min(plan.room.get(f"route:{code}", len(items)), 1 if route.half_open else len(items))
        for code, route in plan.routes.items()
    }
    weights = {code: route.weight for code, route in plan.routes.items() if left[code] > 0}
    taken: dict[int, str | None] = {}
    for item in items:
        if item.route is not None:
            # In doubt at this one: it takes no other (I2).
            route = item.route if left.get(item.route, 0) > 0 else None
        else:
            route = choose_route(weights, item.dedupe_key) if weights else None
        if route is None:
            continue
        taken[item.id] = route
        left[route] -= 1
        if left[route] <= 0:
            weights.pop(route, None)
    return taken
