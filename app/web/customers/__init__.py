"""Pages of the customer: what concerns them, after a log-in by code."""
