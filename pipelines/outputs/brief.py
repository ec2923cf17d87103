"""Briefs of one printed page: lines that a reader would not otherwise know, each with the rule that ranked it."""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

MAX_WORDS = 350
"""Most words of a brief, with its headings and rules."""
HEADING_WORDS = 30
"""Words left for the title and headings of a brief."""


class BriefLine(NamedTuple):
    """A line of a brief, and the rule that ranked it. Rules are printed once, under a letter, at the end."""

    text: str
    rule: str


class BriefSection(NamedTuple):
    """A section of a brief: its heading, and its lines in order of rank."""

    heading: str
    lines: tuple[BriefLine, ...]


class Brief(NamedTuple):
    """A brief: its sections, and the letter of each rule in use."""

    sections: tuple[BriefSection, ...]
    rules: dict[str, str]

    @property
    def words(self) -> int:
        """Number of words of the lines and of the rules."""
        texts = [line.text for section in self.sections for line in section.lines]
        return sum(map(count_words, [*texts, *self.rules]))


NO_BRIEF = Brief((), {})


def count_words(text: str) -> int:
    """Return the number of words of a text."""
    return len(text.split())


def fit_brief(sections: Sequence[BriefSection], most: int = MAX_WORDS - HEADING_WORDS) -> Brief:
    """Choose the lines that fit: the first of each section, then the second of each. Empty sections are left out."""
    chosen: dict[str, list[BriefLine]] = {section.heading: [] for section in sections}
    rules: dict[str, None] = {}
    left = most
    for heading, line in _take_turns(sections):
        cost = count_words(line.text) + 1 + (0 if line.rule in rules else count_words(line.rule) + 1)
        if cost <= left:
            left -= cost
            rules[line.rule] = None
            chosen[heading].append(line)
    kept = tuple(BriefSection(heading, tuple(lines)) for heading, lines in chosen.items() if lines)
    used = dict.fromkeys(line.rule for section in kept for line in section.lines)
    return Brief(kept, {rule: chr(ord("a") + number) for number, rule in enumerate(used)})


def _take_turns(sections: Sequence[BriefSection]) -> Iterable[tuple[str, BriefLine]]:
    """Yield the first line of each section, then the second of each."""
    columns = ([(section.heading, line) for line in section.lines] for section in sections)
    return (item for item in chain.from_iterable(zip_longest(*columns)) if item is not None)


def interleave(*kinds: Sequence[BriefLine]) -> tuple[BriefLine, ...]:
    """Return the first line of each kind, then the second of each."""
    return tuple(line for line in chain.from_iterable(zip_longest(*kinds)) if line is not None)


def lower_first(text: str) -> str:
    """Return a text that goes on in a sentence: its first letter is small, unless it begins an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def upper_first(text: str) -> str:
    """Return a text that begins a sentence."""
    return text[:1].upper() + text[1:]
