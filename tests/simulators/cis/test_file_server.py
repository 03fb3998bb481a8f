"""The CIS's file server: one user, one folder, renames that never lose a file, every move noted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
import pytest

from tests.simulators.running import RunningRehearsal

FOLDERS = {"inbox", "processing", "archive", "quarantine", "returns", "snapshots"}
COMPLETION = """<?xml version="1.0" encoding="UTF-8"?>
<WorkOrderCompletion xmlns="urn:tiedolla:cis:completion:1"><Header><MessageId>m-1</MessageId>
</Header><WorkOrder><OrderId>{order}</OrderId><Revision>2</Revision></WorkOrder>
</WorkOrderCompletion>"""


def test_the_user_with_the_key_sees_the_agreed_folders_and_the_pinned_host_key(
    shared: RunningRehearsal,
) -> None:
    with session(shared) as sftp:
        assert set(sftp.listdir("/")) == FOLDERS
        assert sftp.normalize(".") == "/"
        transport = sftp.get_channel().get_transport()
        shown = transport.get_remote_server_key().get_base64()
    pinned = (shared.folder / "keys" / "sftp_host_ed25519.pub").read_text("ascii").split()[1]
    assert shown == pinned


def test_another_user_another_key_or_a_password_is_turned_away(shared: RunningRehearsal) -> None:
    key = client_key(shared)
    for user, credentials in (
        ("root", {"pkey": key}),
        ("tiedolla", {"pkey": paramiko.Ed25519Key.from_private_key_file(str(other_key(shared)))}),
        ("tiedolla", {"password": "tiedolla"}),
    ):
        transport = paramiko.Transport(("127.0.0.1", shared.sftp_port))
        try:
            with pytest.raises(paramiko.SSHException):
                transport.connect(username=user, **credentials)
        finally:
            transport.close()


def test_there_is_no_shell_and_no_command(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        channel = sftp.get_channel().get_transport().open_session()
        with pytest.raises(paramiko.SSHException):
            channel.exec_command("id")


@pytest.mark.parametrize(
    "path", ["../config.json", "/../config.json", "inbox/../../config.json", "../../etc/passwd"]
)
def test_no_path_leads_outside_the_folder(shared: RunningRehearsal, path: str) -> None:
    with session(shared) as sftp:
        with pytest.raises(OSError, match="No such file"):
            sftp.open(path).close()
        with pytest.raises(OSError, match="No such file"):
            sftp.stat(path)


def test_a_link_is_shown_as_a_link_and_leads_nowhere_outside(shared: RunningRehearsal) -> None:
    inbox = shared.folder / "sftp" / "inbox"
    (inbox / "absolute.xml").symlink_to(shared.folder / "config.json")
    (inbox / "relative.xml").symlink_to("../../config.json")
    (inbox / "folder").symlink_to(shared.folder)
    with session(shared) as sftp:
        for name in ("absolute.xml", "relative.xml"):
            assert sftp.lstat(f"inbox/{name}").st_mode & 0o170000 == 0o120000
            for attempt in (sftp.stat, sftp.open):
                with pytest.raises(OSError, match="No such file"):
                    attempt(f"inbox/{name}")
            with pytest.raises(OSError, match="No such file"):
                sftp.open(f"inbox/{name}", "w")
        for attempt in (sftp.listdir, sftp.chdir):
            with pytest.raises(OSError, match="No such file"):
                attempt("inbox/folder")
        for attempt in (sftp.open, sftp.lstat, sftp.remove):
            with pytest.raises(OSError, match="No such file"):
                attempt("inbox/folder/config.json")
        with pytest.raises(OSError, match="No such file"):
            sftp.rename("inbox/folder/config.json", "inbox/stolen.json")
        assert (shared.folder / "config.json").exists()
        for name in ("absolute.xml", "relative.xml", "folder"):
            sftp.remove(f"inbox/{name}")
    assert (shared.folder / "config.json").exists()


def test_a_client_may_make_a_link_that_stays_inside(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        put(sftp, "archive/real.xml", b"real")
        sftp.symlink("/archive/real.xml", "inbox/link.xml")
        sftp.symlink("/etc/passwd", "inbox/passwd.xml")
        with sftp.open("inbox/link.xml") as file:
            assert file.read() == b"real"
        with pytest.raises(OSError, match="No such file"):
            sftp.open("inbox/passwd.xml")
        sftp.remove("inbox/link.xml")
        sftp.remove("inbox/passwd.xml")
        assert sftp.stat("archive/real.xml").st_size == 4


def test_a_plain_rename_never_replaces_and_the_posix_one_does(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        put(sftp, "processing/old", b"old")
        put(sftp, "processing/new", b"new")
        with pytest.raises(OSError, match="exists"):
            sftp.rename("processing/new", "processing/old")
        assert content(shared, "processing/old") == b"old"
        sftp.posix_rename("processing/new", "processing/old")
        assert content(shared, "processing/old") == b"new"
        assert "new" not in sftp.listdir("processing")


def test_a_plain_rename_does_not_even_replace_a_link_to_nowhere(shared: RunningRehearsal) -> None:
    (shared.folder / "sftp" / "processing" / "dangling").symlink_to("nowhere")
    with session(shared) as sftp:
        put(sftp, "processing/file", b"x")
        with pytest.raises(OSError, match="exists"):
            sftp.rename("processing/file", "processing/dangling")


def test_a_file_that_arrives_in_the_inbox_is_noted_once_it_has_its_final_name(
    shared: RunningRehearsal,
) -> None:
    with session(shared) as sftp:
        put(sftp, "inbox/order.xml.tmp", b"<a/>")
        assert not notes(shared, "order.xml")
        sftp.rename("inbox/order.xml.tmp", "inbox/order.xml")
        put(sftp, "inbox/direct.xml", b"<b/>")
        sftp.rename("inbox/order.xml", "processing/order.xml")
    assert [(one["kind"], one.get("sha256")) for one in notes(shared, "order.xml")] == [
        ("put", hashlib.sha256(b"<a/>").hexdigest())
    ]
    assert [one["kind"] for one in notes(shared, "direct.xml")] == ["put"]
    moves = [one for one in shared.ledger("cis", "move") if one["to"] == "processing/order.xml"]
    assert [one["from"] for one in moves] == ["inbox/order.xml"]


def test_a_returned_file_is_noted_with_its_order_before_the_rename_is_answered(
    shared: RunningRehearsal,
) -> None:
    with session(shared) as sftp:
        for text in (COMPLETION.format(order="MVM-1"),) * 2 + (COMPLETION.format(order="MVM-2"),):
            put(sftp, "returns/done.xml.tmp", text.encode())
            sftp.posix_rename("returns/done.xml.tmp", "returns/done.xml")
        seen = notes(shared, "done.xml")
    assert [one["kind"] for one in seen] == ["return", "repeat", "changed"]
    first = seen[0]
    assert (first["root"], first["namespace"]) == (
        "WorkOrderCompletion",
        "urn:tiedolla:cis:completion:1",
    )
    assert (first["message_id"], first["order_id"], first["revision"]) == ("m-1", "MVM-1", "2")
    assert first["text"] == COMPLETION.format(order="MVM-1")


def test_a_returned_file_that_is_no_xml_is_noted_as_such(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        put(sftp, "returns/odd.xml", b"\xff not xml")
    assert "not_xml" in notes(shared, "odd.xml")[0]


def test_a_return_whose_note_was_lost_in_a_crash_is_noted_at_the_next_start(
    rehearsal: RunningRehearsal,
) -> None:
    with session(rehearsal) as sftp:
        put(sftp, "returns/noted.xml", COMPLETION.format(order="A").encode())
    rehearsal.kill()
    lost = rehearsal.folder / "sftp" / "returns" / "lost.xml"
    lost.write_text(COMPLETION.format(order="B"), "utf-8")
    rehearsal.start()
    returned = rehearsal.ledger("cis", "return")
    assert [(one["name"], one["order_id"]) for one in returned] == [
        ("noted.xml", "A"),
        ("lost.xml", "B"),
    ]


def test_a_growing_file_is_served_as_it_grows(shared: RunningRehearsal) -> None:
    with session(shared) as writer, session(shared) as reader, writer.open("inbox/g.xml", "w") as f:
        f.write(b"one")
        f.flush()
        assert reader.stat("inbox/g.xml").st_size == 3
        f.write(b"two")
        f.flush()
        assert reader.stat("inbox/g.xml").st_size == 6


def test_a_frozen_server_keeps_everybody_waiting_until_it_thaws(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        sftp.get_channel().settimeout(0.5)
        shared.disturb("cis", delay_ms=60_000)
        with pytest.raises(TimeoutError):
            sftp.listdir("inbox")
        shared.calm("cis")
    with session(shared) as sftp:
        assert isinstance(sftp.listdir("inbox"), list)


def test_a_dropped_answer_leaves_the_file_moved_and_noted(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        put(sftp, "returns/cut.xml.tmp", COMPLETION.format(order="C").encode())
        shared.disturb("cis", drop_answer_ratio=1)
        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            sftp.posix_rename("returns/cut.xml.tmp", "returns/cut.xml")
    shared.calm("cis")
    assert [one["kind"] for one in notes(shared, "cut.xml")] == ["return"]
    assert content(shared, "returns/cut.xml")


def test_a_connection_that_is_cut_before_leaves_everything_as_it_was(
    shared: RunningRehearsal,
) -> None:
    with session(shared) as sftp:
        put(sftp, "returns/kept.xml.tmp", b"<a/>")
        shared.disturb("cis", drop_before_ratio=1)
        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            sftp.posix_rename("returns/kept.xml.tmp", "returns/kept.xml")
    shared.calm("cis")
    with session(shared) as sftp:
        assert "kept.xml.tmp" in sftp.listdir("returns")
    assert not notes(shared, "kept.xml")


def test_a_failing_server_says_so_and_goes_on(shared: RunningRehearsal) -> None:
    with session(shared) as sftp:
        shared.disturb("cis", fail_ratio=1)
        with pytest.raises(OSError, match="refuses"):
            sftp.stat("inbox")
        shared.calm("cis")
        assert sftp.stat("inbox")


def test_eight_megabytes_go_both_ways_in_a_moment(shared: RunningRehearsal) -> None:
    data = bytes(range(256)) * (8 << 12)
    began = time.monotonic()
    with session(shared) as sftp:
        put(sftp, "archive/large", data)
        with sftp.open("archive/large") as file:
            file.prefetch(max_concurrent_requests=64)
            assert file.read() == data
    assert time.monotonic() - began < 15


@contextmanager
def session(shared: RunningRehearsal) -> Iterator[paramiko.SFTPClient]:
    """An SFTP session of the one user."""
    transport = paramiko.Transport(("127.0.0.1", shared.sftp_port))
    try:
        transport.connect(username="tiedolla", pkey=client_key(shared))
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        sftp.get_channel().settimeout(20)
        yield sftp
    finally:
        transport.close()


def client_key(shared: RunningRehearsal) -> paramiko.Ed25519Key:
    """The key that may log in."""
    return paramiko.Ed25519Key.from_private_key_file(
        str(shared.folder / "keys" / "tiedolla_ed25519")
    )


def other_key(shared: RunningRehearsal) -> str:
    """A key that nobody authorized: the server's own."""
    return str(shared.folder / "keys" / "sftp_host_ed25519")


def put(sftp: paramiko.SFTPClient, path: str, data: bytes) -> None:
    """Write a file and close it."""
    with sftp.open(path, "w") as file:
        file.set_pipelined(True)
        file.write(data)


def content(shared: RunningRehearsal, path: str) -> bytes:
    """What the server has on its disk."""
    return (shared.folder / "sftp" / path).read_bytes()


def notes(shared: RunningRehearsal, name: str) -> list[dict[str, object]]:
    """What the ledger says of the file with this name."""
    return [one for one in shared.ledger("cis") if one.get("name") == name]
