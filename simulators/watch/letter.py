"""One message on the page, whether it came as a text or as an e-mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from simulators.ledger import Entry
from simulators.sms.inbound import Written
from simulators.sms.message import Sms
from simulators.sms.parts import count_parts
from simulators.watch.language import guess_language


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that may be shown: cheap to sort, read only when it is."""

    at_s: float
    to: str
    source: Sms | Written | Entry
    status: str

    @classmethod
    def of_sms(cls, sms: Sms, status: str) -> Arrival:
        """A text message."""
        return cls(sms.at_s, sms.to, sms, status)

    @classmethod
    def of_written(cls, written: Written) -> Arrival:
        """A text that the phone's owner wrote; it stands on the same phone's screen."""
        status = "on its way" if not written.answered else "arrived"
        if written.answered and not 200 <= written.answered < 300:
            status = f"refused ({written.answered})"
        return cls(written.at_s, written.sender, written, status)

    @classmethod
    def of_mail(cls, mail: Entry, status: str) -> Arrival:
        """An e-mail, as its ledger entry."""
        return cls(datetime.fromisoformat(mail["at"]).timestamp(), mail["to"], mail, status)

    def letter(self) -> Letter:
        """What the page shows of it."""
        if isinstance(self.source, Sms):
            return _letter_of_sms(self.source, self.status)
        if isinstance(self.source, Written):
            return _letter_of_written(self.source, self.status)
        return _letter_of_mail(self.source, self.status)


@dataclass(frozen=True, slots=True)
class Letter:
    """What the page shows of a message; `html_n` is the e-mail's number when it has a HTML part."""

    kind: str
    number: int
    at: datetime
    to: str
    sender: str
    subject: str
    text: str
    status: str
    detail: str
    language: str
    html_n: int | None


def _letter_of_sms(sms: Sms, status: str) -> Letter:
    encoding, parts = count_parts(sms.body)
    return Letter(
        kind="sms",
        number=sms.n,
        at=datetime.fromtimestamp(sms.at_s, UTC),
        to=sms.to,
        sender=sms.sender or sms.service_sid,
        subject="",
        text=sms.body,
        status=status,
        detail=f"{parts} part{'' if parts == 1 else 's'}, {encoding}",
        language=guess_language(sms.body),
        html_n=None,
    )


def _letter_of_written(written: Written, status: str) -> Letter:
    encoding, parts = count_parts(written.body)
    return Letter(
        kind="reply",
        number=written.n,
        at=datetime.fromtimestamp(written.at_s, UTC),
        to=written.sender,
        sender=written.to,
        subject="",
        text=written.body,
        status=status,
        detail=f"{parts} part{'' if parts == 1 else 's'}, {encoding}",
        language=guess_language(written.body),
        html_n=None,
    )


def _letter_of_mail(mail: Entry, status: str) -> Letter:
    name, address = mail["from_name"], mail["from"]
    return Letter(
        kind="mail",
        number=mail["n"],
        at=datetime.fromisoformat(mail["at"]),
        to=mail["to"],
        sender=f"{name} <{address}>" if name else address,
        subject=mail["subject"],
        text=mail["text"],
        status=status,
        detail="",
        language=guess_language(f"{mail['subject']} {mail['text']}", mail["html"]),
        html_n=mail["n"] if mail["html"] else None,
    )
