"""The control room: faults in the network as a distribution management system states them."""
