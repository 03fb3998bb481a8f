"""Every kind of record that travels between environments, in the order in which it is let in."""

from __future__ import annotations

from collections.abc import Sequence

from app.services.environments.alarm_rules import AlarmRules
from app.services.environments.bundles import Bundles
from app.services.environments.kind import Kind
from app.services.environments.processes import Processes, Schedules
from app.services.environments.routing import RoutingRules
from app.services.environments.texts import Texts

# What others name comes first: alarm rules may be about processes.
KINDS: Sequence[Kind] = (Bundles(), RoutingRules(), Texts(), Schedules(), Processes(), AlarmRules())
