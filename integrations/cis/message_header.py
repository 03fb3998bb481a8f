"""The header that every message of the CIS begins with."""

from __future__ import annotations

from integrations.cis.codes import HDR_MISSING, XML_VERSION
from integrations.cis.document import MAJOR_VERSION
from integrations.cis.elements import line_of
from integrations.cis.record_reader import RecordReader
from integrations.cis.record_schema import RecordSchema
from integrations.cis.record_stream import Record
from integrations.cis.shape import HEADER
from integrations.cis.types import CisFinding, FileRejected, MessageHeader


class HeaderReader:
    """Sees that the header comes first and is one that we can act upon."""

    def __init__(self, schema: RecordSchema, namespace: str) -> None:
        self._reader = RecordReader(
            schema, namespace, HEADER, missing_code=HDR_MISSING, path="Header/"
        )
        self._seen = False

    def takes(self, record: Record) -> bool:
        """Tell whether this record is the header.

        Raises: FileRejected (it is not, and there was none before it; or it is a second one).
        """
        if record.name == "Header" and not self._seen:
            self._seen = True
            return True
        if record.name == "Header":
            text = "There is a second Header; a file holds one message."
            line = line_of(record.element)
            raise FileRejected(CisFinding("XML_SCHEMA", "Header", text, line))
        if not self._seen:
            self._refuse_without(line_of(record.element))
        return False

    def read(self, record: Record) -> MessageHeader:
        """Read it; raises FileRejected with every finding when it is not good."""
        ok, found, findings = self._reader.read(record.element)
        version = found.get("schema_version")
        if version is not None and version.split(".")[0] != MAJOR_VERSION and _is_version(version):
            text = f"SchemaVersion {version} is not known; this version takes {MAJOR_VERSION}.x."
            line = line_of(record.element)
            raise FileRejected(CisFinding(XML_VERSION, "Header/SchemaVersion", text, line))
        if not ok:
            raise FileRejected(*findings)
        return MessageHeader(**found, findings=record.notes + findings)

    def check_seen(self) -> None:
        """Raises FileRejected when the message ended without a header."""
        if not self._seen:
            self._refuse_without(None)

    def _refuse_without(self, line: int | None) -> None:
        text = "The message has no Header in front of its first record."
        raise FileRejected(CisFinding(HDR_MISSING, "Header", text, line))


def _is_version(text: str) -> bool:
    return text.replace(".", "").isdigit() and len(text) <= 20
