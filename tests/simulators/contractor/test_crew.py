"""The contractor takes the product's order files, and the product reads what it reports."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.services import bundle_bench
from app.services.bundle_content import compile_bundle, file_payload, shipped_content
from app.services.canonical_order import canonical_order
from integrations.cis.types import CisWorkOrder
from integrations.outcomes import AlreadyDone, LaneDown, Outbound
from integrations.partners.files import REJECT_KIND, PartnerFilesClient
from integrations.sftp.inbox import SftpInbox, SftpPlace
from simulators.contractor.rows import OrderUnreadable, read_order
from tests.simulators.running import RunningRehearsal, eventually

ORDERS = compile_bundle(shipped_content("regional_contractor", "order", "out"))
ACKS = compile_bundle(shipped_content("regional_contractor", "ack", "in"))


def test_an_order_is_worked_off_and_every_report_is_one_that_we_can_read(
    rehearsal: RunningRehearsal,
) -> None:
    quick(rehearsal, fail_ratio=0.0)
    send(rehearsal, order_file("MVY-1", 1))
    reports = eventually(lambda: whole(rehearsal, "VALMIS"), "a completion")
    assert [row["type"] for row in reports] == ["VASTAANOTETTU", "ALOITETTU", "VALMIS"]
    read = [trial for path in files(rehearsal) for trial in read_file(path)]
    assert [trial.findings for trial in read] == [()] * 3
    assert [trial.unread for trial in read] == [()] * 3
    done = read[-1].canonical
    assert (done["type"], done["orderId"], done["revision"]) == ("COMPLETED", "MVY-1", 1)
    assert done["newMeter"]["model"] == "6534"
    assert done["oldMeter"]["readings"][0]["value"] > 41755.5
    # Two of them never say the same second, so their order is never a matter of chance.
    times = [trial.canonical["occurredAt"] for trial in read]
    assert sorted(set(times)) == times


def test_a_file_that_comes_again_is_known_and_another_under_its_name_is_told_apart(
    rehearsal: RunningRehearsal,
) -> None:
    quick(rehearsal)
    first = order_file("MVY-2", 1)
    send(rehearsal, first)
    eventually(lambda: entries(rehearsal, "order"), "the order")
    send(rehearsal, first)
    eventually(lambda: entries(rehearsal, "repeat"), "the repetition")
    send(rehearsal, {**first, "text": first["text"].replace("Koivutie", "Kuusitie")})
    eventually(lambda: entries(rehearsal, "changed"), "the other content")
    assert len(entries(rehearsal, "order")) == 1


def test_a_cancelled_order_is_reported_cancelled(rehearsal: RunningRehearsal) -> None:
    rehearsal.configure(
        "contractor",
        accepted_after_s=[0.0, 0.1],
        started_after_s=[60, 60],
        completed_after_s=[60, 60],
    )
    restart(rehearsal)
    send(rehearsal, order_file("MVY-3", 1))
    eventually(lambda: whole(rehearsal, "VASTAANOTETTU"), "the acceptance")
    send(rehearsal, order_file("MVY-3", 2, "CANCEL"))
    reports = eventually(lambda: whole(rehearsal, "PERUTTU"), "the cancellation")
    assert reports[-1]["row"]["REVISIO"] == "2"


def test_after_a_kill_work_goes_on_and_no_step_is_reported_under_two_names(
    rehearsal: RunningRehearsal,
) -> None:
    quick(rehearsal, fail_ratio=0.0)
    for number in range(4):
        send(rehearsal, order_file(f"MVY-{number}", 1))
    assert rehearsal.process is not None
    rehearsal.process.kill()
    rehearsal.process.wait()
    rehearsal.start()
    eventually(
        lambda: len([r for r in entries(rehearsal, "report") if r["type"] == "VALMIS"]) == 4,
        "all completions",
    )
    names = [row["row"]["KUITTAUS"] for row in entries(rehearsal, "report")]
    assert len(names) == len(set(names)) == 12
    # Each is told, also what was written down and not told when the process died.
    eventually(lambda: len(files(rehearsal)) >= 12, "a file for each report")


def test_a_reject_reaches_the_ledger_and_the_cis_cannot_see_the_contractors_folders(
    rehearsal: RunningRehearsal,
) -> None:
    reject = {"name": "a.reject.csv", "text": "LINE;CODE\r\n2;FIELD_INVALID\r\n"}
    send(rehearsal, reject, kind=REJECT_KIND)
    (noted,) = eventually(lambda: entries(rehearsal, "reject"), "the reject")
    assert noted["text"] == reject["text"].replace("\r\n", "\r\n")
    inbox = SftpInbox(place(rehearsal, "tiedolla", inbox="acks"))
    with pytest.raises(LaneDown):
        inbox.list_inbox()
    inbox.close()


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"TILAUS;REVISIO\r\n", b"TILAUS\r\n1\r\n2\r\n"])
def test_a_file_that_is_no_order_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(OrderUnreadable):
        read_order(body)


def order_file(order_id: str, revision: int, action: Any = "NEW") -> dict[str, Any]:
    order = CisWorkOrder(
        order_id=order_id,
        revision=revision,
        action="NEW",
        order_type_code="MVY",
        gsrn="649999000000000013",
        street_name="Koivutie",
        old_meter_number="553012345",
        last_reading=Decimal("41755.5"),
        required_model="6534",
    )
    source = canonical_order(order, action, sees_key_info=False, partner_key="k", mass=None)
    mapped = ORDERS.mapping.run(source)
    assert mapped.findings == ()
    return file_payload(ORDERS, f"{order_id}-{revision}", mapped.value)


def send(rehearsal: RunningRehearsal, payload: dict[str, Any], kind: str = "WORK_ORDER") -> None:
    async def _send() -> None:
        client = PartnerFilesClient(place(rehearsal, "rautio"), "orders", "rejects")
        try:
            await client.send(Outbound(payload["name"], 1, kind, payload, "attempt"))
        except AlreadyDone:
            pass
        finally:
            await client.aclose()

    asyncio.run(_send())


def place(rehearsal: RunningRehearsal, user: str, **folders: str) -> SftpPlace:
    host_key = (rehearsal.folder / "keys" / "sftp_host_ed25519.pub").read_text("utf-8")
    return SftpPlace(
        host="127.0.0.1",
        port=rehearsal.sftp_port,
        user=user,
        key_file=rehearsal.folder / "keys" / "tiedolla_ed25519",
        host_key=" ".join(host_key.split()[:2]),
        **folders,  # type: ignore[arg-type] # Folders are texts.
    )


def quick(rehearsal: RunningRehearsal, fail_ratio: float = 0.0) -> None:
    spans = ("accepted_after_s", "started_after_s", "completed_after_s")
    rehearsal.configure("contractor", **{span: [0.0, 0.1] for span in spans}, fail_ratio=fail_ratio)
    restart(rehearsal)


def restart(rehearsal: RunningRehearsal) -> None:
    assert rehearsal.process is not None
    rehearsal.process.kill()
    rehearsal.process.wait()
    rehearsal.start()


def entries(rehearsal: RunningRehearsal, kind: str) -> list[dict[str, Any]]:
    return rehearsal.ledger("contractor", kind)


def whole(rehearsal: RunningRehearsal, last: str) -> list[dict[str, Any]]:
    """All reports, once the last of them is there and its file lies in its folder."""
    reports = entries(rehearsal, "report")
    done = any(row["type"] == last for row in reports)
    return reports if done and len(files(rehearsal)) == len(reports) else []


def files(rehearsal: RunningRehearsal) -> list[Path]:
    return sorted((rehearsal.folder / "contractor" / "acks").glob("*.csv"))


def read_file(path: Path) -> list[bundle_bench.Trial]:
    return bundle_bench.try_incoming(ACKS, path.read_bytes())
