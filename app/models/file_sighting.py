"""How a file on the SFTP server looked when it was last seen."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Str


class FileSighting(Model):
    """A file is taken once two sightings, a quiet time apart, are equal."""

    __tablename__ = "file_sighting"

    name: Mapped[Str] = mapped_column(primary_key=True)
    size_bytes: Mapped[Big]
    mtime: Mapped[Big]
    unchanged_since_at: Mapped[At]
