"""Pages of customers: their metering points, their messages, and what they want to hear."""
