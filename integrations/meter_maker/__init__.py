"""The meter maker: tells us which meters it has been ordered, has delivered and has taken back."""
