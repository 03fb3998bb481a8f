"""The spaces of our advisory locks in PostgreSQL: one number each, so that no two rooms share a lock."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class LockSpace(IntEnum):
    """Who holds a lock of the space.

    Two rooms under one number would take turns without anybody meaning it: a partner's server that
    does not answer would keep outages from being read.
    """

    DRAINERS = 7_403_002
    LEADER = 7_403_003
    POLL_CIS = 7_403_004
    INTAKE = 7_403_005
    ACKS = 7_403_006
    INBOUND_SMS = 7_403_008
    NOTICES = 7_403_010
    FAULTS = 7_403_011
    NETWORK = 7_403_012
    PARTNER_FILES = 7_403_013
    DELIVERIES = 7_403_031
    SNAPSHOTS = 17
    ROLLOUT = 0x7D0A
