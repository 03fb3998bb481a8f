"""How the property tests of the rules run."""

from __future__ import annotations

from hypothesis import settings

# The machine may be busy, so an example has no deadline; the same examples are tried each time, so
# that a change fails for what it changes and not for the luck of the draw.
settings.register_profile("rules", deadline=None, derandomize=True, database=None)
# For hunting: pytest tests/domain --hypothesis-profile=hunt
settings.register_profile("hunt", deadline=None, max_examples=5_000, database=None)
settings.load_profile("rules")
