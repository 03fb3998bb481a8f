"""Forged and altered messages of outside systems, by the thousand: none is accepted."""
