"""The first sentence of a problem's page: the figure, its place and period, how sure it is, and the gaps."""

from datetime import date
from typing import Any

import polars as pl

from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.core.table_cache import keep_results
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.outputs.answer import DOUBTED, MISSING, OTHER_PERIOD, PROXY, PageAnswer
from pipelines.outputs.answer_ranking import End, Ranking
from pipelines.outputs.report_model import Report

KIND_NOUNS = {
    "lad": ("council", "councils"), "utla": ("council", "councils"), "county": ("county", "counties"),
    "pcon": ("constituency", "constituencies"), "pfa": ("police force area", "police force areas"),
    "region": ("region", "regions"), "nation": ("nation", "nations"),
    "icb": ("integrated care board", "integrated care boards"),
    "trust": ("NHS trust", "NHS trusts"), "health_board": ("health board", "health boards"),
    "fra": ("fire and rescue authority", "fire and rescue authorities"), "ward": ("ward", "wards"),
    "csp": ("community safety partnership", "community safety partnerships"),
}  # fmt: skip
"""Singular and plural of the places of a kind of geography."""
_NOBODY = ("not_collected", "not_open")
_STATE_TEXTS = {
    DOUBTED: "figure in doubt", PROXY: "proxy only", OTHER_PERIOD: "figure of another period",
}  # fmt: skip
MAX_NAMES = 3


def count_places(report: Report, number: int) -> str:
    """Return a number of places in words, by their kind."""
    return f"{number:,} {place_noun(report, number)}"


def place_noun(report: Report, number: int) -> str:
    """Return the noun of the places of a problem, in singular for 1."""
    kind = report.header.geography.rsplit("_", 1)[0]
    return KIND_NOUNS.get(kind, ("place", "places"))[number != 1]


def state_answer(report: Report, answer: PageAnswer | None, rankings: list[Ranking]) -> str:
    """Return the first sentence of the page."""
    if answer is None or not rankings:
        return _state_nothing(report, answer)
    compared = f"{answer.comparable.height:,} of {count_places(report, answer.figures.height)} can be compared"
    subject = report.header.answer.subject if report.header.answer else None
    said = f"{subject} were" if subject else f"{answer.title}:"
    if answer.comparable.height == 1:
        others = count_places(report, answer.figures.height)
        place = answer.comparable["place_name"].item()
        return f"{said} {_state_only_figure(answer)}; {place} is the only one of {others} that can be compared."
    if len(rankings) == 1:
        end = rankings[0].highest if answer.order == "highest" else rankings[0].lowest
        return f"{said} {_state_end(end, answer)} {_time_of(answer, end)}{_state_doubt(end)}; {compared}."
    ends = [(ranking, ranking.highest if answer.order == "highest" else ranking.lowest) for ranking in rankings]
    amid = "" if all(end.is_certain for _, end in ends) else "among the "
    parts = [
        f"{_join_names(end)} ({ranking.group}, {_figure(end.rows[0].text, answer.unit)} {_time_of(answer, end)})"
        for ranking, end in ends
    ]
    return f"{said} {amid}{answer.order} of their own nation in {_join(parts)}; {compared}, each within its nation."


def _state_end(end: End, answer: PageAnswer) -> str:
    amid = "" if end.is_certain else "among the "
    return f"{amid}{end.order} in {_join_names(end)}, {_figure(end.rows[0].text, answer.unit)}"


def _state_only_figure(answer: PageAnswer) -> str:
    """State the only figure that can be compared: it is neither the highest nor the lowest."""
    row = answer.comparable.row(0, named=True)
    time = add_preposition(row["reference_start"], row["reference_end"])
    return f"{_figure(answer.format(row['value']), answer.unit)} in {row['place_name']} {time}"


def _join_names(end: End) -> str:
    names = [row.name for row in end.rows[: end.leaders]] if end.is_equal else [end.rows[0].name]
    if end.is_equal and end.leaders > MAX_NAMES:
        return f"{', '.join(names[: MAX_NAMES - 1])} and {end.leaders - MAX_NAMES + 1:,} others"
    return _join(names)


def _state_doubt(end: End) -> str:
    if end.why:
        return f" (the order is uncertain: {end.why})"
    if end.is_certain:
        return ""
    return f", statistically similar to {end.leaders - 1:,} other{'s' if end.leaders > 2 else ''}"


