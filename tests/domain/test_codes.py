"""The code lists: complete, in three languages, and consistent with one another."""

from __future__ import annotations

import re

import pytest

from app.domain.codes import (
    CLOSED_STATUSES,
    DATAHUB_CODES,
    DEFAULT_METER_MODELS,
    DEFAULT_ORDER_TYPES,
    FAILURE_REASONS,
    REJECT_CODES,
    RejectCode,
    Severity,
)
from app.domain.findings import Finding, find, has_error
from app.domain.languages import Language, Names


def test_every_reject_code_has_a_reply_code_of_the_standard_and_three_texts() -> None:
    assert set(REJECT_CODES) == set(RejectCode)
    for info in REJECT_CODES.values():
        assert re.fullmatch(r"\d\.\d{1,2}", info.iec)
        assert len({text for text in info.text if text}) == 3


@pytest.mark.parametrize(
    ("code", "iec"),
    [
        ("FILE_TOO_LARGE", "3.1"),
        ("XML_MALFORMED", "1.8"),
        ("XML_VERSION", "1.9"),
        ("HDR_MISSING", "1.5"),
        ("TYPE_UNKNOWN", "2.5"),
        ("MODEL_UNKNOWN", "2.4"),
        ("GSRN_INVALID", "2.12"),
        ("METER_POINT_MISMATCH", "2.13"),
        ("REVISION_CONFLICT", "2.15"),
        ("MASS_PARTIAL", "0.2"),
        ("NO_ROUTE", "6.2"),
        ("PARTNER_REJECTED", "5.3"),
        ("PARTNER_DOWN", "4.1"),
        ("CANCEL_TOO_LATE", "6.1"),
    ],
)
def test_a_reject_code_maps_to_the_reply_code_that_a_cis_understands(code: str, iec: str) -> None:
    assert REJECT_CODES[RejectCode(code)].iec == iec


def test_doubtful_acknowledgements_hold_the_bill_and_nothing_else_does() -> None:
    holding = {code for code, info in REJECT_CODES.items() if info.holds_billing}
    assert holding == {
        RejectCode.METER_POINT_MISMATCH,
        RejectCode.CANCEL_TOO_LATE,
        RejectCode.READING_MISSING,
        RejectCode.READING_LOW,
        RejectCode.READING_JUMP,
        RejectCode.MULTIPLIER_CHANGED,
        RejectCode.METER_NOT_IN_STOCK,
        RejectCode.METER_ALREADY_INSTALLED,
        RejectCode.METER_SERIAL_MISMATCH,
        RejectCode.TIME_IN_FUTURE,
        RejectCode.GPS_FAR,
    }


def test_a_finding_takes_weight_and_words_from_its_code_unless_told_otherwise() -> None:
    assert find(RejectCode.GSRN_INVALID, "gsrn") == Finding(
        RejectCode.GSRN_INVALID, "gsrn", "Metering point GSRN is invalid", None, Severity.ERROR
    )
    softened = find(RejectCode.GSRN_INVALID, "gsrn", "odd", severity=Severity.WARN)
    assert (softened.text, softened.severity) == ("odd", Severity.WARN)


def test_only_errors_stop_what_they_were_found_in() -> None:
    warning = find(RejectCode.DUE_IN_PAST, "due_on")
    assert not has_error([warning])
    assert has_error([warning, find(RejectCode.TYPE_UNKNOWN, "order_type_code")])


def test_names_exist_in_every_language_and_never_fall_back() -> None:
    names = Names("yksi", "ett", "one")
    assert [names.in_language(language) for language in Language] == ["yksi", "ett", "one"]
    with pytest.raises(ValueError, match="'no' is not a valid Language"):
        names.in_language("no")


def test_meter_models_name_only_known_order_types_that_take_a_meter() -> None:
    takes_meter = {kind.code for kind in DEFAULT_ORDER_TYPES if kind.takes_new_meter}
    assert all(model.order_types <= takes_meter for model in DEFAULT_METER_MODELS)


def test_models_for_mass_replacement_are_the_ones_that_the_mass_installer_may_hang() -> None:
    assert all(("MVM" in model.order_types) == model.mass_ok for model in DEFAULT_METER_MODELS)


def test_only_removal_may_visit_a_closed_point() -> None:
    assert [kind.code for kind in DEFAULT_ORDER_TYPES if kind.for_removal] == ["POI"]
    assert sorted(CLOSED_STATUSES) == ["AE04", "AE05"]


def test_every_code_of_a_national_list_begins_with_the_name_of_its_list() -> None:
    for list_name, codes in DATAHUB_CODES.items():
        assert all(code.startswith(list_name) and all(names) for code, names in codes.items())


def test_every_failure_reason_reads_well_in_three_languages() -> None:
    assert len(FAILURE_REASONS) == 21
    for reason in FAILURE_REASONS.values():
        assert all(text and text[0].islower() for text in reason.shown)


def test_a_meter_without_connection_counts_as_installed_and_a_dangerous_fault_stays_dark() -> None:
    assert [r.code for r in FAILURE_REASONS.values() if r.counts_as_installed] == ["TECH_NOCOMM"]
    assert [r.code for r in FAILURE_REASONS.values() if r.leaves_power_off] == ["TECH_NEUTRAL"]
