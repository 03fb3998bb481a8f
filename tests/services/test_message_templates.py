"""The shipped texts are whole, and a set that is not keeps the product from starting."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.languages import Language
from app.domain.message_text import TemplateError
from app.domain.notice_types import Channel, NoticeType
from app.domain.notice_values import swap_values
from app.services import message_templates
from app.services.message_templates import FOLDER, SHIPPED

NOON = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeType)
def test_every_text_message_fits_into_two_parts(kind: NoticeType, language: Language) -> None:
    rendered = message_templates.render(SHIPPED, kind, Channel.SMS, language, _values(language))
    assert rendered.encoding == "GSM-7"
    assert rendered.segments in (1, 2)
    assert rendered.subject is rendered.html is None


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeType)
def test_every_email_has_a_subject_words_and_markup(kind: NoticeType, language: Language) -> None:
    rendered = message_templates.render(SHIPPED, kind, Channel.EMAIL, language, _values(language))
    assert rendered.subject
    assert f'<html lang="{language}">' in (rendered.html or "")
    assert "Koivutie 12 A 3" in rendered.body
    assert rendered.encoding is rendered.segments is None


def test_a_decomposed_name_does_not_make_the_message_longer() -> None:
    values = {**_values(Language.FI), "addr": "Ma\u0308ntytie 1 – 2"}
    rendered = message_templates.render(
        SHIPPED, NoticeType.METER_SWAP_STARTED, Channel.SMS, Language.FI, values
    )
    assert "Mäntytie 1 - 2" in rendered.body
    assert rendered.encoding == "GSM-7"


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


def _values(language: Language) -> dict[str, str]:
    return swap_values(
        language,
        brand="Verkkoyhtio",
        phone="0800 123 45",
        address="Koivutie 12 A 3",
        happened_at=NOON,
        reason_code="ACC_LOCKED",
    )
