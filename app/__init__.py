"""Tiedolla: tells customers the truth about their meters and their power, and keeps every system in step."""
