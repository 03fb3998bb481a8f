"""The servers that the tests themselves stand on."""

from __future__ import annotations

import base64

import paramiko
import psycopg
import redis
from sqlalchemy.engine import make_url

from tests.servers import FOLDERS, SftpServer


def test_each_session_gets_a_database_of_its_own(postgres_url: str) -> None:
    conninfo = make_url(postgres_url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    assert str(row[0]).startswith("tiedolla_test_")


def test_the_redis_url_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_sshd_proves_its_host_key_takes_our_key_and_serves_the_folders(sshd: SftpServer) -> None:
    with paramiko.Transport((sshd.host, sshd.port)) as transport:
        transport.start_client(timeout=10)
        shown = transport.get_remote_server_key()
        assert f"{shown.get_name()} {base64.b64encode(shown.asbytes()).decode()}" == sshd.host_key
        key = paramiko.Ed25519Key.from_private_key_file(str(sshd.private_key_file))
        transport.auth_publickey(sshd.user, key)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        with client.open("inbox/a.xml.tmp", "w") as file:
            file.write("<a/>")
        client.posix_rename("inbox/a.xml.tmp", "inbox/a.xml")
        assert sorted(client.listdir(".")) == sorted(FOLDERS)
    assert (sshd.folder("inbox") / "a.xml").read_text(encoding="utf-8") == "<a/>"
