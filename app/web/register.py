"""Registers the pages on the application."""

from __future__ import annotations

from flask import Flask
from jinja2 import BaseLoader, ChoiceLoader, PackageLoader, PrefixLoader

from app.web import (
    access,
    assets,
    change_words,
    country_map,
    environment_words,
    errors,
    formats,
    i18n,
    installation,
    labels,
    login,
    name_in_address,
    navigation,
    process_words,
    reconciliation_words,
    record_words,
    security,
    stop_banner,
    wording,
)
from app.web.agents import pages as agents
from app.web.customers import navigation as customer_navigation
from app.web.customers import pages as customers
from app.web.customers import unsubscribe
from app.web.operators import pages as operators
from app.web.operators import routing_words, staff, texts
from app.web.public import front, planned_cuts, service_level, status, subscribe


def register(app: Flask) -> None:
    """Add every page to the application."""
    _set_up_templates(app)
    for part in (
        security,
        name_in_address,
        assets,
        i18n,
        formats,
        labels,
        wording,
        process_words,
        reconciliation_words,
        record_words,
        access,
        navigation,
        customer_navigation,
        change_words,
        environment_words,
        installation,
        stop_banner,
        country_map,
        routing_words,
    ):
        part.init(app)
    login.init(app)
    errors.init(app)
    for blueprint in (
        front.blueprint,
        planned_cuts.blueprint,
        service_level.blueprint,
        status.blueprint,
        subscribe.blueprint,
        agents.blueprint,
        customers.blueprint,
        unsubscribe.blueprint,
        operators.blueprint,
        staff.blueprint,
        texts.blueprint,
    ):
        app.register_blueprint(blueprint)


def _set_up_templates(app: Flask) -> None:
    ours = app.jinja_loader
    assert isinstance(ours, BaseLoader)  # noqa: S101 - the factory gave a template folder.
    framework = PackageLoader("govuk_frontend_jinja")
    app.jinja_loader = ChoiceLoader([ours, PrefixLoader({"govuk_frontend_jinja": framework})])
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
