"""Connection orders: the only writer of them and of their versions.

Every version that the CIS sends is kept, and the row is derived from all of them, so that files may
come in any order and any number of times. Only a version newer than all before makes news.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.domain.connection_checks import check_connection
from app.domain.connection_course import ConnectionCourse, ConnectionFacts, course_of
from app.domain.connection_news import news_of
from app.domain.findings import Finding, find, has_error
from app.domain.notice_types import NoticeType
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import ConnectionStage
from app.models.connection_order import ConnectionEvent, ConnectionOrder
from app.services import inbound, runs
from app.services.announcements import about_connection, announce, withdraw
from app.services.notice_sending import stop_older
from app.services.search_index import FOLD_SQL
from app.services.slices import Refusal, Slice, SliceResult, our_finding
from integrations.cis.types import CisConnection, ParsedConnection

_encoder = msgspec.json.Encoder()
_ADDRESS = (
    "street_name",
    "house_number",
    "staircase",
    "apartment",
    "postal_code",
    "post_office",
    "municipality_code",
    "lat",
    "lon",
)


def take_slice(session: Session, part: Slice, parsed: Sequence[ParsedConnection]) -> SliceResult:
    """Take a slice of a file; one bad order never touches its neighbours.

    Versions of one order in the same slice are taken one after the other, as if they had come in
    files of their own.
    """
    result = SliceResult()
    todo = list(parsed)
    while todo:
        seen: set[str] = set()
        this_round: list[ParsedConnection] = []
        later: list[ParsedConnection] = []
        for item in todo:
            key = item.connection.order_no if item.connection else None
            (later if key in seen else this_round).append(item)
            if key is not None:
                seen.add(key)
        _take_round(session, part, this_round, result)
        todo = later
    return result


def facts_of(record: CisConnection) -> ConnectionFacts:
    """One version in the domain's words."""
    return ConnectionFacts(
        version=record.version,
        changed_at=record.changed_at,
        customer_id=record.customer_id,
        stage=ConnectionStage(record.stage),
        correction=record.correction,
        stage_dates={one.stage: one.on for one in record.stage_dates},
        gsrn=record.gsrn,
        meter_number=record.meter_number,
        target_week=record.target_week,
        delay_reason=record.delay_reason,
        visit_from=record.visit_from,
        visit_to=record.visit_to,
        energise_from=record.energise_from,
        energise_to=record.energise_to,
    )


def course_of_stored(versions: Iterable[Mapping[str, Any]]) -> ConnectionCourse:
    """The course that stored versions (ConnectionEvent.facts) make."""
    return course_of(facts_of(msgspec.convert(one, CisConnection)) for one in versions)


def index_customers(session: Session, customer_ids: Sequence[str]) -> None:
    """Write the search lines of these customers' orders anew; for whoever changed a customer."""
    session.execute(text(_INDEX_CUSTOMERS), {"ids": list(customer_ids)})


