"""The one interface of everything that carries messages to people.

A further provider is a folder beside twilio_sms and sendgrid_email with a client of this form, a
line in app/clients.py and a row among the provider routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from integrations.outcomes import CallError, Client, Outbound, Sent

# How one message of a call ended; an error is a value here, since one call may carry many.
Result = Sent | CallError


@dataclass(frozen=True, slots=True)
class MessageMatch:
    """What a look-up found; only `one` settles an unknown outcome."""

    kind: Literal["none", "one", "several"]
    sid: str | None = None
    status: str | None = None
    error_code: str | None = None


@runtime_checkable
class Channel(Client, Protocol):
    """Carries messages to a provider, none of them twice: a doubt is told as UnknownOutcome.

    items_per_call: how many messages one request may carry. Belongs to the event loop that it is
    first used in.
    """

    items_per_call: int

    async def send_many(self, items: Sequence[Outbound]) -> list[Result]:
        """Hand over at most items_per_call messages in one go; one result each, in their order.

        What ends a call for one of them is its result, never an exception.
        """
        ...


async def send_each(client: Client, items: Sequence[Outbound]) -> list[Result]:
    """send_many() for a provider that takes one message per request."""

    async def _one(item: Outbound) -> Result:
        try:
            return await client.send(item)
        except CallError as error:
            return error

    return list(await asyncio.gather(*(_one(item) for item in items)))


@runtime_checkable
class Finder(Protocol):
    """A channel whose provider can be asked what became of a message."""

    async def find_message(
        self,
        to: str,
        sender: str,
        body: str,
        since: datetime,
        until: datetime,
        others: Collection[str] = (),
    ) -> MessageMatch:
        """Look for the message that a call may have made, leaving out those of other calls.

        Raises: CallError (it could not be asked; ContractBroken: it will never tell).
        """
        ...
