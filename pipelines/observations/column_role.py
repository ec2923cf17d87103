"""Role of a column, inferred from the words of its heading and the form of its cells."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_WORD_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_LIMIT_WORDS = r"(?:9\d|9\d 9|c i|ci|cl|conf|confidence|interval|limit|bound|estimate)"
_LOWER_WORDS = r"(?:lower|lwr|low|lo|min|ll|l)"
_UPPER_WORDS = r"(?:upper|uppr|upr|high|hi|max|ul|u)"
_LIMIT_SUFFIX = r"(?:ci|cl|limit|bound)"
_NOT_A_LIMIT = r"(?! (?:tier|layer|super|quartile|quintile|decile|income|school|secondary|class|middle)\b)"
_PERCENT = re.compile(r"[+-]?\d[\d,]*\.?\d*\s*%")
_PERIOD_WORDS = frozenset({"date", "day", "week", "month", "quarter", "year", "period"})
_PERIOD_QUALIFIERS = frozenset(
    {"years", "time", "financial", "fiscal", "calendar", "end", "ending", "start", "beginning", "commencing"}
    | {"from", "to", "of", "the", "reference", "data", "and"}
)
_MIN_CONSTANT_CELLS = 5
"""Cells above which a column with a single text is a constant and not a figure."""


class Role(NamedTuple):
    """Inferred role of a column, with the words or cells that indicate it."""

    name: str
    why: str


_HEADINGS: tuple[tuple[str, str], ...] = (
    (
        "lower limit",
        rf"\b(?:lci|lcl|{_LOWER_WORDS} {_LIMIT_WORDS}|{_LIMIT_WORDS} "
        rf"{_LOWER_WORDS}|{_LOWER_WORDS}{_LIMIT_SUFFIX}|ci{_LOWER_WORDS}|lwr)\b",
    ),
    (
        "upper limit",
        rf"\b(?:uci|ucl|{_UPPER_WORDS} {_LIMIT_WORDS}|{_LIMIT_WORDS} "
        rf"{_UPPER_WORDS}|{_UPPER_WORDS}{_LIMIT_SUFFIX}|ci{_UPPER_WORDS}|uppr|upr)\b",
    ),
    ("lower limit", rf"\blower\b{_NOT_A_LIMIT}"),
    ("upper limit", rf"\bupper\b{_NOT_A_LIMIT}"),
    ("lower limit", r"^(?:low|ll)$|^(?:p )?2 5(?: th| %)?(?: percentile| centile)?$"),
    ("upper limit", r"^(?:high|ul)$|^(?:p )?97 5(?: th| %)?(?: percentile| centile)?$"),
    ("error", "±"),
    (
        "error",
        r"\b(?:s e|se|rse|stderr|std err(?:or)?|standard errors?|sampling errors?|std dev|s d|sd|stdev|"
        r"standard deviations?|cv|c v|coefficients? of variation|margins? of error|moe|variance|deff|"
        r"design effect|confidence|conf int|ci|ci 9\d|9\d ci|p values?)\b",
    ),
    ("rank", r"\b(?:ranks?|ranking|ranked)\b"),
    ("percentage", r"%|\b(?:percents?|percentages?|per cent|pct|pcnt|pc|perc|proportions?|prop|shares?|fraction)\b"),
    ("rank", r"\b(?:deciles?|quintiles?|vigintiles?)\b"),
    ("numerator", r"\b(?:numerators?|numer)\b"),
    ("denominator", r"\b(?:denominators?|denom|denoms|sample sizes?|unweighted(?: base)?|weighted base)\b|\bbase$"),
    ("coordinate", r"\b(?:longitude|latitude|lon|lat|long|lng|easting|northing)s?$"),
    ("code", r"\b(?:codes?|cd|id|ids|objectid|fid|uprn|uuid)$|\b(?:cd|code|id) \d+$"),
    ("label", r"\b(?:age bands?|ageband|age groups?|sex|gender|labels?|names?|nm)$|^ages?$"),
    ("notes", r"\b(?:notes?|footnotes?|flags?|comments?|annotations?|markers?|polarity|status)\b"),
    ("population", r"\b(?:populations?|popn|pop)\b"),
    ("estimate", r"\b(?:values?|observations?|obs|figures?|estimates?|scores?|means?|medians?|averages?|index)\b"),
    ("rate", r"\b(?:rates?|per|ratios?)\b"),
    ("count", r"\b(?:counts?|numbers?|total|totals|n|num|no)\b"),
)
"""Patterns in headings, each with the role that it indicates; the first match applies."""
_ESTIMATES = frozenset({"estimate", "count", "rate", "figure"})
_BLOCKED_BY = {
    "percentage": _ESTIMATES | {"population"},
    "rank": _ESTIMATES,
    "numerator": _ESTIMATES | {"population", "percentage"},
    "denominator": _ESTIMATES | {"population", "percentage"},
    "constant": _ESTIMATES | {"population", "percentage", "rank"},
}
"""Other roles that, if present, exclude a role as a measure."""
UNCERTAINTY_ROLES = frozenset({"lower limit", "upper limit", "error"})
NON_MEASURE_ROLES = UNCERTAINTY_ROLES | {"coordinate", "code", "label", "notes", "period"}
"""Roles that are never a measure by themselves, whatever other columns are present."""
_ROLE_PREFERENCE = {"estimate": 0, "count": 1, "figure": 1, "rate": 2}


def heading_words(heading: str) -> str:
    """Write a heading as lower-case words and numbers with single spaces: `LowerCI95` becomes `lower ci 95`."""
    words = _WORD_BOUNDARY.sub(" ", heading)
    return " ".join(re.findall(r"[a-z]+|\d+|[%±]", words.replace("+/-", "±").casefold()))


def infer_column_role(heading: str, cells: Iterable[str] = ()) -> Role:
    """Infer the role of a column; `figure` where neither its heading nor its cells indicate one."""
    words, texts = heading_words(heading), [text for text in cells if text]
    if _is_period(words, texts):
        return Role("period", "its heading names a period")
    for role, pattern in _HEADINGS:
        if role not in ("estimate", "rate", "count", "population") and (match := re.search(pattern, words)):
            return Role(role, f"its heading says {match[0].strip()!r}")
    if sum(bool(_PERCENT.fullmatch(text)) for text in texts) * 2 > len(texts):
        return Role("percentage", "most of its cells end in %")
    if len(texts) > _MIN_CONSTANT_CELLS and len(set(texts)) == 1:
        return Role("constant", f"every cell is {texts[0]}")
    for role, pattern in _HEADINGS:
        if match := re.search(pattern, words):
            return Role(role, f"its heading says {match[0].strip()!r}")
    return Role("figure", "most of its cells are figures")


def _is_period(words: str, texts: list[str]) -> bool:
    """Return whether a heading names only a period, or names a period and all cells are years."""
    own = set(re.sub(r"\d", "", words).split())
    if own & _PERIOD_WORDS and own <= _PERIOD_WORDS | _PERIOD_QUALIFIERS:
        return True
    years = bool(texts) and all(re.fullmatch(r"(19|20)\d\d", text) for text in texts)
    return years and bool(own & {"year", "date", "period"})


def candidate_measures(roles: dict[str, Role]) -> list[str]:
    """Select possible measures: no limit or error, and no numerator or percentage beside an estimate or count."""
    present = {role.name for role in roles.values()}
    return [
        name
        for name, role in roles.items()
        if role.name not in NON_MEASURE_ROLES and not _BLOCKED_BY.get(role.name, set()) & present
    ]


def likeliest_measure(names: list[str], roles: dict[str, Role]) -> str:
    """Select the most likely measure: an estimate, then a count, then a rate; the first among equals."""
    return min(names, key=lambda name: (_ROLE_PREFERENCE.get(roles[name].name, 3), names.index(name)))


def confidence_limits(name: str, roles: dict[str, Role]) -> tuple[str, str] | None:
    """Return the lower and upper limit of a measure: the only two, or those with the words of its heading."""
    lower, upper = (
        [heading for heading in roles if roles[heading].name == f"{end} limit"] for end in ("lower", "upper")
    )
    if not lower or not upper:
        return None
    if len(lower) == len(upper) == 1 and len(candidate_measures(roles)) == 1:
        return lower[0], upper[0]
    own_words = set(heading_words(name).split())
    ends = [
        [heading for heading in candidates if own_words <= set(heading_words(heading).split())]
        for candidates in (lower, upper)
    ]
    return (ends[0][0], ends[1][0]) if len(ends[0]) == len(ends[1]) == 1 else None


def confidence_level(headings: Iterable[str]) -> int | None:
    """Return the confidence level that all the headings name, such as 95 in `lci_95`."""
    levels_by_heading = [re.findall(r"\b9\d\b", heading_words(text)) for text in headings]
    levels = {int(text) for matches in levels_by_heading for text in matches}
    return levels.pop() if all(levels_by_heading) and len(levels) == 1 else None
