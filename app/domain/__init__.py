"""Pure rules, state tables and code lists: standard library only, no I/O, no clock, no randomness."""
