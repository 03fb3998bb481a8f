"""The one search box: live results, and straight to the page when only one point fits exactly."""

from __future__ import annotations

from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.queries import order_types
from app.queries.connection_list import search_connections
from app.queries.point_search import SearchResult, search_points
from app.web.access import role_required
from app.web.agents.blueprint import blueprint
from app.web.clock import now
from app.web.i18n import current_language

QUERY_MAX_CHARS = 120


@blueprint.get("/")
@role_required(Permission.LOOKUP)
def search() -> ResponseReturnValue:
    """The front page of staff."""
    query = _query()
    facts = _facts(query)
    result, orders = facts["result"], facts["connections"]
    if result.how == "EXACT" and len(result.hits) == 1 and not result.more and not orders:
        return redirect(url_for(".point", gsrn=result.hits[0].gsrn))
    if len(orders) == 1 and orders[0].order_no == query.upper():
        return redirect(url_for(".connection", order_no=orders[0].order_no))
    return render_template("agents/search.html", **facts)


@blueprint.get("/search")
@role_required(Permission.LOOKUP)
def search_results() -> ResponseReturnValue:
    """The results alone, while somebody types."""
    query = _query()
    page = render_template("agents/search_results.html", **_facts(query))
    answer = make_response(page)
    # The address keeps the query, so that going back finds the same results.
    answer.headers["HX-Replace-Url"] = url_for(".search", q=query or None)
    return answer


def _query() -> str:
    # A character that PostgreSQL cannot hold can only come from a program.
    return request.args.get("q", "").replace("\x00", "").strip()[:QUERY_MAX_CHARS]


def _search(query: str) -> SearchResult:
    return search_points(db.session(), query, helsinki_day(now()))


def _facts(query: str) -> dict[str, Any]:
    result = _search(query)
    return {
        "query": query,
        "result": result,
        "connections": search_connections(db.session(), query),
        "type_names": order_types.names(db.session(), current_language()) if result.hits else {},
    }