def _time_of(answer: PageAnswer, end: End) -> str:
    """Return the reference period of the leading figure with its preposition."""
    first = answer.figures.filter(pl.col("place_code") == end.rows[0].code).row(0, named=True)
    return add_preposition(first["reference_start"], first["reference_end"])


def add_preposition(start: date, end: date) -> str:
    """Return a period with its preposition: in a month or year, on a day, from one time to another."""
    text = format_period(start, end)
    return f"{'on' if start == end else 'from' if ' to ' in text else 'in'} {text}"


@keep_results(2)
def period_of_groups(answer: PageAnswer) -> str:
    """Return the reference periods of the figures compared, in words."""
    spans = answer.comparable.select("reference_start", "reference_end").unique()
    spans = spans.sort("reference_end", "reference_start")
    return _join([format_period(*span) for span in spans.iter_rows()])


def _figure(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _state_nothing(report: Report, answer: PageAnswer | None) -> str:
    """State that no publisher gives the figure, or why no figure can be compared."""
    places = count_places(report, report.places.height)
    name = answer.title if answer else report.measures[next(iter(report.measures))].title
    reasons = _count_reasons(answer.figures) if answer else []
    if reasons and reasons[0][0] in _NOBODY:
        end = "No body is known to collect it" if reasons[0][0] == "not_collected" else "It is collected, but not open"
        return f"No publisher gives this figure for these {places}: {_lower(name)}. {end}."
    why = f" ({REASONS[reasons[0][0]].title.lower()})" if reasons else ""
    return f"No figure can be compared in these {places}: {_lower(name)}{why}."


def _lower(title: str) -> str:
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _count_reasons(figures: pl.DataFrame) -> list[tuple[str, int]]:
    missing = figures.filter(pl.col("state") == MISSING).drop_nulls("reason")
    counted = missing["reason"].value_counts().sort("count", "reason", descending=[True, False])
    return [(str(code), int(number)) for code, number in counted.iter_rows()]


def state_uncompared(report: Report, answer: PageAnswer) -> str:
    """Return how many places are not compared, and why, most first; blank where all are."""
    states = answer.figures["state"].value_counts()
    counted = [
        (n, _STATE_TEXTS[state] + (_name_other_periods(answer) if state == OTHER_PERIOD else ""))
        for state, n in states.iter_rows()
        if state in _STATE_TEXTS
    ]
    counted += [(n, REASONS[code].title.lower()) for code, n in _count_reasons(answer.figures)]
    ordered = sorted(counted, reverse=True)
    parts = [
        f"{count_places(report, number) if place == 0 else f'{number:,}'} ({text})"
        for place, (number, text) in enumerate(ordered)
    ]
    return _join(parts) if parts else ""


def _name_other_periods(answer: PageAnswer) -> str:
    """Name a few places with a figure of another period, each with its figure and period; blank for many."""
    others = answer.figures.filter(pl.col("state") == OTHER_PERIOD).sort("place_name")
    if others.height > MAX_NAMES:
        return ""
    named = [
        f"{row['place_name']}, {answer.format(row['value'])} "
        f"{add_preposition(row['reference_start'], row['reference_end'])}"
        for row in others.iter_rows(named=True)
    ]
    return f": {'; '.join(named)}"


def state_unpublished(report: Report) -> str:
    """Return a sentence on the essential needs without any figure, where the page shows another figure instead."""
    known = set(report.cells["measure"].filter(report.cells["value"].is_not_null()).unique())
    essential = [name for name, need in report.header.measure_needs.items() if need.essential]
    if not essential or set(essential) & known:
        return ""
    titles = [_lower(report.measures[name].title) for name in essential]
    return f"No figure of what the question needs is known for any place: {_join(titles)}."


@keep_results(2)
def sentence_values(report: Report, answer: PageAnswer | None, rankings: list[Ranking]) -> dict[str, Any]:
    """Return the texts of the head of a page."""
    unpublished = state_unpublished(report) if rankings else ""
    return {
        "lead": f"{unpublished} {state_answer(report, answer, rankings)}".strip(),
        "uncompared": state_uncompared(report, answer) if answer and rankings else "",
        "is_count": bool(rankings and answer and answer.measure and answer.measure.kind in ADDITIVE_KINDS),
        "nouns": place_noun(report, 2),
    }
