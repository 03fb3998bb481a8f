"""The answer to a request in IEC 61968-100's envelope: Reply with Result and Errors.

Source: IEC 61968-100, Message.xsd (names and order of the elements); DOMAIN.md for the codes.
"""

from __future__ import annotations

from integrations.cis.document import IEC_NAMESPACE
from integrations.cis.types import CisReply
from integrations.cis.xml_writer import write_message

KIND = "CIS_REPLY"
_REVISION = "2.0"
_SOURCE = "Tiedolla"
_LEVELS = {"ERROR": "FATAL", "WARN": "WARNING", "INFO": "INFORM"}
_TEXT_MOST = 1000
_NAME_MOST = 255
# The standard's code for "no error" and for "some of it could not be done".
_NO_ERROR = "0.0"


def build_reply(reply: CisReply, message_id: str) -> bytes:
    """One ReplyMessage; the same arguments give the same bytes.

    A good request is answered too, with code 0.0: who asks this way waits for an answer.
    """
    errors = [
        {
            "code": entry.iec_code,
            "level": _LEVELS[entry.severity],
            "reason": entry.text[:_TEXT_MOST],
            "details": entry.code,
            "xpath": entry.path[:_NAME_MOST] if entry.path else None,
            "ID": entry.order_id[:_NAME_MOST] if entry.order_id else None,
        }
        for entry in reply.entries
    ]
    return write_message(
        IEC_NAMESPACE,
        "ReplyMessage",
        {
            "Header": {
                "Verb": "reply",
                "Noun": reply.noun,
                "Revision": _REVISION,
                "Timestamp": reply.created_at,
                "Source": _SOURCE,
                "MessageID": message_id,
                "CorrelationID": reply.correlation_id,
                "Comment": reply.file_name[:_NAME_MOST],
            },
            "Reply": {
                "Result": reply.result,
                "Error": errors or [{"code": _NO_ERROR, "level": "INFORM"}],
            },
        },
    )
