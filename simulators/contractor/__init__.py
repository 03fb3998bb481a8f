"""The simulated regional contractor: orders and acknowledgements are CSV files in its own folders."""
