"""Alarms and signals of processes, posted to an address that the customer chose."""
