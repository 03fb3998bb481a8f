"""Planners' systems: planned cuts as they ask for them."""
