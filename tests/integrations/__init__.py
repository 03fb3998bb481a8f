"""What outside systems get from us and what we make of their answers."""
