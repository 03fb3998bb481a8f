"""The simulated systems of one folder, opened together: each with its ledger and its faults."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from simulators.cis.completion_list import CompletionLists
from simulators.cis.file_record import FileRecord
from simulators.cis.file_server import make_folders
from simulators.contractor.crew import ContractorCrew
from simulators.control import SYSTEMS, Control, make_fault_middleware
from simulators.courier import Courier
from simulators.dms.control_room import ControlRoom
from simulators.downstream import RESOURCES, DownstreamSystem
from simulators.faults import FaultBox
from simulators.head_end.meters import HeadEnd
from simulators.installer.orders import InstallerSystem
from simulators.mail.api import MailProvider
from simulators.settings import Config
from simulators.sms.api import SmsProvider
from simulators.watch.page import WatchPage

# The e-mail provider takes 30 MB; the others set themselves no limit below it.
BODY_MOST_BYTES = 31 << 20


class Systems:
    """Everything that outlives a request; opening it replays the ledgers."""

    def __init__(self, folder: Path, config: Config) -> None:
        ledgers, tiedolla = folder / "ledger", config.tiedolla_base_url
        make_folders(config.sftp.root_dir)
        self.faults = {system: FaultBox() for system in SYSTEMS}
        self.courier = Courier()
        self.files = FileRecord(ledgers, config.sftp.root_dir.resolve())
        self.installer = InstallerSystem(
            ledgers,
            config.installer,
            ack_url=f"{tiedolla}/api/v1/acks",
            seed=config.seed,
            faults=self.faults["installer"],
            courier=self.courier,
        )
        self.contractor = ContractorCrew(
            ledgers, config.contractor, config.seed, self.faults["contractor"]
        )
        self.contractor.make_folders()
        self.downstream = [
            DownstreamSystem(
                one, ledgers, config.bearer_tokens[one.system], self.faults[one.system]
            )
            for one in RESOURCES
        ]
        self.sms = [
            SmsProvider(
                ledgers,
                account,
                self.faults[name],
                self.courier,
                inbound_url=f"{tiedolla}/callbacks/twilio/inbound",
                name=name,
            )
            for name, account in (("twilio", config.twilio), ("twilio2", config.twilio2))
        ]
        self.mail = MailProvider(
            ledgers,
            config.sendgrid,
            webhook_url=f"{tiedolla}/callbacks/sendgrid/events",
            faults=self.faults["sendgrid"],
            courier=self.courier,
        )
        self.control_room = ControlRoom(
            ledgers,
            config.dms_feed,
            url=f"{tiedolla}/api/v1/dms/outages",
            faults=self.faults["dms_feed"],
            courier=self.courier,
        )
        self.head_end = HeadEnd(
            ledgers,
            config.head_end,
            url=f"{tiedolla}/api/v1/head-end/events",
            faults=self.faults["head_end"],
            courier=self.courier,
        )
        ledgers_of_all = [
            *(self.control_room.ledger, self.head_end.ledger),
            *(self.files.ledger, self.installer.ledger, self.mail.ledger),
            self.contractor.ledger,
            *(one.ledger for one in self.sms),
            *(one.ledger for one in self.downstream),
        ]
        self.ledgers = {ledger.system: ledger for ledger in ledgers_of_all}

    def make_app(self) -> web.Application:
        """The HTTP side."""
        app = web.Application(
            client_max_size=BODY_MOST_BYTES, middlewares=[make_fault_middleware(self.faults)]
        )
        app.add_routes(Control(self.ledgers, self.faults).routes())
        app.add_routes(WatchPage(self.sms, self.mail).routes())
        app.add_routes(CompletionLists(self.files, self.faults["cis"]).routes())
        app.add_routes([*self.installer.routes(), *self.mail.routes()])
        for sms in self.sms:
            app.add_routes(sms.routes())
        for one in self.downstream:
            app.add_routes(one.routes())
        app.add_routes([*self.control_room.routes(), *self.head_end.routes()])
        return app

    async def start(self) -> None:
        """Take up what the last run left open."""
        await self.files.catch_up()
        await self.contractor.catch_up()
        self.contractor.start()
        for one in self._telling():
            one.start()

    async def close(self) -> None:
        """Stop telling, then write what is queued."""
        await self.contractor.stop()
        for one in self._telling():
            await one.stop()
        await self.courier.close()
        for ledger in self.ledgers.values():
            await ledger.close()

    def _telling(
        self,
    ) -> tuple[InstallerSystem | SmsProvider | MailProvider | ControlRoom | HeadEnd, ...]:
        """Those that tell Tiedolla by themselves what happens."""
        return (self.installer, *self.sms, self.mail, self.control_room, self.head_end)
