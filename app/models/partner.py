"""Partners that do the field work."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Str, Strs

# Systems that send to us with keys like a partner's; orders never go to them.
FEED = "FEED"
# Orders go as files into the partner's folders, and its acknowledgements come from there.
SFTP = "SFTP"


class Partner(Model):
    """A partner and how to reach it; its secrets are settings or derived, never rows."""

    __tablename__ = "partner"

    code: Mapped[Str] = mapped_column(primary_key=True)
    name: Mapped[Str]
    transport: Mapped[Str]
    base_url: Mapped[Str]
    order_types: Mapped[Strs]
    # Keys and door codes go only to partners that have the right to them.
    sees_key_info: Mapped[bool] = mapped_column(default=False)
    # Only those who plan work in the network may ask for planned cuts.
    plans_cuts: Mapped[bool] = mapped_column(default=False, server_default="false")
    # Grows to rotate the derived credentials; the one before stays valid until it is revoked.
    key_generation: Mapped[int] = mapped_column(default=1)
    oldest_key_generation: Mapped[int] = mapped_column(default=1)
    # Since its stock is in our register, so that a meter missing there means something.
    stock_since_at: Mapped[At | None]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[At]
