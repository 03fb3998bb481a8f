"""Fixtures of the pages' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.roles import Role
from app.web import translations
from tests.web.visitor import Visitor, visitor_as


class StandingClock:
    """A clock of the pages that moves only when a test moves it."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **length: float) -> None:
        """Let time pass."""
        self.at += timedelta(**length)


@pytest.fixture(scope="session", autouse=True)
def compiled_catalogues() -> None:
    """The pages read compiled catalogues, which are not in the repository."""
    translations.compile_all()


@pytest.fixture
def clock(app: Flask) -> Iterator[StandingClock]:
    """The time of the pages stands still until the test moves it."""
    app.extensions["tiedolla_clock"] = clock = StandingClock()
    yield clock
    del app.extensions["tiedolla_clock"]


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Somebody who has not logged in."""
    found = Visitor(app)
    found.client.set_cookie("lang", "en")
    return found


@pytest.fixture
def agent(app: Flask) -> Visitor:
    """Somebody of customer service."""
    return visitor_as(app, Role.AGENT)


@pytest.fixture
def operator(app: Flask) -> Visitor:
    """Somebody who runs the system."""
    return visitor_as(app, Role.OPERATOR)


@pytest.fixture
def admin(app: Flask) -> Visitor:
    """An administrator."""
    return visitor_as(app, Role.ADMIN)


Writing = Callable[[], AbstractContextManager[Session]]


@pytest.fixture
def writing(app: Flask) -> Writing:
    """Write rows: `with writing() as session`; they are committed at the end of the block.

    The application context ends with the block: one that stayed open would be shared by all
    requests of the test, which then would know things of one another.
    """

    @contextmanager
    def write() -> Iterator[Session]:
        with app.app_context():
            with transaction() as session:
                yield session
            db.session.remove()

    return write
