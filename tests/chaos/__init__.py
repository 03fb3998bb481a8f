"""Chaos: kills processes while work flows, then proves the promises from the outside."""
