"""What a file is, told by its first bytes, before a parser sees it.

Everything that could make a parser do more than read is refused here: another encoding than the
two agreed ones, a DOCTYPE, an archive. What passes is safe to feed to libxml2.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from lxml import etree

from integrations.cis.codes import XML_MALFORMED, XML_SCHEMA, XML_VERSION
from integrations.cis.elements import events_of, line_of
from integrations.cis.types import CisFinding, DocumentKind, FileRejected, IncompleteFile

# The root element of an honest file comes within a few hundred bytes.
HEAD_BYTES = 64 * 1024
_ROOT_STEP_BYTES = 2048

NAMESPACES = {
    "WorkOrderMessage": ("urn:tiedolla:cis:work-order:", DocumentKind.WORK_ORDERS),
    "MassWorkOrderMessage": ("urn:tiedolla:cis:work-order:", DocumentKind.MASS_WORK_ORDERS),
    "MasterDataMessage": ("urn:tiedolla:cis:master-data:", DocumentKind.MASTER_DATA),
    "ConnectionMessage": ("urn:tiedolla:cis:connection:", DocumentKind.CONNECTIONS),
}
MAJOR_VERSION = "1"
# The envelope of IEC 61968-100 has its version in its own header.
IEC_ROOT = "RequestMessage"
IEC_NAMESPACE = "http://iec.ch/TC57/2011/schema/message"

_BOM = b"\xef\xbb\xbf"
_ENCODINGS = {"UTF-8": "utf-8", "ISO-8859-1": "iso-8859-1"}
_BLANKS = b" \t\r\n"
_SIGNATURES = (
    (b"\x1f\x8b", "a gzip archive; send the XML itself"),
    (b"PK\x03\x04", "a zip archive; send the XML itself"),
    (b"BZh", "a bzip2 archive; send the XML itself"),
    (b"\xfd7zXZ", "an xz archive; send the XML itself"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; send the XML itself"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xfe", "in UTF-16 or UTF-32; send UTF-8 or ISO-8859-1"),
    (b"\xfe\xff", "in UTF-16; send UTF-8 or ISO-8859-1"),
    (b"\x00\x00\xfe\xff", "in UTF-32; send UTF-8 or ISO-8859-1"),
    (b"<\x00", "in UTF-16 or UTF-32; send UTF-8 or ISO-8859-1"),
    (b"\x00<", "in UTF-16; send UTF-8 or ISO-8859-1"),
    (b"\x00\x00\x00<", "in UTF-32; send UTF-8 or ISO-8859-1"),
    (b"+ADw-", "in UTF-7; send UTF-8 or ISO-8859-1"),
    (b"+/v", "in UTF-7; send UTF-8 or ISO-8859-1"),
    (b"\x4c\x6f\xa7\x94", "in EBCDIC; send UTF-8 or ISO-8859-1"),
)
_DECLARATION = re.compile(
    rb"""<\?xml\s+version\s*=\s*(?:"1\.0"|'1\.0')"""
    rb"""(?:\s+encoding\s*=\s*["'](?P<encoding>[A-Za-z][A-Za-z0-9._-]*)["'])?"""
    rb"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>"""
)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Document(NamedTuple):
    """A file that may be parsed: its kind, its encoding, and how many bytes of BOM to leave out."""

    kind: DocumentKind
    namespace: str
    root_tag: str
    root_line: int
    encoding: str
    bom_bytes: int


def sniff(head: bytes) -> DocumentKind:
    """Tell the kind of a document by its first HEAD_BYTES bytes, or all of them if it has fewer.

    Raises: IncompleteFile (it stops before the root element), FileRejected (it is none of ours).
    """
    return inspect_head(head).kind


def inspect_head(head: bytes) -> Document:
    """Tell all that has to be known of a file before it is parsed; raises like `sniff`."""
    if not head.strip(_BLANKS):
        raise IncompleteFile(CisFinding(XML_MALFORMED, "", "The file is empty.", 1))
    for signature, words in _SIGNATURES:
        if head.startswith(signature):
            _refuse(f"The file is {words}.")
    bom_bytes = len(_BOM) if head.startswith(_BOM) else 0
    body = head[bom_bytes:]
    encoding, prolog_bytes = _declared(body)
    if bom_bytes and encoding != "utf-8":
        _refuse("The file begins with a UTF-8 byte order mark but declares ISO-8859-1.")
    _walk_prolog(body, prolog_bytes)
    name, namespace, line = _root(body, encoding)
    kind = _kind(name, namespace, line)
    return Document(kind, namespace, f"{{{namespace}}}{name}", line, encoding, bom_bytes)


def _declared(body: bytes) -> tuple[str, int]:
    """The encoding as the parser should be told, and where the XML declaration ends."""
    if not re.match(rb"<\?xml\s", body):
        return "utf-8", 0
    declaration = _DECLARATION.match(body)
    if declaration is None:
        if b"?>" not in body and len(body) < HEAD_BYTES:
            _stops()
        _refuse('The XML declaration must read <?xml version="1.0" encoding="UTF-8"?> or alike.')
    name = declaration["encoding"]
    if name is None:
        return "utf-8", declaration.end()
    encoding = _ENCODINGS.get(name.decode("ascii").upper())
    if encoding is None:
        _refuse(f"Encoding {name.decode('ascii')} is not taken; send UTF-8 or ISO-8859-1.")
    return encoding, declaration.end()


def _walk_prolog(body: bytes, at: int) -> None:
    """Pass over comments and processing instructions up to the root element.

    A DOCTYPE has its only lawful place here, so a file that passes cannot have one.
    """
    while True:
        rest = body[at:].lstrip(_BLANKS)
        at = len(body) - len(rest)
        line = body.count(b"\n", 0, at) + 1
        if rest.startswith(b"<!--"):
            end = body.find(b"-->", at + 4) + 3
        elif rest.startswith(b"<?"):
            if re.match(rb"<\?xml\s", rest):
                _refuse("There is something before the XML declaration; it must come first.", line)
            end = body.find(b"?>", at + 2) + 2
        elif rest.startswith(b"<!DOCTYPE"):
            _refuse(
                "A DOCTYPE is not taken, nor the entities it could declare; leave it out.", line
            )
        elif rest[:1] == b"<" and rest[1:2] not in (b"", b"!", b"?", b"/"):
            return
        elif b"<!DOCTYPE".startswith(rest) or b"<!--".startswith(rest):
            _stops()
        else:
            words = "binary data" if _CONTROL.search(rest) else "something other than XML"
            _refuse(f"The file is {words}: there is no '<' where the root element should be.", line)
        if end < at + 4:
            if len(body) < HEAD_BYTES:
                _stops()
            _refuse(f"There is no root element in the first {HEAD_BYTES} bytes.", line)
        at = end


def _root(body: bytes, encoding: str) -> tuple[str, str, int]:
    """The root element's name, namespace and line."""
    parser: etree.XMLPullParser = etree.XMLPullParser(
        events=("start",), encoding=encoding, resolve_entities=False, no_network=True
    )
    for start in range(0, len(body), _ROOT_STEP_BYTES):
        problem: etree.XMLSyntaxError | None = None
        try:
            parser.feed(body[start : start + _ROOT_STEP_BYTES])
        except etree.XMLSyntaxError as error:
            problem = error
        for _, root in events_of(parser):
            name = etree.QName(root)
            return name.localname, name.namespace or "", line_of(root) or 1
        if problem is not None:
            _refuse("The root element cannot be read.", problem.lineno or None)
    if len(body) >= HEAD_BYTES:
        _refuse(f"There is no root element in the first {HEAD_BYTES} bytes.")
    _stops()


def _kind(name: str, namespace: str, line: int) -> DocumentKind:
    if name == IEC_ROOT and namespace == IEC_NAMESPACE:
        return DocumentKind.IEC_REQUEST
    known = NAMESPACES.get(name)
    if known is None:
        names = ", ".join(NAMESPACES)
        text = f"The root element is {name[:60]}; it should be one of {names}."
        raise FileRejected(CisFinding(XML_SCHEMA, name[:60], text, line))
    stem, kind = known
    if namespace == stem + MAJOR_VERSION:
        return kind
    if namespace.startswith(stem):
        text = f"Namespace {namespace[:80]} is not known; this version takes {stem}{MAJOR_VERSION}."
        raise FileRejected(CisFinding(XML_VERSION, name, text, line))
    found = f"namespace {namespace[:80]}" if namespace else "no namespace"
    text = f"{name} is in {found}; it should be in {stem}{MAJOR_VERSION}."
    raise FileRejected(CisFinding(XML_SCHEMA, name, text, line))


def _refuse(text: str, line: int | None = 1) -> NoReturn:
    raise FileRejected(CisFinding(XML_MALFORMED, "", text, line))


def _stops() -> NoReturn:
    text = "The file stops before its root element; it was not sent to its end."
    raise IncompleteFile(CisFinding(XML_MALFORMED, "", text))
