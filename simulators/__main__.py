"""`python -m simulators …`: the rehearsal's commands without the product."""

from __future__ import annotations

from simulators.cli import simulate

if __name__ == "__main__":
    simulate(prog_name="simulate")
