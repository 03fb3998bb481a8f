"""`flask partners add`: a partner with its lane, and an address that can be one."""

from __future__ import annotations

import pytest
from click.testing import Result
from flask import Flask

from app.db import transaction
from app.models import Lane, Partner

ADDRESS = "sftp://tiedolla@sftp.kivela.example:22"


def test_a_partner_gets_a_lane_and_later_another_address(app: Flask) -> None:
    assert add(app, ADDRESS).output == "kivela is added; its lane is partner.kivela.\n"
    moved = "sftp://tiedolla@sftp2.kivela.example:22"
    assert add(app, moved).output == "kivela has this address.\n"
    with app.app_context(), transaction() as session:
        assert session.get_one(Partner, "kivela").base_url == moved
        assert session.get_one(Lane, "partner.kivela").sends


def test_a_partner_does_not_change_the_way_by_which_it_is_reached(app: Flask) -> None:
    add(app, ADDRESS)
    refused = add(app, "https://kivela.example", transport="REST")
    assert refused.exit_code == 1
    assert "kivela is reached by SFTP" in refused.output
    with app.app_context(), transaction() as session:
        partner = session.get_one(Partner, "kivela")
        assert (partner.transport, partner.base_url) == ("SFTP", ADDRESS)


@pytest.mark.parametrize(
    ("transport", "address"),
    [
        ("SFTP", "sftp://sftp.kivela.example"),
        ("SFTP", "sftp://tiedolla@"),
        ("SFTP", "sftp://tiedolla@[sftp"),
        ("SFTP", "sftp://tiedolla@sftp:99999"),
        ("SFTP", "sftp://tiedolla@sftp/orders"),
        ("SFTP", "https://kivela.example"),
        ("REST", "https://"),
        ("REST", ADDRESS),
    ],
)
def test_what_cannot_be_an_address_is_refused_at_once(
    app: Flask, transport: str, address: str
) -> None:
    refused = add(app, address, transport=transport)
    assert refused.exit_code == 1
    assert f"the address of {transport} is as" in refused.output
    with app.app_context(), transaction() as session:
        assert session.get(Partner, "kivela") is None


def add(app: Flask, address: str, transport: str = "SFTP") -> Result:
    words = ["partners", "add", "kivela", "--name", "Kivelä Oy"]
    return app.test_cli_runner().invoke(
        args=[*words, "--transport", transport, "--address", address]
    )
