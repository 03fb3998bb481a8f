"""The reject codes that reading a file can end in; the rules behind an order have more of them."""

from __future__ import annotations

from typing import Final

FILE_TOO_LARGE: Final = "FILE_TOO_LARGE"
XML_MALFORMED: Final = "XML_MALFORMED"
XML_SCHEMA: Final = "XML_SCHEMA"
XML_VERSION: Final = "XML_VERSION"
HDR_MISSING: Final = "HDR_MISSING"
FIELD_MISSING: Final = "FIELD_MISSING"
FIELD_INVALID: Final = "FIELD_INVALID"
