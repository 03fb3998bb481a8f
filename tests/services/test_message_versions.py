"""Texts that staff write: in versions, let pass by a second person, in use within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.languages import Language
from app.domain.message_checks import FaultCode
from app.domain.message_text import MessageSet
from app.domain.notice_policy import ContactFacts
from app.domain.notice_types import Channel, NoticeType
from app.domain.sender_profiles import Senders
from app.domain.states import TextState
from app.models.audit_entry import AuditEntry
from app.models.message_version import MessageVersion
from app.models.notice import Notice
from app.services import message_versions, published_texts
from app.services.direct_notices import tell_contact
from app.services.message_templates import SHIPPED
from app.services.message_versions import (
    ChangedMeanwhile,
    SecondPersonNeeded,
    TextsRefused,
    find_version,
    publish,
    reject,
    roll_back,
    save_draft,
    submit,
    take_back,
)
from app.settings import Settings

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
KIND = NoticeType.HELP_REPLY
SENDERS = Senders("Verkko", "", frozenset({"Verkko"}))
AINO, OTSO, ARMI = "staff:aino", "staff:otso", "staff:armi"


def test_req_34_a_wording_leaves_only_after_a_second_person_let_it_pass(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            draft = written(session)
            submit(session, draft, SENDERS, by=AINO, now=NOW)
        with pytest.raises(SecondPersonNeeded), transaction() as session:
            publish(session, locked(session, 1), SENDERS, by=AINO, now=NOW)
        assert body_of_reply(app) == shipped_body()
        with transaction() as session:
            publish(session, locked(session, 1), SENDERS, by=OTSO, now=NOW)
        assert body_of_reply(app) == "Verkkoyhtio: Soita 0800 123 45 nyt."
        with transaction() as session:
            notice = session.execute(
                select(Notice).order_by(Notice.id.desc()).limit(1)
            ).scalar_one()
            assert (notice.text_version, notice.to_staff) == (1, False)


def test_whoever_wrote_any_part_of_it_is_no_second_person(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session, by=AINO)
        draft = written(session, by=OTSO, seen_at=draft.changed_at)
        submit(session, draft, SENDERS, by=ARMI, now=NOW)
        for person in (AINO, OTSO, ARMI):
            with pytest.raises(SecondPersonNeeded):
                publish(session, draft, SENDERS, by=person, now=NOW)
        assert draft.state == TextState.SUBMITTED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sms_one_way": None, "sms": ""}, FaultCode.PART_EMPTY),
        ({"sms_one_way": "((brand)): call ((phone)), reply to us"}, FaultCode.REPLY_ONE_WAY),
        ({"sms_one_way": "((brand)): see verkko.fi or call ((phone))"}, FaultCode.LINK),
        (
            {"sms_one_way": "((brand)): call ((phone)) about ((week))"},
            FaultCode.PLACEHOLDER_UNKNOWN,
        ),
        ({"subject": "Big discount"}, FaultCode.MARKETING),
    ],
)
def test_req_24_28_29_30_what_may_not_be_used_is_refused(
    app: Flask, changes: dict[str, str | None], code: FaultCode
) -> None:
    texts = {**TEXTS, Language.EN: replace(TEXTS[Language.EN], **changes)}  # type: ignore[arg-type]
    with app.app_context(), transaction() as session:
        draft = written(session, texts=texts)
        with pytest.raises(TextsRefused) as caught:
            submit(session, draft, SENDERS, by=AINO, now=NOW)
        assert code in {fault.code for fault in caught.value.faults}
        assert draft.state == TextState.DRAFT


def test_req_24_a_language_that_repeats_another_or_is_missing_is_refused(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session, texts={**TEXTS, Language.SV: TEXTS[Language.FI]})
        assert codes(draft) == {FaultCode.LANGUAGES_EQUAL}
        seen = draft.changed_at
        draft = written(session, texts={Language.FI: TEXTS[Language.FI]}, seen_at=seen)
        assert codes(draft) == {FaultCode.LANGUAGE_MISSING}


def test_req_28_a_text_from_a_sender_that_nobody_authorised_is_refused(app: Flask) -> None:
    unlisted = Senders("Verkko", "+358454900900", frozenset({"Verkko"}))
    with app.app_context(), transaction() as session:
        draft = written(session)
        with pytest.raises(TextsRefused) as caught:
            submit(session, draft, unlisted, by=AINO, now=NOW)
        (fault,) = caught.value.faults
        assert (fault.code, fault.what) == (FaultCode.SENDER_UNLISTED, ("+358454900900",))


def test_req_28_the_sender_must_be_listed_still_when_it_is_published(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session)
        submit(session, draft, SENDERS, by=AINO, now=NOW)
        with pytest.raises(TextsRefused):
            publish(session, draft, Senders("Verkko"), by=OTSO, now=NOW)


def test_req_30_a_text_marked_as_marketing_is_refused(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session, marketing=True)
        assert codes(draft) == {FaultCode.MARKETING_FLAG}


def test_an_older_wording_comes_back_without_a_second_person(app: Flask) -> None:
    with app.app_context():
        for number in (1, 2):
            with transaction() as session:
                draft = written(session, sms=f"((brand)): Soita ((phone)), ohje {number}.")
                submit(session, draft, SENDERS, by=AINO, now=NOW)
                publish(session, draft, SENDERS, by=OTSO, now=NOW)
        assert "ohje 2" in body_of_reply(app)
        with transaction() as session:
            roll_back(session, KIND, 1, SENDERS, by=AINO, now=NOW)
        assert "ohje 1" in body_of_reply(app)
        with transaction() as session:
            roll_back(session, KIND, 0, SENDERS, by=AINO, now=NOW)
        assert body_of_reply(app) == shipped_body()
        with pytest.raises(ChangedMeanwhile), transaction() as session:
            roll_back(session, KIND, 0, SENDERS, by=AINO, now=NOW)
        with transaction() as session:
            states = session.execute(
                select(MessageVersion.state).order_by(MessageVersion.number)
            ).scalars()
            assert list(states) == [TextState.RETIRED, TextState.RETIRED]


def test_what_nobody_let_pass_cannot_be_rolled_back_to(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session)
        with pytest.raises(ChangedMeanwhile):
            roll_back(session, KIND, 1, SENDERS, by=OTSO, now=NOW)
        submit(session, draft, SENDERS, by=AINO, now=NOW)
        reject(session, draft, note="Not now", by=OTSO, now=NOW)
        with pytest.raises(ChangedMeanwhile):
            roll_back(session, KIND, 1, SENDERS, by=OTSO, now=NOW)
        with pytest.raises(ChangedMeanwhile):
            publish(session, draft, SENDERS, by=OTSO, now=NOW)


def test_a_change_that_somebody_else_was_quicker_with_is_not_overwritten(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session)
        seen = draft.changed_at
        written(session, by=OTSO, seen_at=seen, now=NOW + timedelta(seconds=1))
        with pytest.raises(ChangedMeanwhile):
            written(session, seen_at=seen)
        with pytest.raises(ChangedMeanwhile):
            written(session)


def test_what_is_submitted_is_changed_only_after_it_was_taken_back(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session)
        submit(session, draft, SENDERS, by=AINO, now=NOW)
        with pytest.raises(ChangedMeanwhile):
            written(session, seen_at=draft.changed_at)
        take_back(session, draft, by=OTSO, now=NOW)
        written(session, seen_at=draft.changed_at)


def test_every_act_is_on_record(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        draft = written(session)
        submit(session, draft, SENDERS, by=AINO, now=NOW)
        publish(session, draft, SENDERS, by=OTSO, now=NOW)
        roll_back(session, KIND, 0, SENDERS, by=ARMI, now=NOW)
        rows = session.execute(select(AuditEntry).order_by(AuditEntry.id)).scalars()
        assert [(row.actor, row.action, row.subject) for row in rows] == [
            (AINO, "write text", f"text:{KIND}"),
            (AINO, "submit text", f"text:{KIND}"),
            (OTSO, "publish text", f"text:{KIND}"),
            (ARMI, "roll text back", f"text:{KIND}"),
        ]


def test_the_database_lets_one_wording_of_a_kind_leave_at_a_time(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            written(session)
        with pytest.raises(Exception, match="uq_message_version_open"), transaction() as session:
            session.execute(
                text(
                    "INSERT INTO message_version (kind, number, based_on, texts, marketing, state,"
                    " note, authors, created_at, changed_at) SELECT kind, 2, 0, texts, false,"
                    " 'DRAFT', '', authors, created_at, changed_at FROM message_version"
                )
            )


def test_other_processes_notice_a_new_version_within_two_seconds(app: Flask) -> None:
    """The memory of another process is played by not telling ours of the commit."""
    with app.app_context():
        ticks = Ticks()
        with transaction() as session:
            assert published_texts.current(session, tick=ticks).versions == {}
            draft = written(session)
            submit(session, draft, SENDERS, by=AINO, now=NOW)
            session.execute(text("UPDATE message_version SET state = 'PUBLISHED'"))
        with transaction() as session:
            ticks.at += published_texts.FRESH_S - 0.1
            assert published_texts.current(session, tick=ticks).versions == {}
            ticks.at += 0.2
            first = published_texts.current(session, tick=ticks)
            assert first.versions == {KIND: 1}
            assert first.by_type[KIND] == TEXTS
            assert first.by_type[NoticeType.VERIFY_CODE] == SHIPPED.by_type[NoticeType.VERIFY_CODE]
            ticks.at += 10
            # Nothing new was published, so nothing is read again.
            assert published_texts.current(session, tick=ticks) is first


def test_a_text_that_needs_what_the_event_lacks_gives_way_to_the_shipped_one(app: Flask) -> None:
    kind = NoticeType.CONN_PLANNING
    texts = {
        language: replace(message, sms=f"{message.sms} ((week))")
        for language, message in SHIPPED.by_type[kind].items()
    }
    with app.app_context():
        with transaction() as session:
            draft = written(session, kind=kind, texts=texts)
            submit(session, draft, SENDERS, by=AINO, now=NOW)
            publish(session, draft, SENDERS, by=OTSO, now=NOW)
        with transaction() as session:
            facts = {"order_no": "LT-1", "from_at": NOW.isoformat(), "to_at": NOW.isoformat()}
            notice = told(session, app, kind, facts)
            assert notice.text_version == 0
            assert notice.body is not None
            notice = told(session, app, kind, {**facts, "week": "48"}, key="2")
            assert notice.text_version == 1
            assert (notice.body or "").endswith(" 48")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    published_texts.forget()
    yield
    published_texts.forget()


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


TEXTS: MessageSet = {
    language: replace(
        text,
        sms="((brand)): " + words + " ((phone))" + end,
        sms_one_way=None,
    )
    for (language, text), (words, end) in zip(
        SHIPPED.by_type[KIND].items(),
        [("Soita", " nyt."), ("Ring", " nu."), ("Call", " now.")],
        strict=True,
    )
}


def written(
    session: Session,
    *,
    kind: NoticeType = KIND,
    texts: MessageSet = TEXTS,
    sms: str | None = None,
    by: str = AINO,
    marketing: bool = False,
    seen_at: datetime | None = None,
    now: datetime = NOW,
) -> MessageVersion:
    """A draft as somebody saves it."""
    if sms is not None:
        texts = {**texts, Language.FI: replace(texts[Language.FI], sms=sms)}
    return save_draft(
        session,
        kind,
        texts,
        note="Shorter",
        marketing=marketing,
        base=0,
        seen_at=seen_at,
        by=by,
        now=now,
    )


def locked(session: Session, number: int) -> MessageVersion:
    """A version as a page takes it to change it."""
    version = find_version(session, KIND, number, lock=True)
    assert version is not None
    return version


def codes(version: MessageVersion) -> set[FaultCode]:
    """The codes of what keeps it from being published."""
    return {fault.code for fault in message_versions.faults_of(version, SENDERS)}


def told(
    session: Session, app: Flask, kind: NoticeType, facts: dict[str, str], key: str = "1"
) -> Notice:
    """A notice to somebody."""
    settings: Settings = app.extensions["tiedolla_settings"]
    notice_id = tell_contact(
        session,
        ContactFacts(0, Channel.SMS, "+358401234567"),
        kind,
        facts,
        language=Language.FI,
        key=f"{key}/{datetime.now(UTC).isoformat()}",
        why="A test.",
        now=NOW,
        settings=settings,
    )
    assert notice_id is not None
    return session.get_one(Notice, notice_id)


def body_of_reply(app: Flask) -> str | None:
    """What somebody reads now who asks for help."""
    with transaction() as session:
        return told(session, app, KIND, {}).body


def shipped_body() -> str:
    """What they read where nobody has changed it."""
    one_way = SHIPPED.by_type[KIND][Language.FI].sms_one_way or ""
    return one_way.replace("((brand))", "Verkkoyhtio").replace("((phone))", "0800 123 45")
