"""What several files of these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app.db import transaction
from tests.services.routing_world import add_partner


@pytest.fixture
def piiri(app: Flask) -> Iterator[None]:
    """The application's context, and a second contractor of this code."""
    with app.app_context():
        with transaction() as session:
            add_partner(session)
        yield
