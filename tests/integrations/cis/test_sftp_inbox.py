"""Files through the folders of a real SFTP server."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.outcomes import AlreadyDone, ContractBroken, LaneDown
from integrations.sftp.file_names import safe_name, shown_name
from integrations.sftp.inbox import (
    ClaimLost,
    FileChanged,
    FileGone,
    FileTooLarge,
    RemoteFile,
    SftpInbox,
)
from tests.integrations.cis.servers import config_for, inbox_of
from tests.servers import SftpServer


def test_a_file_travels_from_the_inbox_to_the_archive_byte_by_byte(
    server: SftpServer, inbox: SftpInbox
) -> None:
    data = os.urandom(3 * 1024 * 1024 + 17)
    _drop(server, "orders.xml", data)

    (listed,) = inbox.list_inbox()
    assert (listed.name, listed.size) == ("orders.xml", len(data))
    claimed = inbox.claim(listed.name)
    assert inbox.list_inbox() == []
    assert [file.name for file in inbox.list_processing()] == [claimed]
    chunks = list(inbox.fetch(claimed))
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= 1024 * 1024
    assert inbox.archive(claimed) == "orders.xml"
    assert inbox.list_processing() == []
    assert (server.folder("archive") / "orders.xml").read_bytes() == data


def test_only_finished_regular_files_are_listed_oldest_first(
    server: SftpServer, inbox: SftpInbox
) -> None:
    folder = server.folder("inbox")
    for name, mtime in (("b.xml", 1_700_000_002), ("a.xml", 1_700_000_009)):
        _drop(server, name, b"x", mtime)
    for name in (".hidden.xml", "coming.xml.tmp", "coming.xml.TMP", "coming.filepart"):
        _drop(server, name, b"x")
    (folder / "folder.xml").mkdir()
    (folder / "link.xml").symlink_to("/etc/passwd")
    (folder / "dead.xml").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.xml")

    assert inbox.list_inbox() == [
        RemoteFile("b.xml", 1, 1_700_000_002),
        RemoteFile("a.xml", 1, 1_700_000_009),
    ]


def test_a_link_is_neither_claimed_nor_read(server: SftpServer, inbox: SftpInbox) -> None:
    (server.folder("inbox") / "link.xml").symlink_to("/etc/passwd")
    (server.folder("processing") / "link.xml").symlink_to("/etc/passwd")

    with pytest.raises(ClaimLost):
        inbox.claim("link.xml")
    with pytest.raises(FileGone):
        list(inbox.fetch("link.xml"))


@pytest.mark.parametrize(
    "raw",
    [
        "työt ääkköset.xml".encode(),
        "työt.xml".encode("latin-1"),
        b"line\nbreak.xml",
        b"esc\x1b[2J.xml",
        b"a\\..\\up.xml",
        b"-rf",
        b"$(reboot);`id`.xml",
        b"%2e%2e%2fup.xml",
        b"x" * 250,
    ],
)
def test_a_strange_name_is_claimed_under_one_that_is_safe_anywhere(
    server: SftpServer, inbox: SftpInbox, raw: bytes
) -> None:
    with open(os.fsencode(server.folder("inbox")) + b"/" + raw, "wb") as file:
        file.write(b"data")

    (listed,) = inbox.list_inbox()
    assert listed.name.isprintable()
    claimed = inbox.claim(listed.name)
    assert claimed == safe_name(claimed)
    assert not set(claimed) & set("/\\\n\x1b$`")
    assert b"".join(inbox.fetch(claimed)) == b"data"
    assert inbox.archive(claimed) == claimed
    assert os.listdir(server.folder("archive")) == [claimed]


def test_path_tricks_reach_nothing_outside_the_folders(
    server: SftpServer, inbox: SftpInbox
) -> None:
    outside = server.root / "secret.xml"
    outside.write_bytes(b"secret")

    for trick in ("../secret.xml", "/etc/passwd", "..", ".", ""):
        with pytest.raises(ClaimLost):
            inbox.claim(trick)
    with pytest.raises(FileGone):
        list(inbox.fetch("../secret.xml"))
    with pytest.raises(FileGone):
        inbox.archive("../secret.xml")
    inbox.put_return("../../evil.xml", b"x")
    assert outside.read_bytes() == b"secret"
    assert len(os.listdir(server.folder("returns"))) == 1


def test_a_claim_has_exactly_one_winner(server: SftpServer) -> None:
    names = [f"{n}.xml" for n in range(30)]
    for name in names:
        _drop(server, name, name.encode())

    def claim_all() -> list[str]:
        won = []
        with inbox_of(config_for(server)) as rival:
            for name in names:
                try:
                    won.append(rival.claim(name))
                except ClaimLost:
                    continue
        return won

    with ThreadPoolExecutor(4) as pool:
        wins = [name for won in pool.map(lambda _: claim_all(), range(4)) for name in won]
    assert sorted(wins) == sorted(names)


def test_a_file_is_not_claimed_over_one_of_its_name_in_processing(
    server: SftpServer, inbox: SftpInbox
) -> None:
    _drop(server, "orders.xml", b"second")
    (server.folder("processing") / "orders.xml").write_bytes(b"first")

    with pytest.raises(ClaimLost):
        inbox.claim("orders.xml")
    assert (server.folder("processing") / "orders.xml").read_bytes() == b"first"
    assert (server.folder("inbox") / "orders.xml").read_bytes() == b"second"


def test_a_file_that_grows_shrinks_or_changes_while_it_is_read_is_not_believed(
    server: SftpServer, inbox: SftpInbox
) -> None:
    path = server.folder("processing") / "orders.xml"
    size = 3 * 1024 * 1024

    def read_while(change: object) -> None:
        path.write_bytes(b"a" * size)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        chunks = inbox.fetch("orders.xml")
        next(chunks)
        assert callable(change)
        change()
        with pytest.raises(FileChanged):
            list(chunks)

    read_while(lambda: _append(path))
    read_while(lambda: os.truncate(path, 1024 * 1024))
    read_while(lambda: path.write_bytes(b"b" * size))
    read_while(path.unlink)


def test_an_empty_file_is_fetched_as_one(server: SftpServer, inbox: SftpInbox) -> None:
    (server.folder("processing") / "empty.xml").touch()

    assert list(inbox.fetch("empty.xml")) == []


def test_a_gigabyte_is_put_aside_by_its_size_unread(server: SftpServer, inbox: SftpInbox) -> None:
    path = server.folder("inbox") / "huge.xml"
    path.touch()
    os.truncate(path, 1024 * 1024 * 1024)

    assert inbox.list_inbox()[0].size == 1024 * 1024 * 1024
    claimed = inbox.claim("huge.xml")
    with pytest.raises(FileTooLarge) as caught:
        next(inbox.fetch(claimed))
    assert caught.value.findings[0].code == "FILE_TOO_LARGE"
    assert inbox.quarantine(claimed) == "huge.xml"


def test_a_name_that_is_taken_in_the_archive_gets_a_mark_and_both_stay(
    server: SftpServer, inbox: SftpInbox
) -> None:
    given = []
    for content in (b"first", b"second", b"third"):
        _drop(server, "orders.xml", content, 1_700_000_000)
        given.append(inbox.archive(inbox.claim("orders.xml")))

    assert given == [
        "orders.xml",
        "orders.20231114T221320Z.xml",
        "orders.20231114T221320Z-2.xml",
    ]
    assert [(server.folder("archive") / name).read_bytes() for name in given if name] == [
        b"first",
        b"second",
        b"third",
    ]


def test_putting_away_again_does_nothing(server: SftpServer, inbox: SftpInbox) -> None:
    _drop(server, "orders.xml", b"x")
    claimed = inbox.claim("orders.xml")

    assert inbox.quarantine(claimed) == "orders.xml"
    assert inbox.quarantine(claimed) == "orders.xml"
    assert inbox.archive(claimed) is None
    assert os.listdir(server.folder("quarantine")) == ["orders.xml"]


def test_a_returned_file_appears_whole_and_once(server: SftpServer, inbox: SftpInbox) -> None:
    data = os.urandom(200_000)

    assert inbox.put_return("order-1.xml", data) == "order-1.xml"
    with pytest.raises(AlreadyDone) as caught:
        inbox.put_return("order-1.xml", data)
    assert caught.value.ref == "order-1.xml"
    with pytest.raises(ContractBroken):
        inbox.put_return("order-1.xml", data[::-1])
    assert os.listdir(server.folder("returns")) == ["order-1.xml"]
    assert (server.folder("returns") / "order-1.xml").read_bytes() == data


def test_what_a_dead_writer_left_half_done_does_not_stop_the_next(
    server: SftpServer, inbox: SftpInbox
) -> None:
    (server.folder("returns") / "order-1.xml.0badcafe.tmp").write_bytes(b"half")

    inbox.put_return("order-1.xml", b"whole")
    assert (server.folder("returns") / "order-1.xml").read_bytes() == b"whole"


def test_a_missing_folder_is_for_an_operator(server: SftpServer) -> None:
    (server.folder("processing") / "a.xml").touch()
    _drop(server, "a.xml", b"x")
    with inbox_of(config_for(server, inbox="nowhere")) as lost, pytest.raises(LaneDown):
        lost.list_inbox()
    with inbox_of(config_for(server, archive="nowhere")) as lost, pytest.raises(LaneDown):
        lost.archive("a.xml")
    with inbox_of(config_for(server, returns="nowhere")) as lost, pytest.raises(LaneDown):
        lost.put_return("a.xml", b"x")


@pytest.mark.parametrize(
    ("raw", "shown", "safe"),
    [
        (b"orders.xml", "orders.xml", "orders.xml"),
        ("Työt 2.xml".encode(), "Työt 2.xml", "Työt 2.xml"),
        (b"a\nb.xml", "a\\nb.xml", "a_nb-2d2387cc.xml"),
        (b"\xe4.xml", "\\xe4.xml", "_xe4-20216f25.xml"),
        (b"no-suffix?", "no-suffix?", "no-suffix_-ee950b7f"),
    ],
)
def test_names_are_shown_and_made_safe_the_same_way_every_time(
    raw: bytes, shown: str, safe: str
) -> None:
    assert shown_name(raw) == shown
    assert safe_name(shown) == safe
    assert safe_name(safe) == safe


def _drop(server: SftpServer, name: str, data: bytes, mtime: int | None = None) -> None:
    path = server.folder("inbox") / name
    path.write_bytes(data)
    if mtime is not None:
        os.utime(path, (mtime, mtime))


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")
