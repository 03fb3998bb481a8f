"""Lists that other systems give of what they have: one form for all of them, by HTTP or as a file."""
