"""Sends text messages through the Twilio SDK, and looks up what became of one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from integrations.channel import MessageMatch, Result, send_each
from integrations.outcomes import (
    CallError,
    ContractBroken,
    Finding,
    LaneDown,
    Outbound,
    Rejected,
    Sent,
    UnknownOutcome,
)
from integrations.twilio_sms.codec import parse_sms, status_callback_url, validity_of
from integrations.twilio_sms.codes import UNKNOWN_CODE, outcome_of, rule_for
from integrations.twilio_sms.http_client import PooledTwilioHttpClient
from integrations.twilio_sms.types import Sms, TwilioAccount

# More text messages than this to one number are a runaway, not a history.
LOOKUP_MAX = 200
# Small pages, so that even the longest texts stay within the bound of one answer.
LOOKUP_PAGE = 20
_SID = re.compile(r"[A-Z]{2}[0-9A-Za-z]{32}", re.ASCII)


class TwilioSmsClient:
    """The SMS channel by Twilio. It has no idempotency key, so a doubt stays a doubt.

    Belongs to the loop that it is first used in.
    """

    items_per_call = 1

    def __init__(self, account: TwilioAccount) -> None:
        self._http = PooledTwilioHttpClient(account)
        sdk = Client(
            account.account_sid,
            account.auth_token,
            http_client=self._http,
            # Not empty, so that the SDK does not take a region or edge from the environment.
            environment={"TWILIO_ACCOUNT_SID": account.account_sid},
        )
        sdk.api.base_url = account.base_url
        self._messages = sdk.api.v2010.account.messages
        self._senders = account.senders

    async def send(self, item: Outbound) -> Sent:
        """Hand one text message to Twilio; `ref` of the result is its message sid.

        Raises: Retryable (surely not sent), UnknownOutcome (resolve, never resend blindly),
        Rejected (codes.rule_for(finding.code) says what it means for the contact), LaneDown,
        ContractBroken.
        """
        sms = parse_sms(item.payload)
        asked = _parameters(sms, self._senders.get(sms.sender, sms.sender), item.attempt_id)
        try:
            message = await self._messages.create_async(**asked)
        except TwilioException as error:
            raise _refusal(error) from None
        except CallError:
            raise
        except Exception:
            # An answer that the SDK cannot read came from Twilio after the message had left.
            raise UnknownOutcome("twilio answered something that is no message") from None
        if not _SID.fullmatch(str(message.sid)):
            raise UnknownOutcome("twilio answered without a message sid")
        return Sent(ref=message.sid, detail=str(message.status))

    async def send_many(self, items: Sequence[Outbound]) -> list[Result]:
        """Twilio takes one message per request."""
        return await send_each(self, items)

    async def find_message(
        self,
        to: str,
        sender: str,
        body: str,
        since: datetime,
        until: datetime,
        others: Collection[str] = (),
    ) -> MessageMatch:
        """Look for the message that an attempt may have made; others are known to be of other calls.

        since and until bound Twilio's own creation time, whole seconds: give room for the
        difference between the clocks. No date goes into the query, because a message that still
        waits has none and would be missed.

        Raises: Retryable, LaneDown, ContractBroken.
        """
        sender = self._senders.get(sender, sender)
        try:
            found = await self._messages.list_async(
                to=to, from_=sender, limit=LOOKUP_MAX, page_size=LOOKUP_PAGE
            )
            if len(found) >= LOOKUP_MAX:
                raise ContractBroken("twilio lists too many messages to tell")
            same = [m for m in found if (m.to, m.from_) == (to, sender) and m.sid not in others]
            return _match(same, body, since, until)
        except TwilioException as error:
            raise _lookup_refusal(error) from None
        except CallError:
            raise
        except Exception:
            raise ContractBroken("twilio answered something that is no list") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()


def _parameters(sms: Sms, sender: str, attempt_id: str) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "to": sms.to,
        "from_": sender,
        "body": sms.body,
        "validity_period": validity_of(sms, datetime.now(UTC)),
    }
    if sms.status_callback_base is not None:
        asked["status_callback"] = status_callback_url(sms.status_callback_base, attempt_id)
    return asked


def _refusal(error: TwilioException) -> CallError:
    """A 4xx answer: by its code, else by its status. Twilio's text quotes numbers: not kept."""
    said = getattr(error, "status", None)
    status = said if isinstance(said, int) and 400 <= said < 500 else 400
    code = _plain_code(getattr(error, "code", None))
    rule = rule_for(code)
    kind = outcome_of(status) if rule is UNKNOWN_CODE else rule.outcome
    shown = code or "none"
    why = f"twilio answered {status}, code {shown}: {rule.text}"
    if kind is Rejected:
        return Rejected(why, (Finding("$", shown, rule.text),))
    return kind(why)


def _plain_code(code: object) -> str | None:
    """A code is a few digits; whatever else stands there is not ours to keep."""
    text = str(code)
    return text if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _lookup_refusal(error: TwilioException) -> CallError:
    answer = next((part for part in error.args if hasattr(part, "status_code")), None)
    status = getattr(answer, "status_code", None)
    why = f"twilio answered {status} to a look-up"
    return LaneDown(why) if status in (401, 403, 404) else ContractBroken(why)


def _match(found: Iterable[Any], body: str, since: datetime, until: datetime) -> MessageMatch:
    # Twilio tells whole seconds only.
    first_second = since.replace(microsecond=0)
    same = [
        message
        for message in found
        if (message.body or "").strip() == body.strip()
        and message.date_created is not None
        and first_second <= message.date_created <= until
    ]
    if not same:
        return MessageMatch("none")
    if len(same) > 1:
        return MessageMatch("several")
    [message] = same
    return MessageMatch("one", message.sid, message.status, _plain_code(message.error_code))
