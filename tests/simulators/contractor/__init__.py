"""The simulated contractor that works with files."""
