"""Knows every page about texts of notices, so that importing this one registers them all."""

from app.web.operators import text_acts, text_addresses, text_editing, text_pages
from app.web.operators.text_blueprint import blueprint

__all__ = ["blueprint", "text_acts", "text_addresses", "text_editing", "text_pages"]
