"""Upkeep counts the hours and publishes the figures for a page that needs no database."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from flask import Flask

from tests.conftest import test_settings
from tests.services.world import NOW
from workers.service_level import publish_service_level


def test_the_snapshot_is_written_when_hours_were_counted(app: Flask, tmp_path: Path) -> None:
    settings = test_settings(status_snapshot_dir=tmp_path)
    with app.app_context():
        assert publish_service_level(settings, NOW) == 24
        found = json.loads((tmp_path / "service-level.json").read_text("utf-8"))
        assert (found["format"], found["day"]["notices"], found["day"]["quick"]) == (1, 0, None)
        for _ in range(30):
            if not publish_service_level(settings, NOW):
                break
        # All hours of the month are counted, and nothing is due until they get old.
        assert publish_service_level(settings, NOW) == 0
        (tmp_path / "service-level.json").unlink()
        assert publish_service_level(settings, NOW + timedelta(minutes=6)) > 0
    assert (tmp_path / "service-level.json").exists()
