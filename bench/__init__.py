"""Benchmarks: speed claims come from here."""
