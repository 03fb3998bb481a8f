"""Work orders that wait for a person, with the reasons that the checks gave."""

from __future__ import annotations

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.roles import Permission
from app.queries import bundle_list, order_story, order_types, parked_orders
from app.web.access import role_required
from app.web.clock import now
from app.web.i18n import current_language
from app.web.operators.blueprint import blueprint

PAGE_ROWS = 50


@blueprint.get("/orders")
@role_required(Permission.OPERATE)
def orders() -> ResponseReturnValue:
    """The parked orders, the longest waiting first."""
    session = db.session()
    state = request.args.get("state")
    if state not in parked_orders.PARKED_STATES:
        state = None
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    page = max(1, page)
    rows = parked_orders.find_parked(session, PAGE_ROWS + 1, (page - 1) * PAGE_ROWS, state)
    return render_template(
        "operators/orders.html",
        orders=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        state=state,
        counts=parked_orders.count_parked(session),
        type_names=order_types.names(session, current_language()),
        now=now(),
    )


@blueprint.get("/orders/<name:order_id>")
@role_required(Permission.OPERATE)
def order(order_id: str) -> ResponseReturnValue:
    """One work order and all that became of it."""
    session = db.session()
    story = order_story.order_story(session, order_id)
    if story is None:
        abort(404)
    partner = story.order.partner_code
    moment = now()
    bench = bundle_list.find_in_force(session, partner, "order", "out", moment) if partner else None
    return render_template(
        "operators/order.html",
        story=story,
        bench=bench,
        order=story.order,
        type_name=order_types.names(session, current_language()).get(
            story.order.order_type_code, story.order.order_type_code
        ),
        now=moment,
    )
