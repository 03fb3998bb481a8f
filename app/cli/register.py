"""Registers the flask commands of the product."""

from __future__ import annotations

from flask import Flask

from app.cli.doctor import doctor_command
from app.cli.setup import setup_command
from app.cli.staff import staff_commands


def register(app: Flask) -> None:
    """Add every command to the application."""
    for command in (doctor_command, setup_command, staff_commands):
        app.cli.add_command(command)
