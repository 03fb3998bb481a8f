"""Pages of customer service: search, and one metering point on one page."""
