"""The simulated customer information system: its made-up world, its files and its file server."""
