"""The form that carries a text message."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.twilio_sms.http_client import encode_form

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=1000)
@given(st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=5))
def test_any_text_comes_out_of_the_form_as_it_went_in(form: dict[str, str]) -> None:
    wire = encode_form(form).decode("ascii")
    assert parse_qsl(wire, keep_blank_values=True) == list(form.items())
