"""The committed JSON Schemas."""

from __future__ import annotations

import json

import pytest

from tests.integrations.schemas import SCHEMAS, make_schema, path_of


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_committed_schema_says_what_its_type_says(name: str) -> None:
    committed = json.loads(path_of(name).read_text(encoding="utf-8"))
    assert committed == make_schema(name), "run python -m tests.integrations.schemas"
