"""Read-only selects that return small frozen rows."""
