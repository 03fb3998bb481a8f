"""A contractor that works with files in folders of its own server; for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.db import transaction
from app.services import bundle_activation, intake, outbox, setup
from app.services.bundle_content import shipped_content
from app.services.partner_orders import outgoing, partner_item
from app.settings import Settings
from integrations.cis.types import CisWorkOrder
from tests.field_work import add_order, gsrn
from tests.servers import SftpServer

CODE = "rautio"
LANE = f"partner.{CODE}"
HEAD = "KUITTAUS;TILAUS;REVISIO;TAPAHTUMA;AIKA;ILMOITETTU;VIITE;POIKKI;SYY"
FOLDERS = ("orders", "acks", "processing", "archive", "quarantine", "rejects")


def with_server(base: Settings, sshd: SftpServer, code: str = CODE, **more: Any) -> Settings:
    """The settings of a product whose partner of this code has its folders on the test's server."""
    return base.model_copy(
        update={
            "partner_sftp_key_file": str(sshd.private_key_file),
            "partner_host_keys": {code: sshd.host_key},
            "http_connect_s": 2.0,
            "http_total_s": 5.0,
            **more,
        }
    )


def install(session: Any, code: str, address: str, settings: Settings) -> None:
    now = datetime.now(UTC)
    setup.add_partner(
        session,
        code,
        "Rautio",
        transport="SFTP",
        base_url=address,
        order_types=[],
        sees_key_info=False,
        settings=settings,
        now=now,
    )
    for document, direction in (("order", "out"), ("ack", "in")):
        content = shipped_content("regional_contractor", document, direction)
        bundle_activation.install(session, code, content, now)


def an_order() -> None:
    with transaction() as session:
        order = add_order(session, "MVY-1", gsrn=gsrn(3), old_meter_number="5530-3")
        order.partner_code = CODE


def queue_order() -> None:
    now = datetime.now(UTC)
    order = CisWorkOrder(
        order_id="MVY-1",
        revision=1,
        action="NEW",
        order_type_code="MVY",
        gsrn=gsrn(3),
        street_name="Äijänkatu",
    )
    with transaction() as session:
        lists = intake.load_lists(session, "key", now)
        made = outgoing(order, CODE, "NEW", lists)
        outbox.put(session, [partner_item(order, CODE, "NEW", made)], now)


def a_file(*rows: str) -> bytes:
    return ("\ufeff" + "\r\n".join([HEAD, *rows]) + "\r\n").encode()


def put(server: SftpServer, folder: str, name: str, body: bytes) -> None:
    draft: Path = server.root / folder / f"{name}.tmp"
    draft.write_bytes(body)
    draft.rename(server.root / folder / name)
