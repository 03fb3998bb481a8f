"""The billing system: final and start readings of a meter change."""
