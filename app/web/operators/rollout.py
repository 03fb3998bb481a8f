"""The rollout: how far the programme is against its plan, and the orders behind every number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import Response, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.domain.rollout import (
    AGE_DAYS,
    AGES,
    LAST_DAY,
    PACE_WORKING_DAYS,
    Choice,
    parse_choice,
)
from app.models.rollout import RolloutPlan
from app.queries import rollout_figures, rollout_list, rollout_plans
from app.queries.rollout_figures import Figures, Summary
from app.services import audit, signed_files
from app.services.holiday_calendar import days_off_between
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.country_map import country
from app.web.operators import rollout_charts, rollout_export
from app.web.operators.blueprint import blueprint
from app.web.operators.rollout_view import Overview, overview
from app.web.operators.rollout_words import age_name, area_name

LIST_ROWS = 50
_SCOPE = ("wave", "area")


@blueprint.get("/rollout")
@role_required(Permission.OPERATE)
def rollout() -> ResponseReturnValue:
    """The whole programme, or one wave or municipality of it, as of the last count."""
    scope = _scope()
    with _snapshot() as session:
        summary = rollout_figures.find_summary(session)
        if summary is None:
            return render_template("operators/rollout_none.html")
        whole = msgspec.convert(summary.figures, Figures)
        figures, plan, view = _look(session, summary, whole, scope)
    today = helsinki_day(summary.as_of_at)
    return render_template(
        "operators/rollout.html",
        view=view,
        scope=scope,
        plan=plan,
        summary=summary,
        curve=rollout_charts.curve(view.weeks, today),
        bars=rollout_charts.bars(view.days, view.headline.pace.needed, today),
        map=rollout_charts.area_map(country(), view.areas, figures.areas),
        waves=sorted({row.wave for row in whole.places if row.wave}),
        areas=sorted({row.area for row in whole.places if row.area}, key=area_name),
        areas_by_name=sorted(view.areas, key=lambda row: (row.name is None, area_name(row.name))),
        order_href=partial(_orders_at, url_for(".rollout_orders")),
        area_href=partial(_scope_href, scope, "area"),
        scope_href=partial(_scope_href, scope),
        file_href=lambda kind: url_for(".rollout_file", kind=kind, **scope.words()),
        age_heads=[{"text": age_name(age), "numeric": True} for age in AGES],
        age_days=AGE_DAYS,
        pace_days=PACE_WORKING_DAYS,
        silent_days=_settings().ack_silence_days,
        today=today,
        now=now(),
    )


@blueprint.get("/rollout/orders")
@role_required(Permission.OPERATE)
def rollout_orders() -> ResponseReturnValue:
    """The orders behind one number, as they were when it was counted."""
    choice = parse_choice(request.args)
    after = request.args.get("after", "").replace("\0", "")[:80]
    silent_days = _settings().ack_silence_days
    with _snapshot() as session:
        summary = rollout_figures.find_summary(session)
        if summary is None:
            return render_template("operators/rollout_none.html")
        as_of = summary.as_of_at
        count = rollout_list.count_orders(session, choice, as_of, silent_days)
        rows = list(
            rollout_list.orders(
                session, choice, as_of, silent_days, after=after, limit=LIST_ROWS + 1
            )
        )
    more = len(rows) > LIST_ROWS
    rows = rows[:LIST_ROWS]
    return render_template(
        "operators/rollout_orders.html",
        rows=rows,
        count=count,
        choice=choice,
        summary=summary,
        next_href=_order_href(choice, after=rows[-1].order_id) if more else None,
        file_href={kind: _file_href(choice, kind) for kind in rollout_export.KINDS},
        back_href=url_for(".rollout", **_scope_words(choice)),
        now=now(),
    )


@blueprint.get("/rollout/meters")
@role_required(Permission.OPERATE)
def rollout_meters() -> ResponseReturnValue:
    """The meters behind one number of the stock, as they are now."""
    model, group = request.args.get("model", "")[:80], request.args.get("group", "")
    if group not in rollout_list.METER_GROUPS or "\0" in model:
        abort(404)
    after = request.args.get("after", "").replace("\0", "")[:80]
    session = db.session()
    summary = rollout_figures.find_summary(session)
    rows = rollout_list.meters(session, model, group, LIST_ROWS + 1, after)
    more, rows = len(rows) > LIST_ROWS, rows[:LIST_ROWS]
    return render_template(
        "operators/rollout_meters.html",
        rows=rows,
        model=model,
        group=group,
        count=rollout_list.count_meters(session, model, group),
        summary=summary,
        counted=_counted(summary, model, group) if summary is not None else None,
        next_href=url_for(".rollout_meters", model=model, group=group, after=rows[-1].number)
        if more
        else None,
    )


@blueprint.get("/rollout/overview.<kind>")
@role_required(Permission.OPERATE)
def rollout_file(kind: str) -> ResponseReturnValue:
    """The page's tables as a file; who took it is recorded."""
    _check_kind(kind)
    scope = _scope()
    with _snapshot() as session:
        summary = rollout_figures.find_summary(session)
        if summary is None:
            abort(404)
        whole = msgspec.convert(summary.figures, Figures)
        _, plan, view = _look(session, summary, whole, scope)
    _record(kind, scope)
    tables = rollout_export.tables(view, scope, summary.as_of_at, plan.name if plan else "")
    return _answer(rollout_export.write(tables, kind, _key()), "rollout", kind)


