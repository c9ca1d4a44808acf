# SPDX-License-Identifier: GPL-3.0-or-later
"""What prompts may say: concepts, and the words for each in English, German, French, Spanish, Italian, Portuguese.

A phrase is a set of concepts, and what it says does not hang on the order. A word that stands for none is told back,
never guessed. Plural -s and accents make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

# fmt: off
# concept: words between bars; the concept's own name is one of them.
_ROLES = {
    "drums": "drum kit|drum set|schlagzeug|batterie|bateria|batteria",
    "percussion": "hand drums|perkussion|percusion|percussioni|percussao",
    "bass": "bass|basse|bajo|basso|baixo",
    "piano": "keys|keyboard|klavier|tasten|teclado|tastiera|clavier",
    "guitar": "gitarre|guitare|guitarra|chitarra",
    "strings": "string section|streicher|cordes|cuerdas|archi|cordas|violins",
    "brass": "horns|blechblaser|cuivres|metales|ottoni|metais",
    "reed": "woodwind|woodwinds|holzblaser|rohrblatt",
    "pipe": "wind pipe",
    "organ": "orgel|orgue|organo|orgao",
    "synth": "synthesizer|synthesiser|synthetiseur|sintetizador|sintetizzatore",
    "mallets": "tuned percussion|chromatic percussion|stabspiele|claviers a lames",
    "ethnic": "world instrument|folk instrument",
}
_SOUNDS = {
    "upright bass": "double bass|acoustic bass|contrabass|kontrabass|contrebasse|contrabajo|contrabbasso|contrabaixo",
    "electric bass": "finger bass|fingered bass|e bass|bass guitar|basse electrique|bajo electrico|basso elettrico|baixo eletrico",
    "picked bass": "pick bass|plektrumbass",
    "fretless bass": "fretless|basse fretless|bajo sin trastes|basso fretless",
    "slap bass": "slapped bass|slap|slap bass guitar",
    "synth bass": "synthesizer bass|bass synth|synthbass",
    "grand piano": "acoustic piano|flugel|piano a queue|piano de cola|pianoforte|piano acustico",
    "electric piano": "rhodes|wurlitzer|e piano|piano electrique|piano electrico|piano elettrico",
    "honky tonk piano": "honky tonk|saloon piano",
    "harpsichord": "cembalo|clavecin|clavecin|clavicembalo|clave|cravo",
    "clavinet": "clav",
    "vibraphone": "vibes|vibraphon|vibrafono",
    "marimba": "xylophone|xylophon|xilofono",
    "bells": "music box|glockenspiel|celesta|tubular bells|glocken|campanas|campane",
    "hammond": "drawbar organ|rock organ|hammond organ|hammondorgel",
    "accordion": "akkordeon|accordeon|acordeon|fisarmonica|bandoneon|acordeao",
    "harmonica": "mouth harp|mundharmonika|armonica|gaita de boca",
    "nylon guitar": "classical guitar|spanish guitar|konzertgitarre|guitare classique|guitarra clasica|chitarra classica",
    "steel guitar": "acoustic guitar|western guitar|westerngitarre|akustische gitarre|guitare acoustique|guitarra acustica|chitarra acustica",
    "jazz guitar": "archtop|jazzgitarre",
    "clean guitar": "clean electric guitar|electric guitar|e gitarre|guitare electrique|guitarra electrica|chitarra elettrica",
    "muted guitar": "palm muted guitar|muted electric guitar",
    "overdriven guitar": "overdrive|crunch guitar|crunch",
    "distorted guitar": "distortion|distortion guitar|fuzz guitar|fuzz|heavy guitar",
    "synth strings": "string machine|string synth",
    "choir": "voices|chor|choeur|coro|aahs",
    "trumpet": "trompete|trompette|trompeta|tromba|trompete",
    "trombone": "posaune",
    "horn section": "brass section|blasersatz",
    "synth brass": "brass synth",
    "saxophone": "sax|saxophon|saxofon|saxofono|sassofono|tenor sax|alto sax",
    "clarinet": "klarinette|clarinette|clarinete|clarinetto",
    "flute": "flote|querflote|flauta|flauto|recorder|blockflote|pan flute",
    "violin": "fiddle|geige|violine|violon|violino",
    "synth lead": "lead synth|lead",
    "synth pad": "pad|pads|flache|nappe",
    "banjo": "bluegrass banjo",
    "standard kit": "acoustic drums|standard drums",
    "room kit": "room drums",
    "power kit": "rock drums|big drums|power drums",
    "electronic kit": "electronic drums|drum machine|808|tr 808|elektronisches schlagzeug|boite a rythmes|caja de ritmos",
    "jazz kit": "jazz drums",
    "brushes": "brush kit|brushed drums|besen|balais|escobillas|spazzole|vassourinhas",
}
_STYLES = {
    "afrobeat": "", "ambient": "", "ballad": "ballade|balada|ballata", "bluegrass": "", "bossa": "bossa nova",
    "country": "", "disco": "", "drum and bass": "dnb|jungle|drum n bass", "folk": "", "funk": "funky", "gospel": "",
    "hip-hop": "hip hop|rap|boom bap", "house": "deep house", "indie": "indie rock", "jazz ballad": "slow jazz",
    "jazz waltz": "", "latin": "salsa|son|mambo", "metal": "heavy metal", "motown": "", "polka": "", "pop": "",
    "punk": "punk rock", "reggae": "dub", "rock": "rock n roll", "samba": "", "shuffle": "blues|blues shuffle",
    "singer": "singer songwriter|songwriter", "six-eight": "six eight|6 8", "ska": "", "soul": "rnb|r b",
    "swing": "jazz|big band|swinging", "synth-pop": "synthpop|new wave|eighties", "tango": "", "techno": "",
    "trap": "", "twelve-eight": "twelve eight|12 8", "waltz": "walzer|valse|vals|valzer|valsa|three four|3 4",
    "five-four": "five four|5 4", "seven-four": "seven four|7 4",
}
_MANNERS = {
    "sparse": "few notes|sparsam|clairseme|escaso|rado|esparso|laid back",
    "busy": "dense|many notes|dicht|charge|denso|virtuosic",
    "dark": "mellow|warm|dunkel|sombre|oscuro|scuro|escuro|muffled",
    "bright": "brilliant|hell|brillant|brillante|brilhante|crisp",
    "slow": "langsam|lent|lento",
    "fast": "quick|schnell|rapide|rapido|veloce|uptempo",
    "major": "dur|majeur|mayor|maggiore|maior|happy",
    "minor": "moll|mineur|menor|minore|sad",
}
# fmt: on
GROUPS: Mapping[str, Mapping[str, str]] = {
    "role": _ROLES,
    "sound": _SOUNDS,
    "style": _STYLES,
    "manner": _MANNERS,
}
CONCEPTS: tuple[str, ...] = tuple(concept for group in GROUPS.values() for concept in group)
"""In a fixed order: weights are stored with their concepts' names, and read by them."""
# Joining words, which say nothing of the sound.
_FILLERS = (
    " a an the and with in of on for some very und mit ein eine im et avec un une en de du des la le les y con el los e da "
    "do di il lo uno gli com um uma style stil music musik musique musica playing "
)
MOST_WORDS = 64


