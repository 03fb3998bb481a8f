"""What the billing system's answers mean, as data; HTTP statuses not named here go by their class."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from integrations.http_json import STATUS_OUTCOMES
from integrations.outcomes import AlreadyDone, CallError, Rejected

STATUSES: Mapping[int, type[CallError]] = MappingProxyType(
    {
        **STATUS_OUTCOMES,
        # The same key with another body: our version was reused, a person has to look.
        409: Rejected,
        422: Rejected,
    }
)

# The status inside a 2xx answer; none at all means that this version was stored.
ANSWER_STATUSES: Mapping[str, type[AlreadyDone]] = MappingProxyType(
    {
        # It has a newer version already, so there is nothing left to do for this one.
        "IGNORED_OLDER": AlreadyDone,
    }
)
