"""Stand-ins of the outside systems (rehearsal mode); they speak only the wire formats."""
