"""The private Valkey: nobody else's, and never left behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis

from deploy import processes
from deploy.private_dirs import AlreadyRunning
from deploy.valkey import PROGRAM, PrivateValkey, binary
from tests.deploy.owners import VALKEY_OWNER, start_owner


def test_it_answers_on_a_private_socket_and_on_no_port(tmp_path: Path) -> None:
    with PrivateValkey(tmp_path / "v") as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("save") == {"save": ""}
        assert server.data_dir.stat().st_mode & 0o777 == 0o700


def test_a_killed_server_comes_back_empty_on_the_same_address(tmp_path: Path) -> None:
    with PrivateValkey(tmp_path / "v") as server:
        url, before = server.url, server.pid
        with redis.Redis.from_url(url) as client:
            client.set("bell", "rung")
        assert server.restart(immediate=True) == url
        assert server.pid != before
        with redis.Redis.from_url(url) as client:
            assert client.dbsize() == 0


def test_a_killed_owner_leaves_no_server_behind(tmp_path: Path) -> None:
    owner, server = start_owner(VALKEY_OWNER, tmp_path / "v")
    owner.kill()
    owner.wait()
    assert processes.wait_until(lambda: not processes.is_alive(server), 20)


def test_a_left_over_server_is_ended(tmp_path: Path) -> None:
    home = tmp_path / "v"
    with PrivateValkey(home):
        pass
    left_over = subprocess.Popen(
        [binary(), "--port", "0", "--dir", home], stdout=subprocess.DEVNULL
    )
    assert processes.wait_until(lambda: bool(processes.find_servers(PROGRAM, home)), 20)
    with PrivateValkey(home) as server:
        assert left_over.wait(20) is not None
        assert server.pid != left_over.pid


def test_two_servers_run_side_by_side_and_a_second_owner_is_refused(tmp_path: Path) -> None:
    with PrivateValkey(tmp_path / "one") as one, PrivateValkey(tmp_path / "two") as two:
        assert one.pid != two.pid
        with pytest.raises(AlreadyRunning):
            PrivateValkey(tmp_path / "one").start()
        assert one.is_running


def test_a_clone_in_a_very_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    with PrivateValkey(tmp_path / ("long-" * 40) / "v") as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert len(str(socket)) <= 107
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
    assert not socket.parent.exists()
