"""Kinds of partners: one folder of data per kind, and the few transports and codecs they choose from."""
