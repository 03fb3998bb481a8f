"""What each kind of staff account may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """The one role of a staff account."""

    AGENT = "agent"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """One thing that an account may or may not do.

    LOOKUP: find metering points and read their story. SEE_KEY_INFO: read how to get to a meter
    (keys, codes); each reading is recorded. OPERATE: see runs and lanes, pause, release, retry.
    ANSWER_CUSTOMERS: read and answer what customers wrote to us.
    REPLAY: send again what has failed. SEE_PAYLOAD: read messages as they went over the wire;
    each reading is recorded. EDIT_TEXTS: write the texts of notices, and let pass what
    somebody else has written. MANAGE_STAFF: make and lock accounts. CHANGE_WISHES: change contacts
    and what they hear of on a customer's behalf; each change is recorded.
    """

    LOOKUP = "lookup"
    SEE_PAYLOAD = "see_payload"
    SEE_KEY_INFO = "see_key_info"
    ANSWER_CUSTOMERS = "answer_customers"
    OPERATE = "operate"
    REPLAY = "replay"
    EDIT_TEXTS = "edit_texts"
    MANAGE_STAFF = "manage_staff"
    CHANGE_WISHES = "change_wishes"


# Key information is for those who arrange visits, payloads for those who mend the machinery.
_MAY: Mapping[Role, frozenset[Permission]] = {
    Role.AGENT: frozenset(
        {
            Permission.LOOKUP,
            Permission.SEE_KEY_INFO,
            Permission.CHANGE_WISHES,
            Permission.ANSWER_CUSTOMERS,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            Permission.LOOKUP,
            Permission.OPERATE,
            Permission.REPLAY,
            Permission.SEE_PAYLOAD,
            Permission.EDIT_TEXTS,
        }
    ),
    Role.ADMIN: frozenset(Permission),
}


def may(role: str, permission: Permission) -> bool:
    """Tell whether a role has a permission; an unknown role has none."""
    try:
        return permission in _MAY[Role(role)]
    except ValueError:
        return False
