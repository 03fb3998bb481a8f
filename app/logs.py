"""Logs: one JSON line per event with a constant name and ids only, never bodies or addresses."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

# Libraries that would log phone numbers, addresses or whole requests at INFO.
_QUIET = ("twilio", "twilio.http_client", "paramiko", "rq.worker", "urllib3", "aiohttp", "alembic")


def set_up_logs(level: str, process: str) -> None:
    """Send our events and those of libraries to standard error as JSON lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_trace),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(ensure_ascii=False),
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
_SAID_CHARS = 300
# What looks like an e-mail address, a phone number or a longer quotation.
_TELLING = re.compile(r"[^\s@'\"]+@[^\s@'\"]+|\+?\d[\d\s-]{5,}\d|(?<=')[^']{20,}(?=')")


def _trace(exc_info: _ExcInfo) -> str:
    """Where it went wrong and what kind of error it was, the cause first."""
    return "\n".join(reversed(list(_errors(exc_info[1]))))


def _errors(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = "".join(traceback.format_tb(error.__traceback__))
        yield f"{frames}{type(error).__module__}.{type(error).__qualname__}: {_said(error)}"
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context


def _said(error: BaseException) -> str:
    """What an error says, unless it would quote rows: PostgreSQL repeats the values it stumbled on."""
    if isinstance(error, psycopg.Error):
        diag = error.diag
        parts = (error.sqlstate, diag.table_name, diag.column_name, diag.constraint_name)
        return " ".join(part for part in parts if part)
    if isinstance(error, SQLAlchemyError):
        return error.code or ""
    return _TELLING.sub("…", str(error)[:_SAID_CHARS])


def masked_phone(number: str) -> str:
    """The last three digits, which is all that a log may say of a phone number."""
    return "…" + number[-3:]
