"""Use cases: the only writers of rows."""
