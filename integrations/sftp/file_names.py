"""Names of files on somebody else's server: what to leave alone, show and call our own copy."""

from __future__ import annotations

import hashlib

_UPLOADING = (".tmp", ".part", ".filepart")
_NAME_MAX_BYTES = 200
_SAFE_SIGNS = frozenset(" ._-+=@,()[]~#")


def is_candidate(raw: bytes) -> bool:
    """Tell whether a name may be a file for us: not hidden, not still being written, no path."""
    if not raw or raw.startswith(b".") or b"/" in raw or b"\0" in raw:
        return False
    return not is_upload(raw)


def is_upload(raw: bytes) -> bool:
    """Tell whether the name says that the file is still being written."""
    return raw.lower().endswith(tuple(suffix.encode() for suffix in _UPLOADING))


def shown_name(raw: bytes) -> str:
    """A name as text that can be stored, logged and shown; the same bytes give the same text."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def safe_name(name: str) -> str:
    """A name that is only a name on any system; plain names stay as they are.

    A name that had to be changed gets a mark made of the whole name, so two of them stay two.
    """
    kept = "".join(c if c.isalnum() or c in _SAFE_SIGNS else "_" for c in name)
    kept = "_" + kept[1:] if kept[:1] in ("", ".", "-", " ") else kept
    if kept == name and len(kept.encode()) <= _NAME_MAX_BYTES:
        return kept
    mark = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    stem, dot, suffix = kept.rpartition(".")
    if not dot or len(suffix) > 10:
        stem, suffix = kept, ""
    room = _NAME_MAX_BYTES - len(suffix.encode()) - 10
    short = stem.encode()[:room].decode("utf-8", "ignore")
    return f"{short}-{mark}.{suffix}" if suffix else f"{short}-{mark}"


def numbered_name(name: str, mark: str) -> str:
    """The name with a mark before its suffix: `orders.xml` -> `orders.<mark>.xml`."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}.{mark}.{suffix}" if dot else f"{name}.{mark}"
