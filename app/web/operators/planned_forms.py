"""The forms of planned cuts. Times are those on the clock on the wall in Finland."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    DateField,
    HiddenField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import InputRequired, Length, Optional

from app.domain.point_list import PointList, read_points
from app.domain.wall_clock import instants_of
from app.services.planned_points import Wanted
from app.web.operators.planned_words import cause_choices

_HELSINKI = ZoneInfo("Europe/Helsinki")
_DAYS = ["%Y-%m-%d", "%d.%m.%Y"]
_TIMES = ["%H:%M", "%H.%M", "%H:%M:%S"]
# On the night on which summer time ends an hour comes twice.
_WHICH = [
    SelectChoice("0", _l("The first time, in summer time")),
    SelectChoice("1", _l("The second time, in winter time")),
]


def _day(label: Any) -> DateField:
    return DateField(label, [Optional()], format=_DAYS)


def _time(label: Any) -> TimeField:
    return TimeField(label, [Optional()], format=_TIMES)


def _which(label: Any) -> RadioField:
    return RadioField(label, [Optional()], choices=_WHICH, validate_choice=False)


class PlanForm(FlaskForm):
    """What all of these forms share: the version that the person saw."""

    version = HiddenField()

    def seen(self) -> int | None:
        """The version that the person saw; None refuses nothing, so it is never left out."""
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else -1

    def moment_of(self, name: str) -> datetime | None:
        """The instant that <name>_on, <name>_time and <name>_which mean; None after an error."""
        day, clock = self[f"{name}_on"], self[f"{name}_time"]
        which = self[f"{name}_which"]
        if day.errors or clock.errors:
            return None
        if day.data is None or clock.data is None:
            empty = day if day.data is None else clock
            empty.errors = [
                gettext("Enter the day") if empty is day else gettext("Enter the time of day")
            ]
            return None
        instants = instants_of(day.data, clock.data)
        if not instants:
            clock.errors = [
                gettext("This time does not exist: the clock is put forward in that night")
            ]
            return None
        if len(instants) > 1 and which.data not in ("0", "1"):
            which.errors = [
                gettext("This time comes twice in that night. Choose which one is meant")
            ]
            return None
        return instants[int(which.data)] if len(instants) > 1 else instants[0]

    def show_moment(self, name: str, at: datetime) -> None:
        """Fill the three fields in."""
        local = at.astimezone(_HELSINKI)
        self[f"{name}_on"].data, self[f"{name}_time"].data = local.date(), local.time()
        twice = len(instants_of(local.date(), local.time().replace(fold=0))) > 1
        self[f"{name}_which"].data = str(local.fold) if twice else None

    @property
    def has_errors(self) -> bool:
        return any(field.errors for field in self)


class SpanForm(PlanForm):
    """From when to when."""

    from_on = _day(_l("First day"))
    from_time = _time(_l("The power goes off at"))
    from_which = _which(_l("Which of the two times does it go off?"))
    to_on = _day(_l("Last day"))
    to_time = _time(_l("The power is back at"))
    to_which = _which(_l("Which of the two times is it back?"))


class PointsMixin:
    """Metering points by list, file, feeder and transformer."""

    points = TextAreaField(_l("Metering points"))
    file = FileField(_l("Or a file with metering points"))
    feeder = StringField(_l("All points of a feeder"), [Length(max=80)])
    transformer = StringField(_l("All points of a transformer"), [Length(max=80)])

    def wanted(self) -> Wanted:
        """What the person named, with the lines of the file after those of the field."""
        text = self.points.data or ""
        upload = self.file.data
        if upload:
            content = upload.read()
            text = f"{text}\n{_decoded(content)}" if text.strip() else _decoded(content)
        listed: PointList = read_points(text)
        return Wanted(
            listed,
            (self.feeder.data or "").strip() or None,
            (self.transformer.data or "").strip() or None,
        )


class DraftForm(PointsMixin, SpanForm):
    """A draft; key names the one that a second click of the same form would make again."""

    key = HiddenField()
    name = StringField(
        _l("What staff call it"),
        [InputRequired(_l("Enter a name")), Length(max=120, message=_l("Use 120 letters at most"))],
    )
    cause_code = SelectField(_l("Reason that customers read"), validate_choice=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cause_code.choices = [SelectChoice(*choice) for choice in cause_choices()]


class ReasonForm(PlanForm):
    """A decision with a reason."""

    reason = StringField(
        _l("Reason"),
        [
            InputRequired(_l("Enter a reason")),
            Length(max=300, message=_l("Use 300 letters at most")),
        ],
    )


class ShortNoticeMixin:
    """The confirmation that people may be told late."""

    short_reason = StringField(
        _l("Why people are told so late"),
        [Length(max=300, message=_l("Use 300 letters at most"))],
    )

    def short(self) -> str | None:
        """The reason, None if there is none."""
        return (self.short_reason.data or "").strip() or None


class ApproveForm(ShortNoticeMixin, PlanForm):
    """When it is announced."""

    when = RadioField(
        _l("When are people told?"),
        choices=[SelectChoice("now", _l("At once")), SelectChoice("later", _l("Later, by itself"))],
        default="now",
    )
    announce_on = _day(_l("Day"))
    announce_time = _time(_l("Time of day"))
    announce_which = _which(_l("Which of the two times?"))


class AnnounceForm(ShortNoticeMixin, PlanForm):
    """Announce an approved plan now."""


class RescheduleForm(ShortNoticeMixin, PointsMixin, SpanForm):
    """Another time, more points."""


class AtForm(PlanForm):
    """Something happened at a time."""

    at_on = _day(_l("Day"))
    at_time = _time(_l("Time of day"))
    at_which = _which(_l("Which of the two times?"))


class RestoreForm(PointsMixin, AtForm):
    """Some points have power again."""


class EmptyForm(PlanForm):
    """Only a confirmation."""


def _decoded(content: bytes) -> str:
    """A file's text: UTF-8, or what spreadsheets in Finland write otherwise."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
