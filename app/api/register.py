"""Registers the api on the application."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add every part of the api to the application."""
