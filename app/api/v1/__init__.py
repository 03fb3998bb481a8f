"""Version 1 of the interfaces for other systems."""
