"""One folder per outside system, all alike; they know neither the product nor its framework."""
