"""Words in place of identifiers in the texts of pages, and links to the places that a text names."""

import re
from collections.abc import Callable, Iterable, Mapping

from markupsafe import Markup, escape

from pipelines.core.reasons import REASONS
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source

FindWords = Callable[[str], str | None]
ACCESS_WORDS = {
    "open": "no file has been added", "private": "private figures, in no output",
    "not_held": "published, but not loaded here", "not_open": "collected, but not open",
    "not_collected": "not known to be collected",
}  # fmt: skip
"""Why a source has no stored release, by its access."""
_CODE = re.compile(r"(`[^`]+`)")
_IDENTIFIER = re.compile(r"(?<![\w./-])(?:[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[A-Z]\d{8})(?![\w/-]|\.\w)")
"""The name of a source, measure or reason, or the code of a place; not within an address or the name of a file."""
_LONG_NUMBER = re.compile(r"(?<![\w,./:#-])(?:\d{5,}(?:\.\d+)?|\d+\.\d{5,})(?![\w/:-]|[.,]\w)")
"""A number of five or more digits before or after the point, and no part of a code, an address or a day."""
MOST_DECIMALS = 4


def find_words(sources: Mapping[str, Source], measures: Mapping[str, Measure], names: Mapping[str, str]) -> FindWords:
    """Return a function from an identifier to its words: titles in quotation marks, and names of places by code."""

    def find(name: str) -> str | None:
        if declared := sources.get(name) or measures.get(name):
            return f"“{declared.title}”"
        return REASONS[name].title.lower() if name in REASONS else names.get(name)

    return find


def write_words(text: str, find: FindWords) -> str:
    """Replace the identifiers in a text by their words, and format its long numbers, except between backticks.

    Unknown identifiers stay.
    """

    def write_part(part: str) -> str:
        return _LONG_NUMBER.sub(_write_number, _IDENTIFIER.sub(lambda match: find(match[0]) or match[0], part))

    return "".join(part if n % 2 else write_part(part) for n, part in enumerate(_CODE.split(text)))


def _write_number(match: re.Match[str]) -> str:
    """Write a number with separators of thousands, and with at most four decimals."""
    decimals = min(len(match[0].partition(".")[2]), MOST_DECIMALS)
    return f"{float(match[0]):,.{decimals}f}"


def link_names(names: Iterable[str], codes: Mapping[str, str]) -> Markup:
    """Return names of places, separated by semicolons, each with a link to its page where `codes` has its code."""
    linked = (
        Markup('<a href="places/{}.html">{}</a>').format(codes[name], name) if name in codes else escape(name)
        for name in names
    )
    return Markup("; ").join(linked)


def unique_names(codes: Mapping[str, str]) -> dict[str, str]:
    """Return the code of each name that one place alone has, from names by code."""
    names = list(codes.values())
    return {name: code for code, name in codes.items() if names.count(name) == 1}
