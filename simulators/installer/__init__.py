"""The simulated mass installer: takes orders, sends crews that never sleep, and acknowledges."""
