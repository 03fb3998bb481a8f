"""The shape of a connection order in a file of connection stages."""

from __future__ import annotations

from integrations.cis import values
from integrations.cis.shape import ADDRESS, Group, Leaf, code, day, flag, moment, text, whole

STAGES = (
    "ORDERED",
    "CONTRACTED",
    "SITE_PLANNING",
    "BUILDING",
    "READY",
    "ENERGISED",
    "METERED",
    "COMPLETED",
    "ON_HOLD",
    "CANCELLED",
)

CONNECTION = Group(
    {
        "OrderNo": Leaf(
            "order_no",
            values.to_text,
            "up to 40 letters, digits, hyphens and full stops",
            required=True,
        ),
        "Version": whole("version", 1, required=True),
        "ChangedAt": moment("changed_at", required=True),
        "CustomerId": text("customer_id", 40, required=True),
        "Stage": code("stage", *STAGES, required=True),
        "Correction": flag("correction"),
        "StageDates": Group(
            {
                "StageDate": Group(
                    {
                        "Stage": code("stage", *STAGES, required=True),
                        "On": day("on", required=True),
                    },
                    attribute="stage_dates",
                    many=True,
                )
            }
        ),
        "Identification": text("gsrn", 40),
        "MeterIdentification": text("meter_number", 40),
        "TargetWeek": Leaf("target_week", values.to_text, "a week such as 2026-W48"),
        "DelayReason": text("delay_reason", 20),
        "PlannerVisitFrom": moment("visit_from"),
        "PlannerVisitTo": moment("visit_to"),
        "EnergiseFrom": moment("energise_from"),
        "EnergiseTo": moment("energise_to"),
        "Address": ADDRESS,
    }
)
