"""Rules, texts, processes and alarm rules from one environment to another, as one signed file.

A further kind of record is a module with a Kind beside the others, and a line in kinds.py.
"""
