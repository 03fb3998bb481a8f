"""Ports: free, below the ephemeral range, and the same from one start to the next."""

from __future__ import annotations

import socket
from pathlib import Path

from deploy.ports import free_port, is_free, keep_ports


def test_a_free_port_is_below_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert 1024 < port < 32768
    assert is_free(port)


def test_ports_stay_the_same_from_one_start_to_the_next(tmp_path: Path) -> None:
    record = tmp_path / "ports.json"
    first = keep_ports(record, ["web", "sftp"], {})
    assert first["web"] != first["sftp"]
    assert keep_ports(record, ["web", "sftp"], {}) == first


def test_a_port_that_somebody_took_meanwhile_is_replaced(tmp_path: Path) -> None:
    record = tmp_path / "ports.json"
    first = keep_ports(record, ["web", "sftp"], {})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first["web"]))
        listener.listen()
        second = keep_ports(record, ["web", "sftp"], {})
    assert second["web"] != first["web"]
    assert second["sftp"] == first["sftp"]


def test_a_given_port_is_taken_as_given(tmp_path: Path) -> None:
    assert keep_ports(tmp_path / "ports.json", ["web"], {"web": 8123}) == {"web": 8123}


def test_a_broken_record_is_replaced(tmp_path: Path) -> None:
    record = tmp_path / "ports.json"
    record.write_text("[1", encoding="utf-8")
    assert "web" in keep_ports(record, ["web"], {})
