"""Which language a message is in, so that a screen reader reads it with the right voice."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words of service messages that stand in one of the three languages only.
WORDS = {
    "fi": _words(
        "sähkömittarisi sähkömittari mittarinvaihto mittarinvaihtoa valmis alkoi sähköt on ja ei "
        "klo noin ilmoitamme kun työ soita tarkista katko sähkökatko muistutus vaihdetaan "
        "palautettu suunniteltu tilaus vahvistuskoodi hei terveisin käyttöpaikka asiakas"
    ),
    "sv": _words(
        "din elmätare mätarbytet mätarbyte klart började strömmen är och inte kl ca vi meddelar "
        "när arbetet ring kontrollera elavbrott påminnelse byts tillbaka planerat beställning "
        "verifieringskod hej hälsningar förbrukningsplats kund saknar"
    ),
    "en": _words(
        "your electricity meter replacement done started power is and not at about we will "
        "message when call check cut reminder replaced restored planned order verification hello "
        "regards customer the you it"
    ),
}
HTML_LANG = re.compile(r"<html[^>]*\blang=[\"']?(fi|sv|en)\b", re.IGNORECASE)


def guess_language(text: str, html: str = "") -> str:
    """fi, sv or en: what the HTML says, else the language that most of the words belong to."""
    said = HTML_LANG.search(html)
    if said:
        return said.group(1).lower()
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    return max(WORDS, key=lambda language: len(words & WORDS[language]))
