"""Findings about orders, acknowledgements and meters, as they were recorded and as they are read out.

Whoever sent what was found gets the English sentence with its code (reject files, answers of the
API); staff read it in their language, see record_words.py.
"""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

FINDINGS: tuple[tuple[str, LazyString | str], ...] = (
    # Of acknowledgements.
    (
        "Meter {meter} has serial {serial}, {told} was reported.",
        _l("Meter %(meter)s has serial %(serial)s, %(told)s was reported."),
    ),
    (
        "Register {register} read {value_new} after {value_old}.",
        _l("Register %(register)s read %(value_new)s after %(value_old)s."),
    ),
    (
        "It happened at {moment_happened} and arrived at {moment_arrived}.",
        _l("It happened at %(moment_happened)s and arrived at %(moment_arrived)s."),
    ),
    (
        "It is about revision {theirs}, we have revision {our_revision}.",
        _l("It is about revision %(theirs)s, we have revision %(our_revision)s."),
    ),
    (
        "The order had been cancelled when the work was reported.",
        _l("The order had been cancelled when the work was reported."),
    ),
    (
        "Neither offAt nor noOutage: the power counts as off since occurredAt.",
        _l("Neither offAt nor noOutage: the power counts as off since occurredAt."),
    ),
    (
        "The power came back before it went off.",
        _l("The power came back before it went off."),
    ),
    (
        "It was reported {count} m from the metering point.",
        _l("It was reported %(count)s m from the metering point."),
    ),
    (
        "The order hangs a new meter and the report names none.",
        _l("The order hangs a new meter and the report names none."),
    ),
    (
        "Meter {meter} was taken down, {expected} was expected.",
        _l("Meter %(meter)s was taken down, %(expected)s was expected."),
    ),
    (
        "Meter {meter} was reported both as the old and as the new one.",
        _l("Meter %(meter)s was reported both as the old and as the new one."),
    ),
    (
        "The old meter was taken down without a final reading.",
        _l("The old meter was taken down without a final reading."),
    ),
    ("A failed visit needs a reason.", _l("A failed visit needs a reason.")),
    (
        "The multiplier is {value}, {value_expected} was expected.",
        _l("The multiplier is %(value)s, %(value_expected)s was expected."),
    ),
    (
        "Reason {told} is not in the code list.",
        _l("Reason %(told)s is not in the code list."),
    ),
    ("Meter {meter} is not in our register.", _l("Meter %(meter)s is not in our register.")),
    (
        "Meter {meter} hangs at metering point {gsrn}.",
        _l("Meter %(meter)s hangs at metering point %(gsrn)s."),
    ),
    (
        "The meter on site is not the one in the order; it needs a manual check.",
        _l("The meter on site is not the one in the order; it needs a manual check."),
    ),
    (
        "Meter {meter} hangs here, but no delivery has named it.",
        _l("Meter %(meter)s hangs here, but no delivery has named it."),
    ),
    (
        "Meter {meter} is {stock_state} and not in the stock of {partner}.",
        _l("Meter %(meter)s (%(stock_state)s) is not in the stock of %(partner)s."),
    ),
    (
        "It says what another acknowledgement said before.",
        _l("It says what another acknowledgement said before."),
    ),
    (
        "The completion that it corrects has not been reported yet.",
        _l("The completion that it corrects has not been reported yet."),
    ),
    (
        "No work can be done on an order that is {order_state}.",
        _l("No work can be done on an order in this state: %(order_state)s."),
    ),
    (
        "The order is {order_state}; only a CORRECTED acknowledgement changes that.",
        _l("The order's state is %(order_state)s; only a correction changes that."),
    ),
    (
        "It is about an older revision than {our_revision}.",
        _l("It is about an older revision than %(our_revision)s."),
    ),
    (
        "The order has gone to {partner} since.",
        _l("The order has gone to %(partner)s since."),
    ),
    ("The order is {order_state} already.", _l("The order's state is %(order_state)s already.")),
    (
        "It came too late to tell anybody; its times are kept.",
        _l("It came too late to tell anybody; its times are kept."),
    ),
    (
        "The order has been changed or cancelled since.",
        _l("The order has been changed or cancelled since."),
    ),
    ("The order has been returned already.", _l("The order has been returned already.")),
    (
        "They go on; the end of the work answers the cancellation.",
        _l("They go on; the end of the work answers the cancellation."),
    ),
    # Of orders.
    (
        "Order type {told} is not in the code list.",
        _l("Order type %(told)s is not in the code list."),
    ),
    (
        "{gsrn} is not 18 digits with a valid check digit.",
        _l("%(gsrn)s is not 18 digits with a valid check digit."),
    ),
    (
        "Meter model {model} is not in the code list.",
        _l("Meter model %(model)s is not in the code list."),
    ),
    (
        "Meter model {model} has {count_model} phase(s), the point has {count_point}.",
        _l("Meter model %(model)s: phases %(count_model)s, at the point %(count_point)s."),
    ),
    (
        "Meter model {model} takes {count_model} A at most, the main fuse has {count_point} A.",
        _l(
            "Meter model %(model)s takes %(count_model)s A at most, the main fuse has"
            " %(count_point)s A."
        ),
    ),
    (
        "Meter model {model} measures directly, the point has current transformers.",
        _l("Meter model %(model)s measures directly, the point has current transformers."),
    ),
    (
        "Physical status {told} is not in the code list.",
        _l("Physical status %(told)s is not in the code list."),
    ),
    (
        "Metering point type {told} is not in the code list.",
        _l("Metering point type %(told)s is not in the code list."),
    ),
    (
        "Metering point subtype {told} is not in the code list.",
        _l("Metering point subtype %(told)s is not in the code list."),
    ),
    (
        "The metering point has status {told}; only a removal may be ordered there.",
        _l("The metering point has status %(told)s; only a removal may be ordered there."),
    ),
    (
        "The order says meter {theirs}, our register says {our_meter}.",
        _l("The order says meter %(theirs)s, our register says %(our_meter)s."),
    ),
    ("The due day {on} has passed.", _l("The due day %(on)s has passed.")),
    (
        "Language {told} is not one of ours; Finnish assumed.",
        _l("Language %(told)s is not one of ours; Finnish assumed."),
    ),
    (
        "Meter model {model} may not be ordered for order type {told}.",
        _l("Meter model %(model)s may not be ordered for order type %(told)s."),
    ),
    ("WindowTo is not later than WindowFrom.", _l("WindowTo is not later than WindowFrom.")),
    ("The phone number is not one.", _l("The phone number is not one.")),
    (
        "Meter model {model} may not be hung in a mass replacement.",
        _l("Meter model %(model)s may not be hung in a mass replacement."),
    ),
    (
        "Meter model {model} is not among the AllowedModels of the mass order.",
        _l("Meter model %(model)s is not among the AllowedModels of the mass order."),
    ),
    (
        "Revision {theirs} arrived after the start of the work: the order is {order_state} and can no"
        " longer be changed.",
        _l(
            "Revision %(theirs)s arrived after the start of the work: the order (%(order_state)s) can"
            " no longer be changed."
        ),
    ),
    (
        "Revision {theirs} is older than revision {our_revision}, which is in use.",
        _l("Revision %(theirs)s is older than revision %(our_revision)s, which is in use."),
    ),
    ("Revision {theirs} was received before.", _l("Revision %(theirs)s was received before.")),
    (
        "Revision {theirs} was received before with other content.",
        _l("Revision %(theirs)s was received before with other content."),
    ),
    (
        "Revision {theirs} cancels an order that is {order_state}: work has begun.",
        _l("Revision %(theirs)s cancels an order (%(order_state)s): work has begun."),
    ),
    (
        "Revision {theirs} arrived while the work is going on; it waits for the visit's end.",
        _l("Revision %(theirs)s arrived while the work is going on; it waits for the visit's end."),
    ),
    (
        "Revision {theirs} cancels an order whose work has begun: the installer is asked to stop, and"
        " the visit's end answers.",
        _l(
            "Revision %(theirs)s cancels an order whose work has begun: the installer is asked to"
            " stop, and the visit's end answers."
        ),
    ),
    (
        "Revision {theirs} cancels an order that was never received; it is kept.",
        _l("Revision %(theirs)s cancels an order that was never received; it is kept."),
    ),
    (
        "DeclaredCount is {count_declared}, the file has {count_items} items.",
        _l("DeclaredCount is %(count_declared)s, the file has %(count_items)s items."),
    ),
    (
        "{count_bad} of {count_items} items were not taken.",
        _l("%(count_bad)s of %(count_items)s items were not taken."),
    ),
    # Of meters and connections.
    (
        "It was reported with serial {told}, its maker says {serial}.",
        _l("It was reported with serial %(told)s, its maker says %(serial)s."),
    ),
    (
        "Meter {meter} is known with serial {serial}.",
        _l("Meter %(meter)s is known with serial %(serial)s."),
    ),
    (
        "Meter {meter} is {stock_state} and cannot become {stock_next}.",
        _l("Meter %(meter)s (%(stock_state)s) cannot become: %(stock_next)s."),
    ),
    (
        "Customer {customer} has not been sent.",
        _l("Customer %(customer)s has not been sent."),
    ),
    ("There is no week {week}.", _l("There is no week %(week)s.")),
    (
        "DelayReason is not in the code list; customers read the reason of code OTHER.",
        _l("DelayReason is not in the code list; customers read the reason of code OTHER."),
    ),
    (
        "Completed without a meter number; the customer is told once it is known.",
        _l("Completed without a meter number; the customer is told once it is known."),
    ),
    (
        "{name}From and {name_to}To belong together.",
        _l("%(name)sFrom and %(name)sTo belong together."),
    ),
)
