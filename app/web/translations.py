"""`python -m app.web.translations check|compile|update`: the catalogues of the three languages.

The texts in the code are English. `check` fails when a text is missing from a catalogue, not
translated, fuzzy, or has other placeholders than the original; `update` brings the catalogues up
to date with the code, `compile` makes the files that the pages read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "app" / "translations"
LANGUAGES = ("fi", "sv", "en")
# The names under which the code asks for texts, with the places of their texts.
KEYWORDS = {
    "_": None,
    "_l": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "lazy_ngettext": (1, 2),
}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
_WIDTH = 100


def main(arguments: list[str]) -> int:
    """Run one of the three commands; 1 when something is not as it should be."""
    command = arguments[0] if len(arguments) == 1 else ""
    if command == "check":
        faults = list(check())
        for fault in faults:
            print(fault)
        print(
            f"{len(faults)} faults in the catalogues" if faults else "The catalogues are complete"
        )
        return 1 if faults else 0
    if command == "compile":
        compile_all()
        return 0
    if command == "update":
        update_all()
        return 0
    print(__doc__)
    return 2


def check() -> Iterator[str]:
    """One line for each text that is not there in every language."""
    wanted = extracted()
    for language in LANGUAGES:
        catalogue = read(language)
        for message in wanted:
            if message.id:
                yield from _faults(language, message, catalogue.get(message.id))
        for message in catalogue:
            if message.id and wanted.get(message.id) is None:
                yield f"{language}: no longer in the code: {_short(message)}"


def extracted() -> Catalog:
    """Every text that the code and the pages ask for."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as mapping:
        methods, options = parse_mapping_cfg(mapping)
    catalogue = Catalog(project="Tiedolla", charset="utf-8")
    for folder in ("app", "templates"):
        here = {
            pattern.removeprefix(folder + "/"): method
            for pattern, method in methods
            if pattern.startswith(folder + "/")
        }
        its_options = {
            pattern.removeprefix(folder + "/"): values for pattern, values in options.items()
        }
        found = extract_from_dir(ROOT / folder, list(here.items()), its_options, keywords=KEYWORDS)
        for name, line, text, comments, context in found:
            place = [(f"{folder}/{name}", line)]
            catalogue.add(text, None, place, auto_comments=comments, context=context)
    return catalogue


def read(language: str) -> Catalog:
    """A language's catalogue as it is on disk."""
    with _po(language).open("rb") as file:
        return read_po(file, locale=language)


def compile_all() -> None:
    """Write the compiled catalogue of each language beside its source."""
    for language in LANGUAGES:
        compiled = BytesIO()
        write_mo(compiled, read(language))
        _po(language).with_suffix(".mo").write_bytes(compiled.getvalue())


def update_all() -> None:
    """Add new texts and drop old ones; English is the text itself."""
    template = extracted()
    for language in LANGUAGES:
        path = _po(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = read(language) if path.exists() else Catalog(locale=language, domain="messages")
        catalogue.fuzzy = False
        catalogue.project, catalogue.version = "Tiedolla", ""
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        if language == "en":
            for message in catalogue:
                if message.id:
                    message.string = message.id
        written = BytesIO()
        # Line numbers would change with every edit of the code; the file is enough.
        write_po(written, catalogue, width=_WIDTH, sort_by_file=True, include_lineno=False)
        path.write_bytes(_without_dates(written.getvalue()))


def _faults(language: str, wanted: Message, found: Message | None) -> Iterator[str]:
    name = _short(wanted)
    if found is None:
        yield f"{language}: missing: {name}"
        return
    strings = found.string if isinstance(found.string, (list, tuple)) else (found.string,)
    if found.fuzzy:
        yield f"{language}: fuzzy: {name}"
    if not strings or not all(strings):
        yield f"{language}: not translated: {name}"
        return
    ids = wanted.id if isinstance(wanted.id, (list, tuple)) else (wanted.id,)
    expected = {mark for text in ids for mark in _PLACEHOLDER.findall(text)}
    for string in strings:
        if set(_PLACEHOLDER.findall(string or "")) != expected:
            yield f"{language}: other placeholders: {name}"


def _short(message: Message) -> str:
    text = message.id[0] if isinstance(message.id, (list, tuple)) else message.id
    return repr(text if len(text) <= 70 else text[:67] + "…")


def _without_dates(catalogue: bytes) -> bytes:
    """Dates in the head would make every update a change."""
    head = re.compile(
        rb'^"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|'
        rb"Language-Team|Report-Msgid-Bugs-To): [^\n]*\n",
        re.MULTILINE,
    )
    return re.sub(rb"^#(?!:)[^\n]*\n", b"", head.sub(b"", catalogue), flags=re.MULTILINE)


def _po(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
