"""Registers the flask commands of the product."""

from __future__ import annotations

from flask import Flask

from app.cli.bundles import bundle_commands
from app.cli.contacts import contacts_commands
from app.cli.customers import customers_commands
from app.cli.doctor import doctor_command
from app.cli.environment import environment_commands
from app.cli.inbound import inbound_commands
from app.cli.lanes import lanes_commands
from app.cli.notices import notices_commands
from app.cli.orders import orders_commands
from app.cli.partners import partner_commands
from app.cli.planned_cuts import planned_cuts_commands
from app.cli.processes import processes_commands
from app.cli.reconcile import reconcile_commands
from app.cli.retention import retention_commands
from app.cli.rollout import rollout_commands
from app.cli.routing import routing_commands
from app.cli.sending import sending_commands
from app.cli.setup import setup_command
from app.cli.staff import staff_commands
from app.cli.storms import storms_commands
from app.cli.zones import zones_commands


def register(app: Flask) -> None:
    """Add every command to the application."""
    for command in (
        bundle_commands,
        contacts_commands,
        customers_commands,
        doctor_command,
        environment_commands,
        inbound_commands,
        lanes_commands,
        notices_commands,
        orders_commands,
        partner_commands,
        planned_cuts_commands,
        rollout_commands,
        processes_commands,
        routing_commands,
        reconcile_commands,
        retention_commands,
        sending_commands,
        setup_command,
        staff_commands,
        storms_commands,
        zones_commands,
    ):
        app.cli.add_command(command)
