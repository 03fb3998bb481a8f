"""The forms of lanes: their bounds, and which items to send again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    DateField,
    Field,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
)
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    ValidationError,
)

from app.domain.opening_hours import HoursUnreadable, parse_hours, write_hours
from app.domain.wall_clock import instants_of
from app.services.lane_bounds import CAP_MOST, IN_FLIGHT_MOST, RATE_MOST, BoundValues
from app.services.replay_choice import Choice, Wanted, read_keys
from app.web.wording import error_text

_DAYS = ["%Y-%m-%d", "%d.%m.%Y"]
_NUMBER = _l("Use a number from 1 on, or leave it empty")


class BoundsForm(FlaskForm):
    """How much, how fast and when."""

    rate_per_s = IntegerField(
        _l("Items a second at most"), [Optional(), NumberRange(1, RATE_MOST, _NUMBER)]
    )
    in_flight_count = IntegerField(
        _l("Calls at the same time"),
        [
            InputRequired(_l("Use a number from 1 to 2000")),
            NumberRange(1, IN_FLIGHT_MOST, _l("Use a number from 1 to 2000")),
        ],
    )
    day_cap = IntegerField(
        _l("Items a day at most"), [Optional(), NumberRange(1, CAP_MOST, _NUMBER)]
    )
    hours = StringField(_l("Opening hours"), [Length(max=300)])
    reason = StringField(_l("Reason"), [InputRequired(_l("Enter a reason")), Length(max=200)])

    def validate_hours(self, field: Field) -> None:
        """Say which part cannot be understood."""
        try:
            field.data = write_hours(parse_hours(field.data or ""))
        except HoursUnreadable as error:
            raise ValidationError(
                gettext("This cannot be understood: %(part)s", part=str(error)[:60])
            ) from None

    def values(self) -> BoundValues:
        """The bounds that the person wrote."""
        return BoundValues(
            self.rate_per_s.data,
            self.in_flight_count.data or 1,
            self.day_cap.data,
            self.hours.data or None,
        )


class ReplayForm(FlaskForm):
    """Which items to send again; everything that is given has to hold."""

    wanted = RadioField(
        _l("Which"),
        default=Wanted.DEAD,
        choices=[
            SelectChoice(Wanted.DEAD, _l("What was given up")),
            SelectChoice(Wanted.SENT, _l("What has arrived: the receiver has lost it")),
        ],
    )
    error = SelectField(_l("Kind of error"), default="")
    key = StringField(_l("Order"), [Length(max=80)])
    mass = StringField(_l("Mass order"), [Length(max=80)])
    message = StringField(
        _l("Number of a received file"),
        [Optional(), Regexp(r"^[0-9]{1,18}$", message=_l("Use the number of a received file"))],
    )
    from_on = DateField(_l("From the day"), [Optional()], format=_DAYS)
    to_on = DateField(_l("To the day"), [Optional()], format=_DAYS)
    file = FileField(_l("Or a file with order numbers"))

    def offer(self, errors: Sequence[str]) -> None:
        """Say for which errors the lane has given something up."""
        choices = [SelectChoice(name, f"{error_text(name)} ({name})") for name in errors]
        self.error.choices = [SelectChoice("", gettext("All")), *choices]

    def choice(self) -> tuple[Choice, list[str] | None]:
        """What was asked for, and the orders that the file names if there is one."""
        keys, name = None, None
        upload: Any = self.file.data
        if upload:
            keys = read_keys(_decoded(upload.read()))
            name = (upload.filename or "")[-80:]
        return (
            Choice(
                wanted=Wanted(self.wanted.data),
                error_class=_text(self.error),
                key=_text(self.key),
                mass_id=_text(self.mass),
                message_id=int(self.message.data) if self.message.data else None,
                since=_begin(self.from_on.data),
                until=_begin(self.to_on.data + timedelta(days=1)) if self.to_on.data else None,
                file_name=name,
                key_count=None if keys is None else len(keys),
            ),
            keys,
        )


def _text(field: Field) -> str | None:
    return " ".join((field.data or "").split()) or None


def _begin(day: date | None) -> datetime | None:
    return None if day is None else instants_of(day, time(0))[0].astimezone(UTC)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
