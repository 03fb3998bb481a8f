"""The guide "Add a partner in an hour", followed to the letter."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import transaction
from app.domain.roles import Role
from app.models import OutboxItem, WorkOrder
from app.services import staff
from tests.services.routing_world import an_order, take

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "interfaces" / "add-a-partner.md").read_text("utf-8")
PASSWORD = "a password of twelve"
FOLDER = Path("kivela_files")


def test_whoever_follows_the_guide_sends_the_new_partner_an_order(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("integrations").symlink_to(ROOT / "integrations")
    with app.app_context(), transaction() as session:
        for name in ("aino", "eino"):
            staff.create(session, name, name, PASSWORD, Role.OPERATOR, datetime.now(UTC), by="test")
    copying, pairs, telling, sending, *_ = _blocks("sh")
    reader = _Reader(app)
    reader.follow(copying)
    for name in ("manifest.json", "order-out-1.json"):
        path = FOLDER / name
        path.write_text(path.read_text("utf-8").replace('"OHJE"', '"HUOM"'), "utf-8")
    manifest = json.loads((FOLDER / "manifest.json").read_bytes())
    manifest |= {"kind": FOLDER.name, "title": "Kivelä"}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (order, *_), (file, *_) = _blocks("json"), _blocks("text")
    _write(FOLDER / "golden" / "order-out-1" / "new.in.json", order)
    _write(FOLDER / "golden" / "ack-in-1" / "day.in.csv", file)
    reader.follow(pairs)
    told = (FOLDER / "golden" / "order-out-1" / "new.out.csv").read_text("utf-8")
    assert "HUOM" in told
    assert "Soita ennen tuloa" in told
    reader.follow(telling)
    reader.follow(sending.partition("\n")[0])
    wish = re.search(r"add to it: (\{.*?\})", sending.replace("\n#", " "), re.DOTALL)
    assert wish is not None
    rules = json.loads(Path("rules.json").read_bytes())
    _write(Path("rules.json"), json.dumps([*rules, json.loads(wish[1])]))
    reader.follow(sending.partition("\n")[2])
    # The rule of the example begins on a day of its own.
    at = max(datetime.now(UTC), datetime(2026, 12, 1, tzinfo=UTC)) + timedelta(minutes=1)
    swap = {"order_type_code": "MVY", "required_model": "6534", "old_meter_number": "5530-1"}
    with app.app_context():
        take([an_order(1, access_note="Soita ennen tuloa", **swap)], now=at)
        with transaction() as session:
            assert session.scalars(select(WorkOrder.partner_code)).one() == "kivela"
            item = session.scalars(select(OutboxItem)).one()
            assert item.lane == "partner.kivela"
            assert "HUOM" in str(item.payload)


class _Reader:
    """Types what the guide says, with the numbers that the product prints instead of its examples."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        # The drafts of its bundles and of its rules, as the guide numbers them.
        self._examples = {"add": iter(("6", "7")), "draft": iter(("2",))}
        self._numbers: dict[str, str] = {}

    def follow(self, block: str) -> None:
        """Type line after line; each has to end well."""
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            words, target = _redirected(words)
            if words[0] == "flask":
                self._flask(words[1:], target)
            else:
                subprocess.run(words, check=True)

    def _flask(self, args: list[str], target: str | None) -> None:
        args = [self._numbers.get(word, word) for word in args]
        typed = None
        if "--by" in args:
            args, typed = [*args, "--password-stdin"], f"{PASSWORD}\n"
        done = self._app.test_cli_runner().invoke(args=args, input=typed)
        assert done.exit_code == 0, (args, done.output)
        if target is not None:
            Path(target).write_bytes(done.stdout_bytes)
        if args[1] in self._examples and args[0] != "partners":
            printed = re.search(r"\d+", done.output)
            assert printed is not None, done.output
            self._numbers[next(self._examples[args[1]])] = printed[0]


def _redirected(words: list[str]) -> tuple[list[str], str | None]:
    """A command, and the file that its output goes to."""
    if ">" not in words:
        return words, None
    at = words.index(">")
    return words[:at], words[at + 1]


def _blocks(kind: str) -> Iterator[str]:
    return (found[1] for found in re.finditer(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
