"""A work order as what leaves for a partner, by the partner's bundle.

What is made here is settled: an item that waits in the outbox keeps its bytes, whatever becomes of
the bundle meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from app.domain.findings import Finding, has_error
from app.domain.lanes import partner_lane
from app.services.bundle_content import CompiledBundle, file_payload
from app.services.canonical_order import canonical_order
from app.services.outbox import UNFORMED, NewItem
from app.services.slices import Lists, MassContext
from app.services.work_orders import KIND
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import Action

_DEFAULT_PRIORITY = 3
_REASONS_MOST = 3


class Outgoing(msgspec.Struct, frozen=True):
    """An order as a partner gets it, and what keeps it from being sent, if something does.

    value: what the mapping made; payload: what goes into the outbox, for files the file itself.
    """

    value: Mapping[str, Any]
    payload: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the partner's form lacks something that it needs."""
        return bool(self.findings) and has_error(self.findings)


def outgoing(
    order: CisWorkOrder,
    partner_code: str,
    action: Action,
    lists: Lists,
    *,
    suffix: str = "",
    mass: MassContext | None = None,
    counts: bool = True,
) -> Outgoing:
    """Map one revision by the bundle in force, and by the shadow beside it, if there is one.

    suffix tells a second message about the same revision apart: the cancellation to a partner that
    lost the order to another one. counts: a shadow is compared; not for a mere look.
    Raises: KeyError (the partner has no bundle in force), ValueError (its codec cannot write it).
    """
    bundles = lists.orders[partner_code]
    source = canonical_order(
        order,
        action,
        sees_key_info=partner_code in lists.key_info_partners,
        partner_key=lists.partner_key,
        mass=mass,
    )
    done = build(bundles.active, source, _key(order, suffix))
    if counts and bundles.shadow is not None:
        beside = bundles.shadow.mapping.run(source)
        lists.tally.compare(bundles.shadow_id, order.order_id, done.value, beside.value)
    return done


def outgoing_or_why(
    order: CisWorkOrder,
    partner_code: str,
    action: Action,
    lists: Lists,
    *,
    suffix: str = "",
    mass: MassContext | None = None,
    counts: bool = True,
) -> Outgoing | str:
    """The same, or in words why it cannot leave so: its codec fails, or it lacks what they need.

    A calling off goes whatever it lacks. Raises: KeyError (the partner has no bundle in force).
    """
    try:
        made = outgoing(order, partner_code, action, lists, suffix=suffix, mass=mass, counts=counts)
    except ValueError as error:
        return f"the bundle of {partner_code} cannot write it: {error}"
    if made.refused and action != "CANCEL":
        told = ", ".join(f"{f.code} {f.path}" for f in made.findings[:_REASONS_MOST])
        return f"it lacks what {partner_code} needs: {told}"
    return made


def build(bundle: CompiledBundle, source: Mapping[str, Any], key: str) -> Outgoing:
    """What a bundle makes of a canonical order; the name of a file is made of the key.

    Raises: ValueError (its codec cannot write what the mapping made).
    """
    mapped = bundle.mapping.run(source)
    if not bundle.is_file:
        return Outgoing(mapped.value, mapped.value, mapped.findings)
    return Outgoing(mapped.value, file_payload(bundle, key, mapped.value), mapped.findings)


def partner_item(
    order: CisWorkOrder,
    partner_code: str,
    action: Action,
    made: Outgoing,
    *,
    suffix: str = "",
    mass: MassContext | None = None,
) -> NewItem:
    """The outbox item that takes one revision to a partner; its key is `orderId-revision`."""
    return NewItem(
        lane=partner_lane(partner_code),
        kind=KIND,
        business_key=order.order_id,
        # Orders for one metering point reach a partner in the order in which they were made.
        order_key=order.gsrn,
        gsrn=order.gsrn,
        version=order.revision,
        dedupe_key=_key(order, suffix),
        payload=made.payload,
        priority=10 * (order.priority or _DEFAULT_PRIORITY),
        hold_reason=mass.hold_reason if mass and action != "CANCEL" else None,
    )


def unformed_item(
    order: CisWorkOrder, partner_code: str, action: Action, facts: str, *, suffix: str = ""
) -> NewItem:
    """The item as it waits for its form, held: the order as we have it, without key information."""
    kept = Outgoing({}, {"action": action, "order": msgspec.Raw(facts.encode())})
    item = partner_item(order, partner_code, action, kept, suffix=suffix)
    return msgspec.structs.replace(item, hold_reason=UNFORMED)


def payload_bytes(made: Outgoing) -> bytes:
    """The payload byte for byte as the outbox would write it."""
    return msgspec.json.encode(made.payload)


def _key(order: CisWorkOrder, suffix: str) -> str:
    return f"{order.order_id}-{order.revision}{suffix}"
