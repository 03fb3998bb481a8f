"""Rows of the database, one aggregate per file."""