@blueprint.get("/rollout/orders.<kind>")
@role_required(Permission.OPERATE)
def rollout_orders_file(kind: str) -> ResponseReturnValue:
    """The orders behind one number as a file; who took it is recorded."""
    _check_kind(kind)
    choice = parse_choice(request.args)
    with _snapshot() as session:
        summary = rollout_figures.find_summary(session)
    if summary is None:
        abort(404)
    _record(kind, choice)
    pieces = _orders_file(choice, kind, _key(), _settings().ack_silence_days)
    return _answer(pieces, "rollout-orders", kind)


def _counted(summary: Summary, model: str, group: str) -> int:
    """What the stock table says, of which meters may have come and gone since."""
    known = msgspec.convert(summary.figures, Figures).stock
    row = next((one for one in known if one.model == model), None)
    if row is None:
        return 0
    return {"ordered": row.ordered, "in-stock": row.in_stock, "lost": row.lost}[group]


def _orders_file(choice: Choice, kind: str, key: bytes, silent_days: int) -> Iterator[bytes]:
    """Written piece by piece while the answer leaves, from one snapshot of its own."""
    engine = db.engine.execution_options(isolation_level="REPEATABLE READ")

    def pieces() -> Iterator[bytes]:
        with Session(engine) as session:
            summary = rollout_figures.find_summary(session)
            assert summary is not None  # noqa: S101 - there was one, and none is ever removed.
            as_of = summary.as_of_at
            rows = rollout_list.orders(session, choice, as_of, silent_days)
            yield from rollout_export.write([rollout_export.order_table(rows, as_of)], kind, key)

    return pieces()


def _look(
    session: Session, summary: Summary, whole: Figures, scope: Choice
) -> tuple[Figures, RolloutPlan | None, Overview]:
    """The figures of a scope beside the plan; those of the whole are counted already."""
    figures = whole
    if scope != Choice():
        figures = rollout_figures.count(
            session, scope, summary.as_of_at, _settings().ack_silence_days, whole
        )
    plan = rollout_plans.find_active(session)
    rows = rollout_plans.rows_of(session, plan.id, scope.wave, scope.area) if plan else []
    today = helsinki_day(summary.as_of_at)
    days = [today, *(row.from_on for row in rows), *(row.to_on for row in rows)]
    known = days_off_between(min(days), max([*days, LAST_DAY]))
    return figures, plan, overview(figures, rows, scope, today, known)


@contextmanager
def _snapshot() -> Iterator[Session]:
    """A session that sees one moment, whatever is committed while the page is made."""
    engine = db.engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(engine, expire_on_commit=False) as session:
        yield session


def _scope() -> Choice:
    choice = parse_choice(request.args)
    return Choice(wave=choice.wave, area=choice.area)


def _scope_words(choice: Choice) -> dict[str, Any]:
    return {name: word for name, word in choice.words().items() if name in _SCOPE}


def _scope_href(scope: Choice, name: str, value: str) -> str:
    return url_for("operators.rollout", **{**scope.words(), name: value})


def _order_href(choice: Choice, **more: str) -> str:
    return _orders_at(url_for("operators.rollout_orders"), choice, **more)


def _orders_at(path: str, choice: Choice, **more: str) -> str:
    """The list behind a number; a page has hundreds, so the way to it is looked up once."""
    words = urlencode({**choice.words(), **more})
    return f"{path}?{words}" if words else path


def _file_href(choice: Choice, kind: str) -> str:
    return url_for("operators.rollout_orders_file", kind=kind, **choice.words())


def _check_kind(kind: str) -> None:
    if kind not in rollout_export.KINDS:
        abort(404)


def _record(kind: str, choice: Choice) -> None:
    detail: dict[str, Any] = {"kind": kind, **choice.words()}
    with transaction() as session:
        audit.record(session, actor(), "ROLLOUT_FILE_TAKEN", "rollout", detail, now())


def _answer(pieces: Iterator[bytes], name: str, kind: str) -> Response:
    moment: datetime = now()
    file_name = f"{name}-{helsinki_day(moment):%Y-%m-%d}.{kind}"
    head = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return Response(pieces, mimetype=rollout_export.KINDS[kind], headers=head)


def _key() -> bytes:
    return signed_files.key_of(_settings().secret_key.get_secret_value())


def _settings() -> Settings:
    known: Settings = current_app.extensions["tiedolla_settings"]
    return known
