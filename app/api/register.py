"""Registers the api on the application."""

from __future__ import annotations

from flask import Flask

from app.api import callbacks, health, openapi, problems
from app.api.v1 import (
    acks,
    dms_outages,
    head_end,
    meter_deliveries,
    planned_cuts,
    process_starts,
    runner,
)


def register(app: Flask) -> None:
    """Add every part of the api to the application."""
    problems.init(app)
    api = openapi.make_api(app)
    for blueprint in (
        acks.blueprint,
        dms_outages.blueprint,
        head_end.blueprint,
        meter_deliveries.blueprint,
        planned_cuts.blueprint,
        process_starts.blueprint,
        runner.blueprint,
    ):
        api.register_blueprint(blueprint)
    openapi.serve(app, api)
    for machine_side in (callbacks.blueprint, health.blueprint):
        app.register_blueprint(machine_side)
