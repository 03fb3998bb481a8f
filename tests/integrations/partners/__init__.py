"""Codecs and clients of partners."""
