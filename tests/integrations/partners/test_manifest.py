"""A manifest is read strictly: what nobody could mean is refused with its place."""

from __future__ import annotations

import msgspec
import pytest

from integrations.partners.manifest import Limits, Sftp


def test_each_folder_has_one_use() -> None:
    # We would take our own orders for their reports, or archive into what we empty.
    for twice in ({"inbox": "orders"}, {"archive": "acks"}, {"processing": "archive"}):
        with pytest.raises(msgspec.ValidationError, match="each folder has one use"):
            msgspec.convert({"kind": "sftp", **twice}, Sftp)
    assert msgspec.convert({"kind": "sftp", "inbox": "in"}, Sftp).inbox == "in"


@pytest.mark.parametrize("limits", [{"in_flight": 0}, {"per_s": 0}, {"per_s": 100_001}])
def test_a_limit_is_one_that_a_lane_can_have(limits: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(limits, Limits)
