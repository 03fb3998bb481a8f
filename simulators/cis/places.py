"""The municipalities of the made-up world: real names and codes, made-up houses and people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A municipality: where it is, its post offices, its streets, and who lives there.

    offices: postal code, Finnish and Swedish name, as post office names are written, in upper
    case. streets: Finnish and Swedish name. languages: shares of fi, sv and en. flats, leisure:
    shares of homes in blocks of flats and of summer cottages.
    """

    code: str
    lat: float
    lon: float
    offices: tuple[tuple[str, str, str], ...]
    streets: tuple[tuple[str, str], ...]
    languages: tuple[float, float, float]
    flats: float
    leisure: float
    feeder: str


VANTAA = Place(
    "092",
    60.2934,
    25.0378,
    (("01300", "VANTAA", "VANDA"), ("01370", "VANTAA", "VANDA"), ("01600", "VANTAA", "VANDA")),
    (
        ("Koivutie", "Björkvägen"),
        ("Peltolantie", "Åkerbackavägen"),
        ("Lehtikuusentie", "Lärkträdsvägen"),
        ("Käpylänkuja", "Kottbygränden"),
        ("Myyrmäentie", "Myrbackavägen"),
        ("Äyritie", "Örevägen"),
    ),
    (0.90, 0.03, 0.07),
    0.60,
    0.0,
    "VAN",
)
ESPOO = Place(
    "049",
    60.2055,
    24.6559,
    (("02100", "ESPOO", "ESBO"), ("02230", "ESPOO", "ESBO"), ("02770", "ESPOO", "ESBO")),
    (
        ("Merituulentie", "Havsvindsvägen"),
        ("Kaitaantie", "Kaitansvägen"),
        ("Kivenlahdentie", "Stensviksvägen"),
        ("Södrikintie", "Södriksvägen"),
        ("Tähtiniityntie", "Stjärnängsvägen"),
        ("Keijumäki", "Älvbacken"),
    ),
    (0.85, 0.09, 0.06),
    0.55,
    0.0,
    "ESP",
)
INKOO = Place(
    "149",
    60.0457,
    24.0060,
    (("10210", "INKOO", "INGÅ"), ("10160", "DEGERBY", "DEGERBY")),
    (
        ("Bollstantie", "Bollstavägen"),
        ("Ola Westmanin puistotie", "Ola Westmans allé"),
        ("Rantatie", "Strandvägen"),
        ("Kyrkfjärdentie", "Kyrkfjärdsvägen"),
        ("Ängintie", "Ängvägen"),
    ),
    (0.42, 0.55, 0.03),
    0.15,
    0.35,
    "INK",
)
TAMPERE = Place(
    "837",
    61.4978,
    23.7610,
    (
        ("33100", "TAMPERE", "TAMMERFORS"),
        ("33540", "TAMPERE", "TAMMERFORS"),
        ("33720", "TAMPERE", "TAMMERFORS"),
    ),
    (
        ("Hämeenkatu", "Tavastgatan"),
        ("Pyynikintie", "Pynikevägen"),
        ("Väinölänkatu", "Väinölägatan"),
        ("Nekalantie", "Nekalavägen"),
        ("Insinöörinkatu", "Ingenjörsgatan"),
        ("Köysikuja", "Repgränden"),
    ),
    (0.96, 0.01, 0.03),
    0.70,
    0.0,
    "TRE",
)
KUOPIO = Place(
    "297",
    62.8924,
    27.6770,
    (
        ("70100", "KUOPIO", "KUOPIO"),
        ("70780", "KUOPIO", "KUOPIO"),
        ("71570", "SYVÄNNIEMI", "SYVÄNNIEMI"),
    ),
    (
        ("Puijonkatu", "Puijonkatu"),
        ("Särkiniementie", "Särkiniementie"),
        ("Neulamäentie", "Neulamäentie"),
        ("Savilahdentie", "Savilahdentie"),
        ("Mökkirannantie", "Mökkirannantie"),
    ),
    (0.97, 0.0, 0.03),
    0.50,
    0.15,
    "KUO",
)
PIRKKALA = Place(
    "604",
    61.4643,
    23.6447,
    (("33960", "PIRKKALA", "BIRKALA"), ("33980", "PIRKKALA", "BIRKALA")),
    (
        ("Naistenmatkantie", "Naistenmatkantie"),
        ("Pereensaarentie", "Pereensaarentie"),
        ("Jänismäentie", "Jänismäentie"),
        ("Lähteentie", "Lähteentie"),
        ("Kirkkoveräjäntie", "Kirkkoveräjäntie"),
    ),
    (0.96, 0.01, 0.03),
    0.30,
    0.05,
    "PIR",
)
PLACES = (TAMPERE, VANTAA, ESPOO, INKOO, KUOPIO, PIRKKALA)
# How many of a hundred points each place has, in the order of PLACES.
SHARES = (30, 22, 20, 8, 14, 6)
