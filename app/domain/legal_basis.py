"""On which ground of the data protection law somebody is written to."""

from __future__ import annotations

from enum import StrEnum

from app.domain.notice_types import Topic


class LegalBasis(StrEnum):
    """CONTRACT: news of the customer's own supply. LEGAL_DUTY: the law asks us to announce it.

    CONSENT: somebody else than the customer, who said yes to it.
    """

    CONTRACT = "CONTRACT"
    LEGAL_DUTY = "LEGAL_DUTY"
    CONSENT = "CONSENT"


def basis_of(topic: Topic | str, *, third_party: bool = False) -> LegalBasis:
    """The ground for messages about a topic to the customer, or to a third party."""
    if third_party:
        return LegalBasis.CONSENT
    return LegalBasis.LEGAL_DUTY if topic == Topic.PLANNED else LegalBasis.CONTRACT
