"""Bytes to record elements, one at a time, in little memory however long the file is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, NoReturn, cast

from lxml import etree

from integrations.cis.codes import XML_MALFORMED, XML_SCHEMA
from integrations.cis.document import HEAD_BYTES, Document, inspect_head
from integrations.cis.elements import events_of, line_of, local_name
from integrations.cis.types import CisFinding, DocumentKind, FileRejected, IncompleteFile

# The parser gets slices of this size, so that a slice's worth of tree is all that is ever held.
_SLICE_BYTES = 64 * 1024
# A record is about 2 kB; one that does not end within this is not a record but an attack, and
# libxml2 takes quadratic time to list the errors of many siblings.
_RECORD_MAX_BYTES = 256 * 1024
# libxml2's own words stay in the text, but a sender can do more with these.
_ENCODING_ERRORS = frozenset({9, 81})
_SYNTAX_WORDS = {
    5: "There is something after the end of the message",
    9: "There is a character that XML does not allow",
    23: "There is a stray &; write &amp; for it",
    26: "An entity is used that nobody declared; write the character itself",
    68: "There is a stray & or <; write &amp; or &lt; for it",
    76: "An end tag does not match its start tag",
    201: "A namespace prefix is used that nobody declared",
    114: "Elements lie too deep inside one another, or a text is too long",
}
_NAMESPACE_DOMAIN = 3
# What a file can end in when it was cut inside markup, and the errors that this gives.
_MARKUP_ERRORS = frozenset({23, 68})
_CUT_MARKUP = re.compile(rb"(?:<[!\[A-Z/?-]*|&[\w#.-]*)\Z")
_TAIL_BYTES = 64
_NOTES_MOST = 20


class Record(NamedTuple):
    """One child of the root or of its container, complete and good until the next is asked for.

    notes are about unknown elements that stood before it.
    """

    name: str
    element: etree._Element
    notes: tuple[CisFinding, ...]


def read_records(
    chunks: Iterable[bytes],
    kind: DocumentKind,
    names: tuple[str, ...],
    *,
    container: str | None = None,
) -> Iterator[Record]:
    """Yield the root's children of the given names in the order of the file.

    container: the one child of the root whose own children of these names are records as well; it
    is never complete before the end of the file, so it is not one itself.

    Raises: FileRejected (not this kind of document, not well-formed: the text says where),
    IncompleteFile (it stops before its end). Either may come after good records.
    """
    slices = _slices(chunks)
    head = _head(slices)
    document = inspect_head(head)
    if document.kind is not kind:
        _wrong_kind(document, kind)
    feeder = _Feeder(document, names, container)
    yield from feeder.run(chain(_slices([head[document.bom_bytes :]]), slices))


class _Feeder:
    """Feeds the parser slice by slice and throws away what has been handed out."""

    def __init__(
        self, document: Document, names: tuple[str, ...], container: str | None = None
    ) -> None:
        self._tags = {f"{{{document.namespace}}}{name}": name for name in names}
        self._container_tag = container and f"{{{document.namespace}}}{container}"
        self._container: etree._Element | None = None
        tags = [document.root_tag, *self._tags]
        self._parser: etree.XMLPullParser = etree.XMLPullParser(
            events=("start", "end"),
            tag=[*tags, self._container_tag] if self._container_tag else tags,
            encoding=document.encoding,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            remove_blank_text=True,
            collect_ids=False,
        )
        self._root: etree._Element | None = None
        self._notes: list[CisFinding] = []
        self._noted: set[str] = set()
        self._open: etree._Element | None = None
        self._open_bytes = 0
        self._handed: etree._Element | None = None

    def run(self, slices: Iterable[bytes]) -> Iterator[Record]:
        """Yield the records of all slices; raises like `read_records`."""
        parser, tail = self._parser, b""
        for piece in slices:
            problem = self._feed(piece)
            # What was complete before the error is as good as it was.
            yield from self._records(problem.line if problem else None)
            if problem is not None:
                raise FileRejected(problem)
            self._forget_strays(len(piece))
            tail = (tail + piece)[-_TAIL_BYTES:]
        try:
            parser.close()
        except etree.XMLSyntaxError as error:
            if _code_of(error) in _MARKUP_ERRORS and not _CUT_MARKUP.search(tail):
                # A stray & or < makes the parser wait for the end of what never was markup.
                raise FileRejected(_syntax_finding(error, error.msg, error.lineno)) from None
            # A parser that was content up to here and is not now has met the end too soon.
            raise IncompleteFile(_end_finding(error)) from None

    def _feed(self, piece: bytes) -> CisFinding | None:
        """Give the parser a slice; the finding is about the first thing in it that is not XML."""
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError as error:
            return _syntax_finding(error, error.msg, error.lineno)
        # An undeclared entity or prefix makes feed() fall silent or go on; only the log tells.
        for entry in cast("Iterable[Any]", self._parser.feed_error_log):
            if entry.level >= etree.ErrorLevels.FATAL or entry.domain == _NAMESPACE_DOMAIN:
                return _syntax_finding(entry, entry.message, entry.line)
        return None

    def _records(self, before_line: int | None) -> Iterator[Record]:
        for event, element in events_of(self._parser):
            if before_line is not None and (line_of(element) or 0) > before_line:
                return
            if self._root is None:
                # The first event of all is the start of the root.
                self._root = element
            elif event == "start":
                if element.tag == self._container_tag and element.getparent() is self._root:
                    self._enter(element)
            # An element of this name inside a record is for the record's reader to judge.
            elif (parent := element.getparent()) is not None and (
                parent is self._root or parent is self._container
            ):
                if element is self._container:
                    continue
                self._drop_before(element)
                self._handed = element
                notes, self._notes = tuple(self._notes), []
                yield Record(self._tags[element.tag], element, notes)

    def _enter(self, element: etree._Element) -> None:
        if self._container is not None:
            name = local_name(element)
            text = f"There is a second {name}; a file holds one."
            raise FileRejected(CisFinding(XML_SCHEMA, name, text, line_of(element)))
        self._drop_before(element)
        self._container = element

    def _drop_before(self, element: etree._Element) -> None:
        """Throw away the siblings before an element; its own tail may still be growing."""
        parent, before = element.getparent(), element.getprevious()
        assert parent is not None  # noqa: S101 - neither records nor strays are the root.
        while before is not None:
            self._note(before)
            # Removing an element takes the text behind it along, which clearing it would not.
            parent.remove(before)
            before = element.getprevious()

    def _forget_strays(self, fed_bytes: int) -> None:
        """Keep memory flat even if the file holds nothing that we know."""
        if self._root is None or len(self._root) == 0:
            return
        last = self._root[-1]
        self._drop_before(last)
        if last is self._container:
            if len(last) == 0:
                return
            last = last[-1]
            self._drop_before(last)
        if last is self._handed:
            # It is complete; what comes behind it is no element, or none has begun.
            return
        self._open_bytes = self._open_bytes + fed_bytes if last is self._open else 0
        self._open = last
        if self._open_bytes > _RECORD_MAX_BYTES:
            name = local_name(last)
            text = f"One {name} is longer than {_RECORD_MAX_BYTES // 1024} KiB."
            raise FileRejected(CisFinding(XML_SCHEMA, name, text, line_of(last)))

    def _note(self, element: etree._Element) -> None:
        if element.tag in self._tags or element.tag == self._container_tag:
            return
        if len(self._noted) >= _NOTES_MOST:
            return
        name = local_name(element)
        if name not in self._noted:
            self._noted.add(name)
            text = f"Element {name} is not part of the profile and was ignored."
            self._notes.append(CisFinding(XML_SCHEMA, name, text, line_of(element), "INFO"))


def _slices(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE_BYTES):
            yield chunk[start : start + _SLICE_BYTES]


def _head(slices: Iterator[bytes]) -> bytes:
    """Enough of the beginning to tell what the file is, or all of a short file."""
    head = b""
    for piece in slices:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    return head


def _wrong_kind(document: Document, wanted: DocumentKind) -> NoReturn:
    name = etree.QName(document.root_tag).localname
    text = f"The root element {name} is not the one of {wanted.lower().replace('_', ' ')}."
    raise FileRejected(CisFinding(XML_SCHEMA, name, text, document.root_line))


def _syntax_finding(error: object, message: str, line: int | None) -> CisFinding:
    code = _code_of(error)
    if code in _ENCODING_ERRORS and "PCDATA" not in message and "CharRef" not in message:
        text = 'A byte is not UTF-8; declare encoding="ISO-8859-1" if it is that, or send UTF-8.'
    else:
        words = _SYNTAX_WORDS.get(code, "The XML is not well-formed here")
        # The parser's own words, without its line and column, which we give ourselves.
        text = f"{words} (parser: {message.split(', line ', maxsplit=1)[0][:120]})."
    return CisFinding(XML_MALFORMED, "", text, line or None)


def _end_finding(error: etree.XMLSyntaxError) -> CisFinding:
    text = "The file stops before its end; it was not sent whole."
    return CisFinding(XML_MALFORMED, "", text, error.lineno or None)


def _code_of(error: object) -> int:
    """libxml2's number for an error, from an exception or a log entry."""
    code = getattr(error, "code", None)
    return int(code if code is not None else getattr(error, "type", 0))
