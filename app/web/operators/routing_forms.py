"""The form of one routing rule, and what it says as the values of a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    DateField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.domain.clock import helsinki_day
from app.domain.municipalities import MUNICIPALITIES
from app.domain.routing import RouteRule
from app.domain.wall_clock import instants_of
from app.services.rule_sets import RuleValues

_DAYS = ["%Y-%m-%d", "%d.%m.%Y"]
_MASS = {"": None, "mass": True, "single": False}
_BY_NAME: Mapping[str, str] = {
    name.casefold(): code
    for code, names in MUNICIPALITIES.items()
    for name in (names.fi, names.sv, names.en)
}


class RuleForm(FlaskForm):
    """One rule; whatever is left empty matches everything."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Enter a name")), Length(max=80, message=_l("Use 80 letters at most"))],
    )
    priority = IntegerField(
        _l("Priority"),
        [
            InputRequired(_l("Use a number from 1 to 9999")),
            NumberRange(1, 9999, _l("Use a number from 1 to 9999")),
        ],
    )
    partner = SelectField(_l("Contractor"))
    types = SelectMultipleField(_l("Order types"))
    areas = TextAreaField(_l("Municipalities"))
    models = SelectMultipleField(_l("Meter models"))
    mass = RadioField(
        _l("Which orders"),
        default="",
        choices=[
            SelectChoice("", _l("All")),
            SelectChoice("mass", _l("Orders of mass orders only")),
            SelectChoice("single", _l("Single orders only")),
        ],
    )
    from_on = DateField(_l("First day"), [InputRequired(_l("Enter a day"))], format=_DAYS)
    to_on = DateField(_l("Last day"), [Optional()], format=_DAYS)

    def offer(
        self,
        partners: Mapping[str, str],
        types: Mapping[str, str],
        models: Sequence[str],
    ) -> None:
        """Say what there is to choose from."""
        self.partner.choices = [SelectChoice(code, name) for code, name in partners.items()]
        self.types.choices = [SelectChoice(code, f"{code} {name}") for code, name in types.items()]
        self.models.choices = [SelectChoice(model, model) for model in models]

    def show(self, rule: RouteRule) -> None:
        """Fill in a rule as it is."""
        self.name.data, self.priority.data = rule.name, rule.priority
        self.partner.data = rule.partner_code
        self.types.data, self.models.data = sorted(rule.order_type_codes), sorted(rule.models)
        self.areas.data = "\n".join(
            f"{code} {MUNICIPALITIES[code].fi}" if code in MUNICIPALITIES else code
            for code in sorted(rule.municipality_codes)
        )
        self.mass.data = next(word for word, value in _MASS.items() if value == rule.mass)
        self.from_on.data = helsinki_day(rule.active_from)
        self.to_on.data = last_day(rule.active_to)

    def values(self, before: RouteRule | None) -> RuleValues | None:
        """The rule that the person wrote; None after an error, which stands at its field."""
        areas, unknown = read_areas(self.areas.data or "")
        if unknown:
            self.areas.errors = [
                gettext("There is no such municipality: %(names)s", names=", ".join(unknown[:5]))
            ]
            return None
        first, last = self.from_on.data, self.to_on.data
        if first is None:
            return None
        if last is not None and last < first:
            self.to_on.errors = [gettext("The last day is before the first one")]
            return None
        return RuleValues(
            name=" ".join((self.name.data or "").split()),
            priority=self.priority.data or 0,
            partner_code=self.partner.data or "",
            active_from=_kept(first, before.active_from if before else None),
            active_to=None if last is None else _ended(last, before.active_to if before else None),
            order_type_codes=self.types.data or (),
            municipality_codes=areas,
            models=self.models.data or (),
            mass=_MASS[self.mass.data or ""],
        )


def read_areas(text: str) -> tuple[list[str], list[str]]:
    """Codes of municipalities that a person listed by code or name, and what nobody knows."""
    codes, unknown = [], []
    for piece in text.replace(",", "\n").replace(";", "\n").splitlines():
        words = " ".join(piece.split())
        if not words:
            continue
        first = words.split(" ", 1)[0]
        code = first if len(first) == 3 and first.isdecimal() else _BY_NAME.get(words.casefold())
        if code is None or (code not in MUNICIPALITIES and words != code):
            unknown.append(words[:40])
        else:
            codes.append(code)
    return codes, unknown


def last_day(active_to: datetime | None) -> date | None:
    """The last day on which a rule counts; active_to is the first instant at which it does not."""
    return None if active_to is None else helsinki_day(active_to - timedelta(seconds=1))


def _kept(first: date, before: datetime | None) -> datetime:
    """The beginning of a day, or the instant that it was, so that only what is changed changes."""
    if before is not None and helsinki_day(before) == first:
        return before
    return instants_of(first, time(0))[0]


def _ended(last: date, before: datetime | None) -> datetime:
    if before is not None and last_day(before) == last:
        return before
    return instants_of(last + timedelta(days=1), time(0))[0]
