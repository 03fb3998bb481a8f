"""The network information system: which meter hangs at which metering point."""
