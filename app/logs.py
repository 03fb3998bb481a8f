"""Logs: one JSON line per event with a constant name and ids only, never bodies or addresses."""

from __future__ import annotations

import logging
import sys

import structlog

# Libraries that would log phone numbers, addresses or whole requests at INFO.
_QUIET = ("twilio", "twilio.http_client", "paramiko", "rq.worker", "urllib3", "aiohttp", "alembic")


def set_up_logs(level: str, process: str) -> None:
    """Send our events and those of libraries to standard error as JSON lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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


def masked_phone(number: str) -> str:
    """The last three digits, which is all that a log may say of a phone number."""
    return "…" + number[-3:]
