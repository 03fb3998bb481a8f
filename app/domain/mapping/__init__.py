"""Mapping between a partner's documents and ours, as data with a closed vocabulary."""
