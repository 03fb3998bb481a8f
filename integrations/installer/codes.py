"""What an installer's answers mean, as data; statuses not named here go by their class."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from integrations.http_json import STATUS_OUTCOMES
from integrations.outcomes import CallError, Rejected

STATUSES: Mapping[int, type[CallError]] = MappingProxyType(
    {
        **STATUS_OUTCOMES,
        # The same key with another body: our revision was reused, a person has to look.
        409: Rejected,
        # Field errors: the order becomes PARTNER_REJECTED with these findings.
        422: Rejected,
    }
)
