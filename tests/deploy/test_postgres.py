"""The private PostgreSQL: nobody else's, never left behind, and back after anything."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy import processes
from deploy.postgres import DATABASE, ROLE, PrivatePostgres, install_dir
from deploy.private_dirs import AlreadyRunning
from deploy.unprivileged import choose_quarters
from tests.deploy.owners import POSTGRES_OWNER, THREAD_OWNER, start_owner


def test_finnish_letters_are_lowered_and_kept_whole_in_searches(server: PrivatePostgres) -> None:
    with connect(server) as connection:
        assert connection.execute("SELECT lower('ÅÄÖ')").fetchone() == ("åäö",)
        row = connection.execute("SELECT array_length(show_trgm('mäkelä'), 1)").fetchone()
    # One word of six letters has seven trigrams; split at each ä it would have fewer and shorter.
    assert row == (7,)


def test_the_product_may_make_extensions_and_databases(server: PrivatePostgres) -> None:
    with connect(server) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        connection.execute("CREATE DATABASE another")
        connection.execute("DROP DATABASE another")


def test_it_listens_on_no_port_and_only_we_can_enter_its_folders(server: PrivatePostgres) -> None:
    assert server.pid is not None
    with connect(server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    for folder in (server.data_dir, server.socket_dir):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_data_survive_a_stop_and_a_power_cut(home: Path) -> None:
    with PrivatePostgres(home) as server:
        with connect(server) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (1)")
        before = server.pid
        url = server.url
        assert server.restart(immediate=True) == url
        assert server.pid != before
        with connect(server) as connection:
            connection.execute("INSERT INTO kept VALUES (2)")
    with PrivatePostgres(home) as server, connect(server) as connection:
        assert connection.execute("SELECT sum(n) FROM kept").fetchone() == (3,)


def test_a_killed_owner_leaves_no_server_behind(home: Path) -> None:
    owner, postmaster = start_owner(POSTGRES_OWNER, home)
    family = [postmaster, *postmaster.children()]
    owner.kill()
    owner.wait()
    assert processes.wait_until(lambda: not any(map(processes.is_alive, family)), 20)
    assert processes.find_servers("postgres", home / "cluster") == []


def test_a_killed_tether_leaves_no_server_behind(home: Path) -> None:
    owner, postmaster = start_owner(POSTGRES_OWNER, home)
    tether = postmaster.parent()
    assert tether is not None
    assert tether.pid != owner.pid
    tether.kill()
    assert processes.wait_until(lambda: not processes.is_alive(postmaster), 20)
    owner.kill()
    owner.wait()


def test_a_server_started_from_a_thread_outlives_the_thread(home: Path) -> None:
    owner, postmaster = start_owner(THREAD_OWNER, home)
    assert not processes.wait_until(lambda: not processes.is_alive(postmaster), 1)
    owner.kill()
    owner.wait()
    assert processes.wait_until(lambda: not processes.is_alive(postmaster), 20)


def test_a_left_over_server_is_ended_and_its_data_are_kept(home: Path) -> None:
    with PrivatePostgres(home, durable=False) as server, connect(server) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    quarters = choose_quarters(home, install_dir())
    left_over = subprocess.Popen(
        [
            *quarters.prefix,
            *(install_dir() / "bin" / "postgres", "-D", home / "cluster"),
            *("-c", "listen_addresses=", "-k", home),
        ],
        stderr=subprocess.DEVNULL,
    )
    found = processes.find_servers
    assert processes.wait_until(lambda: bool(found("postgres", home / "cluster")), 20)
    with PrivatePostgres(home, durable=False) as server, connect(server) as connection:
        assert left_over.wait(20) is not None
        assert server.pid != left_over.pid
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_stale_pid_file_that_names_an_innocent_process_harms_nobody(home: Path) -> None:
    with PrivatePostgres(home, durable=False):
        pass
    innocent = subprocess.Popen(["sleep", "600"])
    pid_file = home / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{innocent.pid}\n{home}/cluster\n1\n5432\n{home}\n\n 1 1\nready\n")
    with PrivatePostgres(home, durable=False) as server:
        assert server.pid not in (None, innocent.pid)
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()


def test_a_first_start_that_was_killed_half_way_starts_over(home: Path) -> None:
    unfinished = home / "cluster.new"
    unfinished.mkdir(parents=True)
    home.chmod(0o700)
    (unfinished / "PG_VERSION").write_text("18\n")
    with PrivatePostgres(home, durable=False) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    with (
        PrivatePostgres(tmp_path / "one", durable=False) as one,
        PrivatePostgres(tmp_path / "two", durable=False) as two,
    ):
        assert one.pid != two.pid
        with connect(one) as connection:
            connection.execute("CREATE TABLE here (n int)")
        with connect(two) as connection:
            assert connection.execute("SELECT to_regclass('here')").fetchone() == (None,)


def test_a_second_owner_is_refused_and_told_who_has_it(server: PrivatePostgres) -> None:
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        PrivatePostgres(server.data_dir).start()
    assert server.is_running


@pytest.mark.parametrize("name", ["long-" * 40, "with space, comma & ünïcode?"])
def test_a_clone_in_an_awkward_folder_gets_its_socket_elsewhere(tmp_path: Path, name: str) -> None:
    home = tmp_path / name / "postgres"
    server = PrivatePostgres(home, durable=False)
    with server:
        socket_dir = server.socket_dir
        assert not socket_dir.is_relative_to(tmp_path)
        assert len(os.fsencode(socket_dir / ".s.PGSQL.5432")) <= 107
        with connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not socket_dir.exists()
    server.remove()
    assert not home.exists()


def test_where_namespaces_are_refused_root_runs_a_copy_as_an_existing_account(home: Path) -> None:
    server = PrivatePostgres(home, durable=False, user_namespaces=False)
    with server, connect(server) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        assert server.pid is not None
        # An ordinary user needs neither namespace nor copy: the server is simply theirs.
        runs_as_root = psutil.Process(server.pid).uids().real == 0
        assert not runs_as_root
    with server, connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        elsewhere = server.socket_dir.parents[1]
    server.remove()
    assert not home.exists()
    if os.geteuid() == 0:
        assert not elsewhere.exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    (folder / "letter.txt").touch()
    with pytest.raises(ValueError, match="other things"):
        PrivatePostgres(folder).start()
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_killed_server_can_be_started_again(home: Path) -> None:
    with PrivatePostgres(home, durable=False) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert processes.wait_until(lambda: not server.is_running, 20)
        server.restart(immediate=True)
        with connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def connect(server: PrivatePostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        f"host={server.socket_dir} user={ROLE} dbname={DATABASE}", autocommit=True
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivatePostgres]:
    with PrivatePostgres(tmp_path / "postgres", durable=False) as server:
        yield server