def plain(text: str) -> str:
    """Lower case without accents, punctuation as spaces."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]+|_", " ", bare).split())


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for group in GROUPS.values():
        for concept, words in group.items():
            for word in (concept, *words.split("|")):
                if word:
                    table.setdefault(plain(word), concept)
    return table


WORDS: Mapping[str, str] = _table()
_LONGEST = max(len(words.split()) for words in WORDS)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a text says: concepts in the order they come, each once, and the words that nobody here knows."""

    concepts: tuple[str, ...]
    unknown: tuple[str, ...]


def _lookup(words: list[str]) -> str | None:
    text = " ".join(words)
    singular = " ".join(word.removesuffix("s") for word in words)
    return WORDS.get(text) or WORDS.get(singular) or WORDS.get(text + "s")


def read(text: str) -> Reading:
    """Longest known phrases first, from the left; at most MOST_WORDS words are read, the rest is unknown."""
    words = plain(text).split()
    concepts, unknown, at = [], list(words[MOST_WORDS:]), 0
    words = words[:MOST_WORDS]
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            found = _lookup(words[at : at + length])
            if found:
                concepts.append(found)
                at += length
                break
        else:
            if f" {words[at]} " not in _FILLERS:
                unknown.append(words[at])
            at += 1
    return Reading(concepts=tuple(dict.fromkeys(concepts)), unknown=tuple(dict.fromkeys(unknown)))
