"""Column types that say what the values mean."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import BigInteger, Date, DateTime, Identity, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import mapped_column

# Aware UTC instant; such columns are named *_at.
At = Annotated[datetime, mapped_column(DateTime(timezone=True))]
# Calendar day in Europe/Helsinki; such columns are named *_on.
On = Annotated[date, mapped_column(Date)]
Str = Annotated[str, mapped_column(Text)]
Big = Annotated[int, mapped_column(BigInteger)]
# Number that the database gives; rows that have a name of their own in the field use that instead.
Id = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
JsonList = Annotated[list[Any], mapped_column(JSONB)]
Bigs = Annotated[list[int], mapped_column(ARRAY(BigInteger))]
Strs = Annotated[list[str], mapped_column(ARRAY(Text))]
Reading = Annotated[Decimal, mapped_column(Numeric(14, 3))]
