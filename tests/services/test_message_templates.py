"""The shipped texts are whole, and a set that is not keeps the product from starting."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.domain.languages import Language
from app.domain.message_checks import reply_words
from app.domain.message_text import TemplateError
from app.domain.notice_types import Channel, NoticeType
from app.domain.sample_facts import Sample, sample_values
from app.domain.sender_profiles import Senders
from app.services import message_templates
from app.services.message_templates import FOLDER, SHIPPED, Rendered

ONE_WAY = Senders("Verkko")
TWO_WAY = Senders("Verkko", "+358454900900")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeType)
def test_every_text_message_fits_into_two_parts(kind: NoticeType, language: Language) -> None:
    rendered = _render(kind, Channel.SMS, language)
    assert rendered.encoding == "GSM-7"
    assert rendered.segments in (1, 2)
    assert rendered.subject is rendered.html is None


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeType)
def test_every_email_has_a_subject_words_and_markup(kind: NoticeType, language: Language) -> None:
    rendered = _render(kind, Channel.EMAIL, language)
    assert rendered.subject
    assert f'<html lang="{language}">' in (rendered.html or "")
    assert "Verkkoyhtio" in rendered.body
    assert rendered.sender is None
    assert rendered.encoding is rendered.segments is None


def test_a_decomposed_name_does_not_make_the_message_longer() -> None:
    kind = NoticeType.METER_SWAP_STARTED
    values = {**_values(kind, Language.FI), "addr": "Ma\u0308ntytie 1 – 2"}
    rendered = message_templates.render(SHIPPED, kind, Channel.SMS, Language.FI, values, ONE_WAY)
    assert "Mäntytie 1 - 2" in rendered.body
    assert rendered.encoding == "GSM-7"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeType)
def test_req_29_what_asks_for_an_answer_leaves_only_from_a_number(
    kind: NoticeType, language: Language
) -> None:
    for senders in (ONE_WAY, TWO_WAY):
        rendered = _render(kind, Channel.SMS, language, senders)
        assert rendered.sender in (senders.usual, senders.two_way)
        if rendered.sender == "Verkko":
            assert reply_words(rendered.body) == ()
    assert reply_words(_render(kind, Channel.EMAIL, language).body) == ()


def test_req_29_a_reply_leaves_from_the_number_and_other_news_from_the_name() -> None:
    def sender(kind: NoticeType) -> str | None:
        return _render(kind, Channel.SMS, Language.FI, TWO_WAY).sender

    assert sender(NoticeType.FAULT_RESTORED) == sender(NoticeType.HELP_REPLY) == "+358454900900"
    assert sender(NoticeType.FAULT_STARTED) == "Verkko"


@pytest.mark.parametrize("kind", NoticeType)
@pytest.mark.parametrize("channel", Channel)
def test_a_text_prepared_for_many_is_the_same_as_one_rendered_alone(
    channel: Channel, kind: NoticeType
) -> None:
    values = _values(kind, Language.SV)
    prepared = message_templates.prepare(SHIPPED, kind, channel, Language.SV, values, TWO_WAY)
    alone = message_templates.render(SHIPPED, kind, channel, Language.SV, values, TWO_WAY)
    assert prepared.render(addr=values["addr"]) == alone


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    (folder / "METER_SWAP_DONE.toml").unlink()
    with pytest.raises(TemplateError, match=r"METER_SWAP_DONE\.toml: there is no such file"):
        message_templates.load(folder)


def test_a_missing_language_is_named_with_its_file(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    path = folder / "METER_SWAP_STARTED.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[en]")], encoding="utf-8")
    with pytest.raises(TemplateError, match=r"METER_SWAP_STARTED\.toml: There is no text in en"):
        message_templates.load(folder)


def test_a_footer_that_lacks_a_language_is_named(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    path = folder / "EMAIL_FOOTER.toml"
    path.write_text('[fi]\nlines = ["Terveisin"]\n', encoding="utf-8")
    with pytest.raises(TemplateError, match=r"EMAIL_FOOTER\.toml: There is no footer in sv"):
        message_templates.load(folder)


def _copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "messages"))


def _render(
    kind: NoticeType, channel: Channel, language: Language, senders: Senders = ONE_WAY
) -> Rendered:
    return message_templates.render(
        SHIPPED, kind, channel, language, _values(kind, language), senders
    )


def _values(kind: NoticeType, language: Language) -> dict[str, str]:
    return sample_values(kind, language, Sample.TYPICAL, brand="Verkkoyhtio", phone="0800 123 45")
