"""Warning of fallen lines: everybody at a fault's metering points, at any hour, whatever they wish.

It waits for no second person (blast_guard.py) and overtakes everything else; so an operator confirms
that there is danger, and it is said once an hour at most.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.domain.languages import Names
from app.domain.municipalities import municipality_names
from app.domain.notice_types import NOTICE_RULES, NoticeType
from app.services import audit, faults
from app.services.announcements import about_outage, announce
from app.services.fault_actions import Act, ActRefused, get_open

KIND = NoticeType.SAFETY_WARNING
# More names than this are no help to a reader.
_AREAS_MOST = 3

_NEAR_YOU = Names("lähistölläsi", "nära dig", "near you")

_AREAS = text(
    """
    SELECT m.municipality_code FROM outage_point p JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE p.outage_id = :id
    GROUP BY 1 ORDER BY m.municipality_code IS NULL, count(*) DESC, 1 LIMIT :most
    """
)
_LAST = text(
    "SELECT max(event_at) FROM announcement"
    " WHERE outage_id = :id AND type = :kind AND state <> 'WITHDRAWN'"
)


def warn(act: Act, outage_id: int) -> None:
    """Warn whoever has a point in this fault of lines on the ground.

    Raises: ActRefused (NOT_FOUND, WRONG_STATE, NO_POINTS, WARNED_LATELY).
    """
    get_open(act, outage_id)
    codes = act.session.execute(_AREAS, {"id": outage_id, "most": _AREAS_MOST}).scalars().all()
    if not codes:
        raise ActRefused("NO_POINTS")
    last = act.session.execute(_LAST, {"id": outage_id, "kind": KIND}).scalar_one()
    if last is not None and act.now - last < (NOTICE_RULES[KIND].repeats_after or timedelta(0)):
        raise ActRefused("WARNED_LATELY")
    # Where nobody knows the municipality, the danger is there all the same.
    names = [municipality_names(code) for code in codes if code is not None] or [_NEAR_YOU]
    area = Names(*(", ".join(in_one) for in_one in zip(*names, strict=True)))
    announcement_id = announce(
        act.session,
        KIND,
        about_outage(outage_id),
        occurrence=act.now.isoformat(timespec="seconds"),
        event_at=act.now,
        facts={"area": area._asdict(), "event_at": act.now.isoformat()},
        now=act.now,
        by=act.by,
    )
    faults.record(act.session, outage_id, "WARNED", act.now, act.now, by=act.by)
    detail = {"announcement": announcement_id}
    audit.record(act.session, act.by, "SAFETY_WARNED", f"outage:{outage_id}", detail, act.now)
