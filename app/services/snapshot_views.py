"""What each system should have, as we know it: one row a thing, in the form in which lists are compared.

Every view gives: key, gsrn, item_id, version, most (the highest version that may have left), state,
created_at, settled_at, facts (None: not compared), absent_ok (it may be missing in their list),
changed_at (when the facts changed for us). For tables without an outbox, what we know counts as sent.
"""

from __future__ import annotations

from typing import Any

from app.domain.lanes import partner_of
from app.domain.reconciliation import HEAD_END, list_name, stock_of
from app.services.work_orders import KIND as ORDER_KIND
from integrations.billing.codec import KIND as BILLING_KIND
from integrations.cis.completion_codec import KIND as CIS_KIND
from integrations.dms.codec import KIND as DMS_KIND
from integrations.nis.codec import KIND as NIS_KIND

# Of each thing the newest item counts; a withdrawn one only where there is no other.
_ITEMS = """
    SELECT DISTINCT ON ({key}) {key} AS key, i.gsrn, i.id AS item_id, i.version,
        max(i.version) OVER (PARTITION BY {key}) AS most, i.state, i.created_at, i.settled_at,
        CASE WHEN NOT i.payload ? 'removed' THEN {facts} END AS facts,
        {absent_ok} AS absent_ok, CAST(NULL AS timestamptz) AS changed_at
    FROM outbox_item i
    WHERE i.lane = :lane AND i.kind = :kind AND {key} IS NOT NULL
      AND NOT (i.state = 'CANCELLED' AND i.attempts = 0)
    ORDER BY {key}, (i.state = 'CANCELLED'), i.version DESC, i.id DESC
"""
_METER = "coalesce(i.payload ->> 'meterNumber', '')"
_DEVICES = _ITEMS.format(key="i.gsrn", facts=_METER, absent_ok=f"{_METER} = ''")
_SWAPS = _ITEMS.format(key="i.business_key", facts=_METER, absent_ok="false")
_CHANGES = _ITEMS.format(
    key="i.business_key",
    facts="coalesce(i.payload #>> '{oldMeter,number}', '') || '>'"
    " || coalesce(i.payload #>> '{newMeter,number}', '')",
    absent_ok="false",
)
_COMPLETIONS = _ITEMS.format(
    key="i.business_key",
    facts="rtrim(coalesce(i.payload ->> 'final_state', '') || ' '"
    " || coalesce(i.payload #>> '{new_meter,meter_number}', ''))",
    absent_ok="false",
)
_OFF = "(o.state = 'CANCELLED' OR o.partner_code IS DISTINCT FROM :partner)"
_DONE = "'COMPLETED', 'CORRECTED', 'REPORTED', 'CLOSED'"
# A partner may forget what is over, and what is another's or nobody's by now. The state of the order
# decides, since every partner's orders have a form of their own.
_ORDERS = f"""
    SELECT n.key, n.gsrn, n.item_id, n.version, n.most, n.state, n.created_at, n.settled_at,
        CASE WHEN {_OFF} THEN 'CANCELLED'
            WHEN o.state IN ({_DONE}) THEN 'DONE'
            WHEN o.state IN ('FAILED', 'RETURNED') THEN 'FAILED'
            WHEN o.state IN ('ROUTED', 'SENT', 'ACCEPTED', 'SCHEDULED', 'RESCHEDULED', 'STARTED')
                THEN 'OPEN'
        END AS facts,
        coalesce({_OFF} OR o.state IN ({_DONE}, 'RETURNED', 'REJECTED', 'PARTNER_REJECTED'), false)
            AS absent_ok,
        o.state_at AS changed_at
    FROM ({_ITEMS.format(key="i.business_key", facts="NULL", absent_ok="false")}) n
    LEFT JOIN work_order o ON o.order_id = n.key
"""  # noqa: S608 - our own text.
# What hangs where, as the register has it.
_METERS = """
    SELECT m.gsrn AS key, m.gsrn, CAST(NULL AS bigint) AS item_id, CAST(NULL AS bigint) AS version,
        CAST(NULL AS bigint) AS most, 'SENT' AS state, m.updated_at AS created_at,
        coalesce(m.installed_at, m.updated_at) AS settled_at, m.number AS facts,
        false AS absent_ok, m.updated_at AS changed_at
    FROM meter m WHERE m.gsrn IS NOT NULL AND m.state IN ('INSTALLED', 'COMMUNICATING')
"""
# What lies with a partner; a faulty one may lie there or not.
_STOCK = """
    SELECT m.number AS key, m.gsrn, CAST(NULL AS bigint) AS item_id,
        CAST(NULL AS bigint) AS version, CAST(NULL AS bigint) AS most, 'SENT' AS state,
        m.updated_at AS created_at, m.updated_at AS settled_at, CAST(NULL AS text) AS facts,
        m.state NOT IN ('DELIVERED', 'ALLOCATED') AS absent_ok, m.updated_at AS changed_at
    FROM meter m WHERE m.stock_code = :lane AND m.stock_at IS NOT NULL
      AND m.state IN ('DELIVERED', 'ALLOCATED', 'FAULTY', 'REMOVED', 'RETURNED')
"""
_VIEWS = {
    "orders": (_ORDERS, ORDER_KIND),
    "devices": (_DEVICES, NIS_KIND),
    "swap-outages": (_SWAPS, DMS_KIND),
    "meter-changes": (_CHANGES, BILLING_KIND),
    "completions": (_COMPLETIONS, CIS_KIND),
    "meters": (_METERS, None),
    "stock": (_STOCK, None),
}


def view_of(system: str) -> tuple[str, dict[str, Any]]:
    """The select of what a system should have, and its values. Raises: SystemUnknown."""
    statement, kind = _VIEWS[list_name(system)]
    return statement, {
        "lane": stock_of(system) or system,
        "kind": kind,
        "partner": partner_of(system),
    }


def lane_of(system: str) -> str | None:
    """The lane by which the system got what it should have; None where it got nothing from us."""
    return None if system == HEAD_END or stock_of(system) else system
