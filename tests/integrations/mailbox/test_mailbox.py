"""A mailbox over IMAP: what is listed, fetched byte for byte, and moved; and what a message holds."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from integrations.mailbox.client import Mailbox, parse_address
from integrations.mailbox.codec import LetterUnreadable, parse_letter
from integrations.outcomes import LaneDown, Retryable
from tests.integrations.mailbox.imap_server import ImapServer


@pytest.fixture(scope="module")
def server() -> Iterator[ImapServer]:
    with ImapServer() as running:
        yield running


def test_a_message_is_listed_fetched_unread_and_moved_once(server: ImapServer) -> None:
    raw = _letter("<moved@example.fi>", {"a.csv": b"a\r\n\x00\xff"})
    server.deliver(raw)
    with _open(server) as box:
        [listed] = box.list_folder()
        assert listed.size == len(raw)
        assert box.fetch(listed.uid) == raw
        assert server.seen("INBOX") == []
        box.move_done(listed.uid)
        assert box.list_folder() == []
        assert box.fetch(listed.uid) is None
    assert server.names("Tiedolla-done") == [b"Message-ID: <moved@example.fi>"]


def test_a_server_without_move_is_served_by_copy_and_expunge(server: ImapServer) -> None:
    server.deliver(_letter("<copied@example.fi>", {}))
    server.deliver(_letter("<stays@example.fi>", {}))
    with _open(server) as box:
        box._can = frozenset()
        first, second = box.list_folder()
        box.move_refused(first.uid)
        assert [one.uid for one in box.list_folder()] == [second.uid]
        box.move_done(second.uid)
    assert server.names("Tiedolla-refused") == [b"Message-ID: <copied@example.fi>"]


def test_a_wrong_password_closes_the_mailbox_and_no_server_is_tried_again(
    server: ImapServer,
) -> None:
    wrong = parse_address(
        "orders",
        server.address.replace("salasana", "wrong"),
        timeout_s=5,
        max_bytes=1000,
    )
    with pytest.raises(LaneDown, match="refused"), Mailbox(wrong):
        pass
    nobody = parse_address("orders", "imap://u:p@127.0.0.1:1", timeout_s=5, max_bytes=1000)
    with pytest.raises(Retryable), Mailbox(nobody):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "https://user:secret7@host",
        "imaps://host",
        "imaps://user:secret7@host:port",
        "imaps://u:secret7@host/L%C3%A4hteet",
        "",
    ],
)
def test_an_address_that_cannot_be_one_is_told_without_its_password(address: str) -> None:
    with pytest.raises(LaneDown) as told:
        parse_address("orders", address, timeout_s=5, max_bytes=1000)
    assert "secret7" not in told.value.why


def test_attachments_come_out_byte_for_byte_under_names_that_are_no_paths() -> None:
    body = bytes(range(256)) * 7
    letter = parse_letter(_letter("<a@x>", {"../../etc/hyvä nimi.csv": body, "b.xml": b""}))
    assert [one.name for one in letter.attachments] == ["hyvä nimi.csv", "b.xml"]
    assert [one.body for one in letter.attachments] == [body, b""]
    assert (letter.message_id, letter.sender) == ("<a@x>", "aino@example.fi")


def test_the_way_that_a_message_took_does_not_make_it_another() -> None:
    raw = _letter("<same@x>", {"a.csv": b"a"})
    relayed = b"Received: from relay.example.fi; now\r\nDKIM-Signature: v=1\r\n" + raw
    assert parse_letter(raw).content_hash == parse_letter(relayed).content_hash
    assert parse_letter(raw).content_hash != parse_letter(raw + b"more").content_hash


def test_a_message_without_a_name_gets_one_of_its_content() -> None:
    one = parse_letter(b"From: a@b.fi\r\n\r\nhei\r\n")
    assert one.message_id == f"none:{one.content_hash}"


@pytest.mark.parametrize("raw", [b"", b"no end of the headers"])
def test_what_is_no_message_is_refused_with_a_code(raw: bytes) -> None:
    with pytest.raises(LetterUnreadable) as told:
        parse_letter(raw)
    assert told.value.code == "MAIL_MALFORMED"


def test_a_bomb_of_attachments_is_refused() -> None:
    with pytest.raises(LetterUnreadable, match="TOO_MANY"):
        parse_letter(_letter("<many@x>", {f"{n}.txt": b"x" for n in range(101)}))


def _letter(message_id: str, files: dict[str, bytes]) -> bytes:
    message = EmailMessage()
    message["From"] = "Aino <aino@example.fi>"
    message["To"] = "orders@example.fi"
    message["Subject"] = "Toimitus"
    message["Message-ID"] = message_id
    message.set_content("Liitteenä.")
    for name, body in files.items():
        message.add_attachment(
            body, maintype="application", subtype="octet-stream", filename=Path(name).as_posix()
        )
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _open(server: ImapServer) -> Mailbox:
    return Mailbox(parse_address("orders", server.address, timeout_s=5, max_bytes=100_000))
