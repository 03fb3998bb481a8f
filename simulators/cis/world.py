"""The made-up grid: the metering point with a given number is the same in every file of a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from simulators.cis.people import Person, make_person
from simulators.cis.places import PLACES, SHARES, Place
from simulators.gsrn import make_gsrn

SEEDS = 1_000
POINTS_MOST = 9_999_999
# Every so many points, one belongs to the same customer as the point before it.
SHARED_EVERY = 25
ACCESS_NOTES = (
    "Mittarikaappi autotallin takaseinällä",
    "Mätarskåpet finns i garaget",
    "Koira pihalla, soita ennen tuloa",
    "Sähköpääkeskus kellarissa, B-rapun alta",
)
KEY_INFO = ("Avainsäilö pääoven vieressä, koodi 4711", "Avain isännöitsijältä", "Huoltoyhtiö avaa")


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point with its meter, its customer, and the customer who lived there before."""

    number: int
    gsrn: str
    local_code: str
    street: str
    house: str
    staircase: str | None
    apartment: str | None
    postal_code: str
    post_office: str
    municipality: str
    lat: float
    lon: float
    dwelling: str
    transformer: str
    feeder: str
    annual_fee_cents: int
    phases: int
    main_fuse_a: int
    meter_place: str
    access_note: str | None
    key_info: str | None
    meter_number: str
    meter_model: str
    new_model: str
    meter_installed_on: date
    last_reading_kwh: int
    customer: Person
    moved_in_on: date
    former: Person | None


def make_points(seed: int, first: int, count: int) -> Iterator[Point]:
    """The points numbered first, first + 1, … of one world."""
    for number in range(first, first + count):
        yield make_point(seed, number)


def make_point(seed: int, number: int) -> Point:
    """One point; the same for the same seed and number, whatever else is asked for."""
    if not 0 <= seed < SEEDS or not 1 <= number <= POINTS_MOST:
        raise ValueError(f"seed 0 to {SEEDS - 1} and point 1 to {POINTS_MOST} are possible")
    draw = random.Random(seed * 10_000_000 + number)
    place = draw.choices(PLACES, SHARES)[0]
    dwelling = _dwelling(draw, place)
    in_flats = dwelling == "home" and draw.random() < place.flats
    street_fi, street_sv = draw.choice(place.streets)
    postal_code, office_fi, office_sv = draw.choice(place.offices)
    house = f"{draw.randrange(1, 120)}{draw.choice(('', '', '', 'a', 'b'))}"
    customer = _customer_of(draw, seed, number, place, f"{street_fi} {house}")
    in_swedish = customer.language == "sv"
    single_phase = draw.random() < 0.10
    model = "5511" if single_phase else "5530"
    meter_place = "tech room" if in_flats else draw.choice(("indoor", "outdoor", "outdoor"))
    moved_in_on = date(2025, 9, 1) - timedelta(days=draw.randrange(30, 9_000))
    former_number = POINTS_MOST - number
    return Point(
        number=number,
        gsrn=make_gsrn(seed * 10_000_000 + number),
        local_code=f"{place.feeder}-{seed:03d}{number:07d}",
        street=street_sv if in_swedish else street_fi,
        house=house,
        staircase=draw.choice("ABCD") if in_flats else None,
        apartment=str(draw.randrange(1, 80)) if in_flats else None,
        postal_code=postal_code,
        post_office=office_sv if in_swedish else office_fi,
        municipality=place.code,
        lat=round(place.lat + draw.uniform(-0.06, 0.06), 6),
        lon=round(place.lon + draw.uniform(-0.12, 0.12), 6),
        dwelling=dwelling,
        transformer=f"M{place.code}-{draw.randrange(1, 900):04d}",
        feeder=f"{place.feeder}-{draw.randrange(1, 40):02d}",
        annual_fee_cents=draw.randrange(18_000, 62_000),
        phases=1 if single_phase else 3,
        main_fuse_a=25 if single_phase else draw.choice((25, 25, 35, 63)),
        meter_place=meter_place,
        access_note=draw.choice(ACCESS_NOTES) if draw.random() < 0.15 else None,
        key_info=draw.choice(KEY_INFO) if in_flats and draw.random() < 0.4 else None,
        meter_number=f"{model}{seed:03d}{number:07d}",
        meter_model=model,
        new_model="6511" if single_phase else "6534",
        meter_installed_on=date(2009, 3, 1) + timedelta(days=draw.randrange(0, 1_800)),
        last_reading_kwh=draw.randrange(8_000, 240_000),
        customer=customer,
        moved_in_on=moved_in_on,
        former=(
            make_person(draw, seed, former_number, place.languages, f"{street_fi} {house}")
            if number % 12 == 0
            else None
        ),
    )


def _customer_of(
    draw: random.Random, seed: int, number: int, place: Place, premises: str
) -> Person:
    """Some customers have two points: the second one finds its customer at the first."""
    if number % SHARED_EVERY == 0:
        return make_point(seed, number - 1).customer
    return make_person(draw, seed, number, place.languages, premises)


def _dwelling(draw: random.Random, place: Place) -> str:
    chance = draw.random()
    if chance < place.leisure:
        return "leisure"
    return "business" if chance > 0.94 else "home"
