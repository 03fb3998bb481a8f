"""Letters as they come to be owed: one about each event, in the words that e-mails have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.letter_text import LetterText, render_letter
from app.domain.message_text import TemplateError
from app.domain.notice_types import NoticeType
from app.domain.states import NoticeState
from app.domain.telling_times import true_until
from app.models.letter import Letter
from app.services import message_templates, published_texts
from app.settings import Settings


def owe(
    session: Session, row: Any, values: Mapping[str, str], settings: Settings, now: datetime
) -> None:
    """One letter for an event, a customer and a point; a change of plan is an event of its own.

    row: of the notice that reached nobody (aftercare.py). A plan that grew is announced again; who has
    a letter of it as it stands is owed no second one.
    Raises: TemplateError -> a value is missing.
    """
    kind, language = NoticeType(row.type), Language(row.language)
    expires_at = true_until(kind, row.facts or {})
    if kind is NoticeType.PLANNED_NOTICE and _last_says(session, row) == expires_at:
        return
    letter = _words(session, kind, language, values, settings)
    reason = row.suppress_reason if row.state == NoticeState.SUPPRESSED else row.state
    session.execute(
        insert(Letter)
        .values(
            dedupe_key=_key(row),
            notice_id=row.id,
            customer_id=row.customer_id,
            gsrn=row.gsrn,
            type=kind,
            language=language,
            reason=reason,
            subject=letter.subject,
            body=letter.body,
            nameless=row.safety_ban or row.customer_id is None,
            state="DUE",
            expires_at=expires_at,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )


_LAST_SAYS = text(
    """
    SELECT l.expires_at FROM letter l JOIN notice n ON n.id = l.notice_id
    WHERE n.outage_id = :outage AND l.gsrn = :gsrn AND l.state <> 'WITHDRAWN'
      AND l.customer_id IS NOT DISTINCT FROM :customer
      AND l.type IN ('PLANNED_NOTICE', 'PLANNED_CHANGED')
    ORDER BY l.id DESC LIMIT 1
    """
)


def _last_says(session: Session, row: Any) -> datetime | None:
    """When the cut begins by the last letter about it; None when there is none."""
    values = {"outage": row.outage_id, "gsrn": row.gsrn, "customer": row.customer_id}
    found: datetime | None = session.execute(_LAST_SAYS, values).scalar_one_or_none()
    return found


def _words(
    session: Session,
    kind: NoticeType,
    language: Language,
    values: Mapping[str, str],
    settings: Settings,
) -> LetterText:
    """In the words in use; where they need a value that this event does not have, in the shipped ones."""
    phone = settings.customer_service_phone
    try:
        in_use = published_texts.current(session).by_type[kind]
        return render_letter(in_use, language, values, phone=phone)
    except TemplateError:
        shipped = message_templates.SHIPPED.by_type[kind]
        return render_letter(shipped, language, values, phone=phone)


def _key(row: Any) -> str:
    if row.announcement_id is None:
        return f"notice/{row.id}"
    return f"announcement/{row.announcement_id}/{row.customer_id or '-'}/{row.gsrn}"
