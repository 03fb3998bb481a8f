"""Who is at this page: the contact that proved itself, and what it may see.

Views ask `here()`; the decorators have made sure that there is somebody. A third party sees the
points that the customer let it hear of, and itself; the customer sees everything under the number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import abort, current_app, g, redirect, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.models import Contact, Customer
from app.services import customer_sessions
from app.services.contacts import Origin
from app.services.preference_matrix import current_gsrns
from app.services.verification import Address
from app.settings import Settings
from app.web.clock import now

P = ParamSpec("P")
R = TypeVar("R", bound=ResponseReturnValue)

# Where the browser keeps what it needs to come back; the cookie is signed and out of scripts' reach.
IN_BROWSER = "customer"
_CACHED = "customer_visit"


@dataclass(frozen=True, slots=True)
class Visit:
    """A session that is good now; contact is that of the customer whom the pages are about."""

    session_id: int
    address: Address
    contacts: tuple[Contact, ...]
    contact: Contact | None

    @property
    def third_party(self) -> bool:
        """Whether it is somebody who may hear of points and no more: the customer's helper, or a number
        that was enrolled by whoever knew the numbers on a bill."""
        return self.contact is not None and not customer_sessions.is_owners(self.contact)

    @property
    def several(self) -> bool:
        """Whether there is another customer to choose."""
        return len({one.customer_id for one in self.contacts}) > 1


@dataclass(frozen=True, slots=True)
class Here:
    """The person at a page that is about one customer."""

    contact: Contact
    third_party: bool

    @property
    def customer_id(self) -> str:
        """The number under which it all stands."""
        return self.contact.customer_id

    @property
    def actor(self) -> str:
        """As histories and the audit trail name them."""
        return customer_sessions.actor(self.contact)

    def origin(self) -> Origin:
        """What a change made here is marked with."""
        return Origin("PORTAL", self.actor, now())


def visit() -> Visit | None:
    """Who is here, or None; looked up once per request."""
    if _CACHED not in g:
        setattr(g, _CACHED, _find())
    return cast("Visit | None", getattr(g, _CACHED))


def here() -> Here:
    """The person at a page that `customer_required` guards."""
    found = visit()
    if found is None or found.contact is None:
        abort(403)
    return Here(found.contact, found.third_party)


def customer() -> Customer:
    """The customer whom the page is about."""
    return db.session().get_one(Customer, here().customer_id)


def gsrns() -> list[str]:
    """The metering points that this person may see now."""
    person = here()
    found = current_gsrns(db.session(), person.customer_id, helsinki_day(now()))
    only = person.contact.only_gsrns
    return found if only is None else [gsrn for gsrn in found if gsrn in only]


def customer_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let in whoever has a session and a customer; others log in, choose, or say yes first."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        found = visit()
        if found is None:
            return cast("R", redirect(url_for("customers.log_in")))
        if found.contact is None:
            return cast("R", redirect(url_for("customers.choose")))
        if found.third_party and found.contact.state != "VERIFIED":
            return cast("R", redirect(url_for("customers.invitation")))
        return view(*args, **kwargs)

    return guarded


def owner_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let in the customer, no third party."""

    @wraps(view)
    @customer_required
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if here().third_party:
            abort(403)
        return view(*args, **kwargs)

    return guarded


def forget() -> None:
    """Let the rest of this request see what has changed about the session."""
    g.pop(_CACHED, None)


def _find() -> Visit | None:
    token = session.get(IN_BROWSER)
    if not isinstance(token, str):
        return None
    settings: Settings = current_app.extensions["tiedolla_settings"]
    moment = now()
    found = customer_sessions.find_open(db.session(), token, settings, moment)
    if found is None:
        session.pop(IN_BROWSER, None)
        session["customer_ended"] = True
        return None
    with transaction() as db_session:
        customer_sessions.keep_alive(db_session, found.id, moment)
    contacts = _contacts(db.session(), found.contact_ids)
    chosen = next((one for one in contacts if one.customer_id == found.customer_id), None)
    return Visit(found.id, found.address, contacts, chosen) if contacts else None


def _contacts(db_session: Session, ids: tuple[int, ...]) -> tuple[Contact, ...]:
    """The contacts of the session that still are; what was removed meanwhile opens nothing."""
    statement = (
        select(Contact)
        .join(Customer, Customer.cis_id == Contact.customer_id)
        .where(Contact.id.in_(ids), Contact.state != "REMOVED", Customer.active)
        .order_by(Contact.customer_id, Contact.third_party_name.nulls_first(), Contact.id)
        .execution_options(populate_existing=True)
    )
    return tuple(db_session.scalars(statement))
