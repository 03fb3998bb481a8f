"""Pages of those who run the system: runs, lanes, parked orders, inbound messages, alarms, staff."""