@dataclass(slots=True)
class _Known:
    """The versions of one order that we have: by number their hash, their file and their content."""

    hashes: dict[int, str]
    files: dict[int, int | None]
    records: dict[int, CisConnection]

    def course(self) -> ConnectionCourse | None:
        return course_of(facts_of(one) for one in self.records.values()) if self.records else None


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What becomes of one version; course is None where nothing is to be written.

    newest: the version that counts most, which may be another one.
    """

    record: CisConnection
    content_hash: str
    outcome: str
    findings: tuple[Finding, ...]
    old: ConnectionCourse | None = None
    course: ConnectionCourse | None = None
    newest: CisConnection | None = None


def _take_round(
    session: Session, part: Slice, parsed: Sequence[ParsedConnection], result: SliceResult
) -> None:
    records = [item.connection for item in parsed if item.connection is not None]
    known = _known(session, [record.order_no for record in records])
    customers = _customers(session, [record.customer_id for record in records])
    meters = _meters(session, [record.gsrn for record in records if record.gsrn])
    kept: list[tuple[str | None, Finding]] = []
    steps: list[runs.StepRow] = []
    weighed: list[_Weighed] = []
    for item in parsed:
        findings = tuple(our_finding(finding, item.line) for finding in item.findings)
        outcome = "REJECTED"
        if item.connection is not None:
            one = _weigh(
                item.connection, known.get(item.connection.order_no), customers, meters, part
            )
            weighed.append(one)
            outcome = one.outcome
            findings += tuple(replace(finding, line=item.line) for finding in one.findings)
        result.counts[outcome] += 1
        kept += [(item.order_no, finding) for finding in findings]
        result.refusals += [
            Refusal(item.order_no, finding)
            for finding in findings
            if finding.severity is Severity.ERROR
        ]
        steps.append(_step(item, outcome, findings, part.now))
    _write(session, [one for one in weighed if one.course is not None], part)
    inbound.add_findings(session, part.message_id, kept, part.now)
    runs.add_steps(session, part.run_id, steps)


def _weigh(
    record: CisConnection,
    known: _Known | None,
    customers: set[str],
    meters: Mapping[str, str],
    part: Slice,
) -> _Weighed:
    """Decide what becomes of one version; nothing is written yet."""
    content_hash = hashlib.sha256(_encoder.encode(record)).hexdigest()
    known = known or _Known({}, {}, {})
    old = known.course()
    if record.version in known.hashes:
        return _repeated(record, content_hash, known, old, part)
    if record.meter_number is None and record.gsrn in meters:
        record = msgspec.structs.replace(record, meter_number=meters[record.gsrn or ""])
    findings = check_connection(facts_of(record), customer_known=record.customer_id in customers)
    if has_error(findings):
        return _Weighed(record, content_hash, "REJECTED", findings)
    course = course_of(facts_of(one) for one in (*known.records.values(), record))
    if record.version in course.refused:
        findings += (_back(record, course),)
        outcome = "REJECTED"
    elif old is None:
        outcome = "NEW"
    else:
        outcome = "UPDATE" if course.facts.version == record.version else "STALE"
        if outcome == "STALE":
            words = f"Version {record.version} is older than version {course.facts.version}."
            findings += (find(RejectCode.STALE_REVISION, "Version", words),)
    undone = course.refused - (old.refused if old else frozenset()) - {record.version}
    if undone:
        words = f"Version {min(undone)}, taken before this one, would go back and counts no more."
        findings += (find(RejectCode.STAGE_BACK, "Stage", words, severity=Severity.WARN),)
    newest = known.records.get(course.facts.version, record)
    return _Weighed(record, content_hash, outcome, findings, old, course, newest)


def _repeated(
    record: CisConnection,
    content_hash: str,
    known: _Known,
    course: ConnectionCourse | None,
    part: Slice,
) -> _Weighed:
    if content_hash != known.hashes[record.version]:
        words = f"Version {record.version} was received before with other content."
        finding = find(RejectCode.REVISION_CONFLICT, "Version", words)
        return _Weighed(record, content_hash, "CONFLICT", (finding,))
    if course is not None and record.version in course.refused:
        return _Weighed(record, content_hash, "REJECTED", (_back(record, course),))
    # This very file brought it, before we died or were asked to read it again.
    mine = known.files[record.version] == part.message_id
    return _Weighed(record, content_hash, "TAKEN_BEFORE" if mine else "DUPLICATE", ())


def _back(record: CisConnection, course: ConnectionCourse) -> Finding:
    words = (
        f"Version {record.version} would lead from {course.facts.stage} back to {record.stage};"
        " send Correction if the stage before was an error."
    )
    return find(RejectCode.STAGE_BACK, "Stage", words)


def _write(session: Session, weighed: Sequence[_Weighed], part: Slice) -> None:
    if not weighed:
        return
    rows = [_row(one, part.now) for one in weighed]
    statement = upsert(ConnectionOrder)
    fixed = ("order_no", "created_at", "haystack")
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["order_no"],
            set_={name: statement.excluded[name] for name in rows[0] if name not in fixed},
        ),
        rows,
    )
    session.execute(
        insert(ConnectionEvent),
        [
            {
                "order_no": one.record.order_no,
                "version": one.record.version,
                "content_hash": one.content_hash,
                "facts": msgspec.to_builtins(one.record),
                "changed_at": one.record.changed_at,
                "inbound_message_id": part.message_id,
                "received_at": part.now,
            }
            for one in weighed
        ],
    )
    session.execute(text(_INDEX), {"ids": [one.record.order_no for one in weighed]})
    for one in weighed:
        _tell(session, one, part.now)


def _row(one: _Weighed, now: datetime) -> dict[str, Any]:
    course = one.course
    assert course is not None  # noqa: S101 - only what is to be written comes here.
    facts = course.facts
    return {
        "order_no": one.record.order_no,
        "version": facts.version,
        "customer_id": facts.customer_id,
        "gsrn": facts.gsrn,
        "stage": facts.stage.value,
        "held_stage": course.held_stage.value if course.held_stage else None,
        "stage_at": course.stage_since,
        "stage_dates": {stage: on.isoformat() for stage, on in facts.stage_dates.items()},
        "target_week": facts.target_week,
        "promised_week": course.promised_week,
        "delay_reason": facts.delay_reason,
        "delayed": course.delayed,
        "visit_from_at": facts.visit_from,
        "visit_to_at": facts.visit_to,
        "energise_from_at": facts.energise_from,
        "energise_to_at": facts.energise_to,
        "meter_number": facts.meter_number,
        "haystack": "",
        "changed_at": facts.changed_at,
        "created_at": now,
        "updated_at": now,
        **{name: getattr(one.newest, name) for name in _ADDRESS},
    }


def _tell(session: Session, one: _Weighed, now: datetime) -> None:
    """Announce what the customer should hear, and stop what is no longer true."""
    assert one.course is not None  # noqa: S101 - only what was written comes here.
    order_no = one.record.order_no
    news = news_of(one.old, one.course, order_no)
    if news.take_back:
        _take_back(session, order_no, news.take_back, now)
    for kind, event_at, facts in news.tell:
        announce(
            session,
            kind,
            about_connection(order_no),
            # A date may move back to where it was, and that is worth telling again.
            occurrence=str(one.course.facts.version),
            event_at=event_at,
            facts=facts,
            now=now,
        )


_WAITING = text(
    """
    SELECT n.id FROM notice n JOIN announcement a ON a.id = n.announcement_id
    WHERE a.subject = :subject AND a.type = ANY(:kinds) AND n.state IN ('CREATED', 'HELD', 'QUEUED')
    """
)


def _take_back(
    session: Session, order_no: str, kinds: tuple[NoticeType, ...], now: datetime
) -> None:
    about = about_connection(order_no)
    withdraw(session, about, kinds, now, reason="The order has changed.")
    found = session.execute(
        _WAITING, {"subject": about.subject, "kinds": [str(kind) for kind in kinds]}
    )
    waiting = list(found.scalars())
    if waiting:
        stop_older(session, waiting, waiting, now)


_LOCK = text(
    "SELECT order_no FROM connection_order WHERE order_no = ANY(:ids) ORDER BY order_no FOR UPDATE"
)
_VERSIONS = text(
    "SELECT order_no, version, content_hash, inbound_message_id, facts FROM connection_event"
    " WHERE order_no = ANY(:ids)"
)


def _known(session: Session, order_nos: Sequence[str]) -> dict[str, _Known]:
    """All versions of these orders, locked in one fixed sequence so that two files cannot deadlock."""
    session.execute(_LOCK, {"ids": list(order_nos)})
    known: dict[str, _Known] = {}
    for row in session.execute(_VERSIONS, {"ids": list(order_nos)}):
        one = known.setdefault(row.order_no, _Known({}, {}, {}))
        one.hashes[row.version] = row.content_hash
        one.files[row.version] = row.inbound_message_id
        one.records[row.version] = msgspec.convert(row.facts, CisConnection)
    return known


def _customers(session: Session, ids: Sequence[str]) -> set[str]:
    statement = text("SELECT cis_id FROM customer WHERE cis_id = ANY(:ids)")
    return set(session.execute(statement, {"ids": list(ids)}).scalars())


def _meters(session: Session, gsrns: Sequence[str]) -> dict[str, str]:
    """The meter that hangs at each of these points, by our own register."""
    statement = text(
        "SELECT gsrn, number FROM meter WHERE gsrn = ANY(:gsrns)"
        " AND state IN ('INSTALLED', 'COMMUNICATING')"
    )
    return {row.gsrn: row.number for row in session.execute(statement, {"gsrns": list(gsrns)})}


_LINE = FOLD_SQL.format(
    "concat_ws(' ', o.order_no, o.gsrn, concat_ws(' ', o.street_name, o.house_number, o.staircase,"
    " o.apartment), o.postal_code, o.post_office, c.cis_id, c.name)"
)
_INDEX = f"""
    UPDATE connection_order o SET haystack = {_LINE} FROM customer c
    WHERE c.cis_id = o.customer_id AND o.order_no = ANY(:ids)
"""  # noqa: S608 - made of our own constants only.
_INDEX_CUSTOMERS = f"""
    UPDATE connection_order o SET haystack = {_LINE} FROM customer c
    WHERE c.cis_id = o.customer_id AND o.customer_id = ANY(:ids) AND o.haystack <> {_LINE}
"""  # noqa: S608 - made of our own constants only.


def _step(
    item: ParsedConnection, outcome: str, findings: Iterable[Finding], now: datetime
) -> runs.StepRow:
    codes = [str(finding.code) for finding in findings]
    return runs.StepRow(
        name="connection order",
        state=outcome,
        keys=(item.order_no,) if item.order_no else (),
        started_at=now,
        detail=", ".join(codes) or None,
        error_class=codes[0] if outcome in ("REJECTED", "CONFLICT") and codes else None,
    )
