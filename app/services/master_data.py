"""Customers, contacts, metering points, meters and contracts as the CIS sends them.

Every record carries a version; one that is not newer than ours is ignored, so that files may come
in any order and any number of times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.findings import Finding, find, has_error
from app.domain.gsrn import is_valid_gsrn
from app.domain.languages import ASSUMED_LANGUAGE, Language
from app.domain.reject_codes import RejectCode, Severity
from app.models.customer import Customer
from app.models.metering_point import MeteringPoint, Occupancy
from app.services import cis_contacts, cis_meters, connections, inbound, runs, search_index
from app.services.slices import Refusal, Slice, SliceResult, our_finding
from integrations.cis.types import CisContract, CisCustomer, CisMeteringPoint, ParsedRecord

_LANGUAGES = frozenset(Language)
_UNKNOWN = "UNKNOWN"


def take_slice(session: Session, part: Slice, parsed: Sequence[ParsedRecord]) -> SliceResult:
    """Take a slice of a master data file; one bad record never touches its neighbours."""
    result = SliceResult()
    taken = _Taken(session, part)
    # Contracts name customers and points, which may stand in the same slice.
    for kind in (CisCustomer, CisMeteringPoint, CisContract):
        taken.take([item for item in parsed if isinstance(item.record, kind)])
    for item in parsed:
        findings = [our_finding(finding, item.line) for finding in item.findings]
        findings += [replace(f, line=item.line) for f in taken.findings.get(id(item), ())]
        outcome = taken.outcomes.get(id(item), "REJECTED")
        result.counts[outcome] += 1
        result.refusals += [Refusal(None, f) for f in findings if f.severity is Severity.ERROR]
        taken.note(item, outcome, findings)
    search_index.rebuild(session, sorted(taken.touched), part.now)
    inbound.add_findings(session, part.message_id, taken.kept, part.now)
    runs.add_steps(session, part.run_id, taken.steps)
    return result


class _Taken:
    """What a slice has changed so far, by the identity of each parsed record."""

    def __init__(self, session: Session, part: Slice) -> None:
        self.session = session
        self.part = part
        self.outcomes: dict[int, str] = {}
        self.findings: dict[int, tuple[Finding, ...]] = {}
        self.kept: list[tuple[str | None, Finding]] = []
        self.steps: list[runs.StepRow] = []
        # Metering points whose search line has to be written anew.
        self.touched: set[str] = set()

    def take(self, items: Sequence[ParsedRecord]) -> None:
        """Take the records of one kind that are newer than what we have."""
        if not items:
            return
        first = items[0].record
        if isinstance(first, CisCustomer):
            self._take(items, _CUSTOMER_VERSIONS, self._customers)
        elif isinstance(first, CisMeteringPoint):
            self._take(items, _POINT_VERSIONS, self._points)
        else:
            self._take(items, _CONTRACT_VERSIONS, self._contracts)

    def note(self, item: ParsedRecord, outcome: str, findings: Iterable[Finding]) -> None:
        """Keep what was said of a record, and its step."""
        codes = []
        for finding in findings:
            self.kept.append((None, finding))
            codes.append(str(finding.code))
        self.steps.append(
            runs.StepRow(
                f"master data {item.kind}",
                outcome,
                (item.key,) if item.key else (),
                self.part.now,
                detail=", ".join(codes) or None,
                error_class=codes[0] if codes and outcome == "REJECTED" else None,
            )
        )

    def _take(self, items: Sequence[ParsedRecord], versions: str, write: Any) -> None:
        keys = [item.key for item in items]
        rows = self.session.execute(text(versions), {"keys": keys}).all()
        known: dict[str, int] = dict(iter(rows))
        self._look_up(items)
        newest: dict[str, ParsedRecord] = {}
        for item in items:
            record = item.record
            assert record is not None  # noqa: S101 - take() was given records only.
            findings = self._check(record)
            self.findings[id(item)] = findings
            key = str(item.key)
            if has_error(findings):
                self.outcomes[id(item)] = "REJECTED"
            elif record.version <= known.get(key, -1):
                same = record.version == known[key]
                self.outcomes[id(item)] = "DUPLICATE" if same else "STALE"
            else:
                self.outcomes[id(item)] = "UPDATE" if key in known else "NEW"
                known[key] = record.version
                newest[key] = item
        if newest:
            write([item.record for item in newest.values()])

    def _look_up(self, items: Sequence[ParsedRecord]) -> None:
        contracts = [i.record for i in items if isinstance(i.record, CisContract)]
        if not contracts:
            return
        self._customers_known = set(
            self.session.execute(
                text("SELECT cis_id FROM customer WHERE cis_id = ANY(:ids)"),
                {"ids": [c.customer_id for c in contracts]},
            ).scalars()
        )
        self._points_known = set(
            self.session.execute(
                text("SELECT gsrn FROM metering_point WHERE gsrn = ANY(:ids)"),
                {"ids": [c.gsrn for c in contracts]},
            ).scalars()
        )

    def _check(self, record: CisCustomer | CisMeteringPoint | CisContract) -> tuple[Finding, ...]:
        if isinstance(record, CisCustomer):
            return _check_customer(record)
        if isinstance(record, CisMeteringPoint):
            if is_valid_gsrn(record.gsrn):
                return ()
            return (find(RejectCode.GSRN_INVALID, "Identification"),)
        return self._check_contract(record)

    def _check_contract(self, record: CisContract) -> tuple[Finding, ...]:
        findings = []
        if record.customer_id not in self._customers_known:
            words = f"Customer {record.customer_id} has not been sent."
            findings.append(find(RejectCode.FIELD_INVALID, "CustomerId", words))
        if record.gsrn not in self._points_known:
            words = f"Metering point {record.gsrn} has not been sent."
            findings.append(find(RejectCode.FIELD_INVALID, "Identification", words))
        if record.moved_out_on is not None and record.moved_out_on < record.moved_in_on:
            words = "MovedOutOn is earlier than MovedInOn."
            findings.append(find(RejectCode.WINDOW_INVALID, "MovedOutOn", words))
        return tuple(findings)

    def _customers(self, records: Sequence[CisCustomer]) -> None:
        rows = [
            {
                "cis_id": record.customer_id,
                "version": record.version,
                "kind": record.kind,
                "name": record.name,
                "language": record.language if record.language in _LANGUAGES else ASSUMED_LANGUAGE,
                "language_assumed": record.language not in _LANGUAGES,
                "personal_safety_ban": record.safety_ban,
                "priority_flag": record.priority,
                "preferred_channel": cis_contacts.preferred_channel(record),
                "active": record.active,
                "updated_at": self.part.now,
            }
            for record in records
        ]
        _upsert(self.session, Customer, "cis_id", rows)
        cis_contacts.sync(self.session, records, self.part.now)
        connections.index_customers(self.session, [record.customer_id for record in records])
        self.touched.update(
            self.session.execute(
                text("SELECT gsrn FROM occupancy WHERE customer_id = ANY(:ids)"),
                {"ids": [record.customer_id for record in records]},
            ).scalars()
        )

    def _points(self, records: Sequence[CisMeteringPoint]) -> None:
        rows = [_point_row(record) | {"updated_at": self.part.now} for record in records]
        _upsert(self.session, MeteringPoint, "gsrn", rows)
        cis_meters.sync(self.session, records, self.part.now)
        self.touched.update(record.gsrn for record in records)

    def _contracts(self, records: Sequence[CisContract]) -> None:
        rows = [
            {
                "contract_id": record.contract_id,
                "version": record.version,
                "customer_id": record.customer_id,
                "gsrn": record.gsrn,
                "moved_in_on": record.moved_in_on,
                "moved_out_on": record.moved_out_on,
                "updated_at": self.part.now,
            }
            for record in records
        ]
        _upsert(self.session, Occupancy, "contract_id", rows)
        self.touched.update(record.gsrn for record in records)


_CUSTOMER_VERSIONS = (
    "SELECT cis_id, version FROM customer WHERE cis_id = ANY(:keys) ORDER BY cis_id FOR UPDATE"
)
_POINT_VERSIONS = (
    "SELECT gsrn, version FROM metering_point WHERE gsrn = ANY(:keys) ORDER BY gsrn FOR UPDATE"
)
_CONTRACT_VERSIONS = (
    "SELECT contract_id, version FROM occupancy WHERE contract_id = ANY(:keys)"
    " ORDER BY contract_id FOR UPDATE"
)


def _check_customer(record: CisCustomer) -> tuple[Finding, ...]:
    findings = []
    if record.language not in _LANGUAGES:
        findings.append(find(RejectCode.LANGUAGE_ASSUMED, "Language"))
    if record.preferred_channel is None:
        words = "PreferredChannel is missing; the customer's first contact decides."
        findings.append(
            find(RejectCode.FIELD_MISSING, "PreferredChannel", words, severity=Severity.INFO)
        )
    for contact in cis_contacts.unusable(record):
        words = f"A contact of kind {contact.kind} is not a number or address that we can use."
        findings.append(
            find(
                RejectCode.CONTACT_INVALID, "Contacts/Contact/Value", words, severity=Severity.WARN
            )
        )
    return tuple(findings)


def _point_row(record: CisMeteringPoint) -> dict[str, Any]:
    multiplier = record.multiplier_ct
    return {
        "gsrn": record.gsrn,
        "version": record.version,
        "dso_code": record.local_code,
        "status": record.physical_status or _UNKNOWN,
        "type": record.point_type or _UNKNOWN,
        "subtype": record.point_subtype,
        "remote_connectable": record.remote_connectable,
        "street_name": record.street_name,
        "house_number": record.house_number,
        "staircase": record.staircase,
        "apartment": record.apartment,
        "postal_code": record.postal_code,
        "post_office": record.post_office,
        "municipality_code": record.municipality_code,
        "lat": record.lat,
        "lon": record.lon,
        "dwelling": record.dwelling,
        "transformer": record.transformer,
        "feeder": record.feeder,
        "phases": record.phases,
        "main_fuse_a": record.main_fuse_a,
        "ct_ratio": str(multiplier) if multiplier is not None else None,
        "meter_place": record.meter_place,
        "access_note": record.access_note,
        "key_info": record.key_info,
        "annual_fee_cents": record.annual_fee_cents,
        "linked_gsrn": record.linked_point,
    }


def _upsert(session: Session, model: Any, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows whose versions were weighed under a lock; two writers of a new key meet in the guard."""
    statement = insert(model)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in rows[0] if name != key},
            where=model.version < statement.excluded.version,
        ),
        list(rows),
    )
