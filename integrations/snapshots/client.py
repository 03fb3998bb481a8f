"""Fetches a system's list into a file of ours, as it comes, with bounds in time and size."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import BinaryIO

import aiohttp
from yarl import URL

from integrations.http_json import STATUS_OUTCOMES, outcome_of
from integrations.http_session import describe, needs_repair, open_session
from integrations.outcomes import ContractBroken, HttpTarget, LaneDown, Retryable

MEDIA_TYPE = "application/x-ndjson"
# A list of millions takes a while; one that comes drop by drop has an end all the same.
_WHOLE_S = 900.0
_CHUNK_BYTES = 256 * 1024


async def fetch(
    target: HttpTarget, since: datetime | None, into: BinaryIO, most_bytes: int
) -> None:
    """GET {base}/snapshot and write it down; what was written counts only when this returns.

    Raises: Retryable, LaneDown, ContractBroken (too large, or an answer that was not agreed on).
    """
    url = URL(target.base_url + "/snapshot", encoded=True)
    if since is not None:
        url = url.with_query(since=since.astimezone(UTC).isoformat().replace("+00:00", "Z"))
    headers = {"Accept": MEDIA_TYPE}
    if target.token:
        headers["Authorization"] = f"Bearer {target.token}"
    session = open_session(target.connect_s, _WHOLE_S, 1, headers)
    # Each piece within the time in which any other answer would have to be there.
    patience = aiohttp.ClientTimeout(
        total=_WHOLE_S, connect=target.connect_s, sock_read=target.total_s
    )
    try:
        async with session.get(url, allow_redirects=False, timeout=patience) as response:
            if response.status != 200:
                _refuse(response.status)
            size = 0
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                size += len(chunk)
                if size > most_bytes:
                    raise ContractBroken(f"the list has more than {most_bytes} bytes")
                into.write(chunk)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = f"list: {describe(error)}"
        raise (LaneDown(why) if needs_repair(error) else Retryable(why)) from None
    finally:
        await session.close()


def _refuse(status: int) -> None:
    kind = outcome_of(status, STATUS_OUTCOMES)
    why = f"list: answered {status}"
    if issubclass(kind, LaneDown):
        raise LaneDown(why)
    if issubclass(kind, Retryable):
        raise Retryable(why)
    raise ContractBroken(why)
