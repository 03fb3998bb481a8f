"""What we tell the CIS when a file, or orders in it, could not be taken.

Source: schema/reject-1.xsd.
"""

from __future__ import annotations

from integrations.cis.types import CisReject
from integrations.cis.xml_writer import write_message

NAMESPACE = "urn:tiedolla:cis:reject:1"
KIND = "CIS_REJECT"
_SCHEMA_VERSION = "1.0"
_NAME_MOST = 255
_TEXT_MOST = 1000
_ID_MOST = 40


def build_reject(reject: CisReject, message_id: str) -> bytes:
    """One RejectMessage; the same arguments give the same bytes.

    Whatever the bad file held is cut to length, so that the answer is always a good one.
    """
    theirs = reject.rejected_message_id
    return write_message(
        NAMESPACE,
        "RejectMessage",
        {
            "Header": {
                "MessageId": message_id,
                "CreatedAt": reject.created_at,
                "Sender": reject.sender,
                "Receiver": reject.receiver,
                "SchemaVersion": _SCHEMA_VERSION,
                "TestIndicator": reject.test,
            },
            "FileName": reject.file_name[:_NAME_MOST],
            "RejectedMessageId": theirs[:_ID_MOST] if theirs else None,
            "Reject": [
                {
                    "OrderId": entry.order_id[:_ID_MOST] if entry.order_id else None,
                    "Line": entry.line or None,
                    "Code": entry.code,
                    "IecCode": entry.iec_code,
                    "Severity": entry.severity,
                    "Path": entry.path[:_NAME_MOST] if entry.path else None,
                    "Text": entry.text[:_TEXT_MOST],
                }
                for entry in reject.entries
            ],
        },
    )
