"""Search of declared measures for a need in plain words, and the state of the figures of each."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from math import log
from typing import Literal, NamedTuple

from pipelines.declarations.catalogue import Catalogue

MatchState = Literal["loaded", "not_loaded", "not_open", "not_collected"]
STATE_WORDS: dict[MatchState, str] = {
    "loaded": "loaded",
    "not_loaded": "published, and not loaded",
    "not_open": "collected, and not open",
    "not_collected": "not known to be collected",
}
"""State of the figures of a measure, in words; measures with figures come first."""
LEAST_SCORE = 0.6
"""Least share of a need, by the weight of its words, that a measure must match."""
MOST_MATCHES = 3
_WORD = re.compile(r"[a-z0-9]+")
_STEM = 5
"""Letters by which words are compared, so that claimants match claiming."""
_STOP_WORDS = frozenset(
    ["a", "an", "and", "any", "are", "as", "at", "be", "been", "being", "by", "can", "do", "does", "each",
     "for", "from", "has", "have", "how", "in", "into", "is", "it", "its", "last", "latest", "least", "many",
     "more", "most", "much", "need", "needs", "no", "not", "number", "numbers", "of", "on", "or", "our", "out",
     "per", "share", "than", "that", "the", "their", "there", "these", "they", "this", "those", "to", "us",
     "was", "we", "were", "what", "when", "where", "which", "who", "whose", "why", "will", "with"]
)  # fmt: skip


class MeasureMatch(NamedTuple):
    """A measure that matches a need: its name, the share of the need's words that it has, and its state."""

    measure: str
    score: float
    state: MatchState


def list_stems(text: str) -> list[str]:
    """Return the stems of the words of a text that carry meaning, each once."""
    words = (word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS)
    return list(dict.fromkeys((word[:-1] if word.endswith("s") else word)[:_STEM] for word in words))


class MeasureIndex(NamedTuple):
    """Stems of each measure, the weight of each stem, and the state of each measure."""

    stems: dict[str, frozenset[str]]
    weights: dict[str, float]
    states: dict[str, MatchState]


def index_measures(catalogue: Catalogue, stored: Collection[str]) -> MeasureIndex:
    """Index the measures of a catalogue; `stored` names the sources with stored figures."""
    stems = {
        name: frozenset(list_stems(f"{name.replace('_', ' ')} {measure.title} {measure.unit} "
                                   f"{catalogue.sources[catalogue.measure_source[name]].title}"))
        for name, measure in catalogue.measures.items()
    }  # fmt: skip
    counts = Counter(stem for own in stems.values() for stem in own)
    weights = {stem: log(1 + len(stems) / count) for stem, count in counts.items()}
    states = {name: _find_state(catalogue, name, stored) for name in stems}
    return MeasureIndex(stems, weights, states)


def _find_state(catalogue: Catalogue, measure: str, stored: Collection[str]) -> MatchState:
    name = catalogue.measure_source[measure]
    access = catalogue.sources[name].access
    if access == "not_collected":
        return "not_collected"
    if access == "not_open":
        return "not_open"
    return "loaded" if name in stored else "not_loaded"


def find_measures(need: str, index: MeasureIndex) -> list[MeasureMatch]:
    """Return the measures that match a need, best first; of equal matches those with figures, then the shorter.

    A need that is the name of a measure matches that measure alone.
    """
    if need.strip() in index.states:
        return [MeasureMatch(need.strip(), 1.0, index.states[need.strip()])]
    wanted, rarest = list_stems(need), max(index.weights.values(), default=1.0)
    whole = sum(index.weights.get(stem, rarest) for stem in wanted)
    order = list(STATE_WORDS)
    scored = [
        MeasureMatch(name, _share(wanted, own, index) / whole, index.states[name])
        for name, own in index.stems.items() if whole
    ]  # fmt: skip
    good = [match for match in scored if match.score >= LEAST_SCORE]
    good.sort(key=lambda match: (-round(match.score, 6), order.index(match.state), len(index.stems[match.measure]),
                                 match.measure))  # fmt: skip
    return good[:MOST_MATCHES]


def _share(wanted: Iterable[str], own: frozenset[str], index: MeasureIndex) -> float:
    return sum(index.weights[stem] for stem in wanted if stem in own)
