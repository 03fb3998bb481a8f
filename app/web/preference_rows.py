"""The matrix of topics and contacts as pages draw it and as it comes back from them.

Shared by the customers' pages and customer service's. Only what differs from what was shown becomes
a choice: a default that was left alone stays a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import abort

from app.domain.notice_types import CHOSEN_TOPICS, Topic
from app.models import Contact
from app.services.preference_matrix import Cell, Matrix
from app.services.preferences import Wish

# What stands in a point's field: as everywhere, yes, or no.
_AS_ELSEWHERE, _YES, _NO = "", "1", "0"


@dataclass(frozen=True, slots=True)
class Row:
    """One topic with a cell per contact."""

    topic: Topic
    cells: list[tuple[Contact, Cell]]


def shown_at(matrix: Matrix, gsrn: str | None) -> list[Contact]:
    """The contacts that may hear of a point; of no point in particular, all."""
    return [
        one
        for one in matrix.contacts
        if gsrn is None or one.only_gsrns is None or gsrn in one.only_gsrns
    ]


def rows_of(matrix: Matrix, contacts: Sequence[Contact], gsrn: str | None) -> list[Row]:
    """The rows in the order of the topics."""
    return [
        Row(topic, [(one, matrix.cell(one.id, topic, gsrn)) for one in contacts])
        for topic in CHOSEN_TOPICS
    ]


def elsewhere_of(matrix: Matrix, contacts: Sequence[Contact]) -> dict[tuple[int, Topic], bool]:
    """What each contact hears of in general, to be said beside a point's choice."""
    return {
        (one.id, topic): matrix.cell(one.id, topic).hears
        for one in contacts
        for topic in CHOSEN_TOPICS
    }


def wishes_of(
    matrix: Matrix, contacts: Sequence[Contact], gsrn: str | None, form: Mapping[str, str]
) -> list[Wish]:
    """What a form changes."""
    found = (
        _wish(matrix, one, topic, gsrn, form.get(f"w-{one.id}-{topic}"))
        for one in contacts
        for topic in CHOSEN_TOPICS
    )
    return [wish for wish in found if wish is not None]


def _wish(
    matrix: Matrix, contact: Contact, topic: Topic, gsrn: str | None, given: str | None
) -> Wish | None:
    cell = matrix.cell(contact.id, topic, gsrn)
    if gsrn is None:
        wanted: bool | None = given == _YES
        return None if wanted == cell.hears else Wish(contact.id, topic, wanted)
    if given not in (_AS_ELSEWHERE, _YES, _NO):
        abort(400)
    wanted = None if given == _AS_ELSEWHERE else given == _YES
    return None if wanted == cell.chosen else Wish(contact.id, topic, wanted, gsrn)
