"""Registers the cli on the application."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add every part of the cli to the application."""
