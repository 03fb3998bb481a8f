"""The distribution management system: the outage that a meter swap makes."""
