"""Map of the values of an answer: classes of equal numbers of places, with what has no comparable figure apart."""

from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.outputs.answer import COMPARABLE, MISSING, PageAnswer
from pipelines.outputs.answer_ranking import Ranking, label_groups
from pipelines.outputs.answer_sentence import period_of_groups

CLASSES = 5
_NAMES = {
    2: ("lower half", "higher half"), 3: ("lowest third", "middle third", "highest third"),
    4: ("lowest quarter", "second quarter", "third quarter", "highest quarter"),
    5: ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth"),
}  # fmt: skip
_STATE_TITLES = {
    "doubted": "figure in doubt, not compared", "proxy": "proxy only, not compared",
    "other_period": "figure of another period, not compared", "missing": "no figure",
}  # fmt: skip


class ClassRange(NamedTuple):
    """The lowest and the highest figure of a class, and its number of places."""

    low: float
    high: float
    places: int


class MapShape(NamedTuple):
    """Class of a place on the map, its figure as a text for `data-value`, and its tooltip."""

    style: str
    value: str
    title: str


class ValueMap(NamedTuple):
    """Shapes by code, rows of the legend (style, text, places), and a summary for screen readers."""

    shapes: dict[str, MapShape]
    legend: list[dict[str, Any]]
    summary: str


def cut_classes(values: list[float], most: int = CLASSES, say: Callable[[float], str] = repr) -> list[ClassRange]:
    """Cut figures into classes with about equal numbers of places, lowest first.

    Figures that `say` formats as the same text share a class.
    """
    ordered = sorted(values)
    alike = {text: list(group) for text, group in groupby(ordered, key=say)}
    if len(alike) <= most:
        return [ClassRange(group[0], group[-1], len(group)) for group in alike.values()]
    uppers = sorted({alike[say(ordered[-(-len(ordered) * n // most) - 1])][-1] for n in range(1, most + 1)})
    parts = [
        [v for v in ordered if low < v <= high] for low, high in zip([float("-inf"), *uppers], uppers, strict=False)
    ]
    return [ClassRange(part[0], part[-1], len(part)) for part in parts]


def classify(value: float, ranges: list[ClassRange]) -> int:
    """Return the number of the class of a figure, from 0."""
    return next(number for number, cut in enumerate(ranges) if cut.low <= value <= cut.high)


def style_of(number: int, classes: int) -> str:
    """Return the style of a class. Few classes are spread over the whole palette."""
    return f"c{1 + round(number * (CLASSES - 1) / max(classes - 1, 1))}" if classes > 1 else "c3"


def build_value_map(answer: PageAnswer, rankings: list[Ranking]) -> ValueMap:
    """Return the map of the figures of an answer. Groups that are not compared have their own classes."""
    groups = answer.comparable.partition_by("group", maintain_order=True)
    labels = label_groups(answer)
    classes = {group["group"][0]: cut_classes(group["value"].to_list(), CLASSES, answer.format) for group in groups}
    shapes = {row["place_code"]: _shape(row, answer, classes) for row in answer.figures.iter_rows(named=True)}
    legend = _class_rows(answer, classes, labels) + _state_rows(answer)
    return ValueMap(shapes, legend, _summarise(answer, rankings, legend))


def _shape(row: dict[str, Any], answer: PageAnswer, classes: dict[str, list[ClassRange]]) -> MapShape:
    name, unit = row["place_name"], f" {answer.unit}" if answer.unit else ""
    if row["state"] == MISSING:
        why = REASONS[row["reason"]].title.lower() if row["reason"] else "no figure"
        return MapShape("none", "", f"{name}: {why}")
    text = f"{name}: {answer.format(row['value'])}{unit}"
    if row["state"] != COMPARABLE:
        when = format_period(row["reference_start"], row["reference_end"])
        return MapShape("apart", repr(row["value"]), f"{text}, {when}; {_STATE_TITLES[row['state']]}")
    ranges = classes[row["group"]]
    style = style_of(classify(row["value"], ranges), len(ranges))
    is_rough = "estimated" in (row["caveats"] or "").split(",")
    return MapShape(f"{style} est" if is_rough else style, repr(row["value"]), text + ("; estimate" * is_rough))


def _class_rows(
    answer: PageAnswer, classes: dict[str, list[ClassRange]], labels: dict[str, str]
) -> list[dict[str, Any]]:
    """Return a row of the legend for each class, highest first."""
    rows = []
    for number in reversed(range(CLASSES)):
        cuts = [
            (labels[group], ranges, position) for group, ranges in classes.items() for position in range(len(ranges))
            if style_of(position, len(ranges)) == f"c{number + 1}"
        ]  # fmt: skip
        if cuts:
            rows.append({"style": f"c{number + 1}", "text": _class_text(answer, cuts),
                         "places": sum(ranges[position].places for _, ranges, position in cuts)})  # fmt: skip
    return rows


def _class_text(answer: PageAnswer, cuts: list[tuple[str, list[ClassRange], int]]) -> str:
    texts = []
    for label, ranges, position in cuts:
        low, high = (answer.format(value) for value in ranges[position][:2])
        texts.append((f"{label} " if label else "") + (low if low == high else f"{low} to {high}"))
    # A nation with few places may have fewer classes: a fifth of one is then the third of another.
    sizes = {len(ranges) for _, ranges, _ in cuts}
    names = _NAMES.get(sizes.pop()) if len(sizes) == 1 else None
    head = f"{names[cuts[0][2]]} of its nation: " if len(answer.comparable["group"].unique()) > 1 and names else ""
    return head + "; ".join(texts)


def _state_rows(answer: PageAnswer) -> list[dict[str, Any]]:
    counts = dict(answer.figures["state"].value_counts().iter_rows())
    rows = [
        {"style": "none" if state == MISSING else "apart", "text": text, "places": counts[state]}
        for state, text in _STATE_TITLES.items() if counts.get(state)
    ]  # fmt: skip
    rough = answer.comparable.filter(
        pl.col("caveats").str.split(",").list.contains("estimated").fill_null(False)
    ).height
    return rows + ([{"style": "c3 est", "text": "estimate", "places": rough}] if rough else [])


def _summarise(answer: PageAnswer, rankings: list[Ranking], legend: list[dict[str, Any]]) -> str:
    """Describe the map in words: what it shows, both ends, and the places of each class."""
    ends = [
        f"{ranking.group + ': h' if ranking.group else 'H'}ighest figures in "
        f"{', '.join(row.name for row in ranking.highest.rows[:3])}; lowest in "
        f"{', '.join(row.name for row in ranking.lowest.rows[:3])}"
        for ranking in rankings
    ]  # fmt: skip
    rows = "; ".join(f"{row['text']}: {row['places']:,}" for row in legend)
    return f"{answer.title}, {period_of_groups(answer)}. {'. '.join(ends)}. Places by class: {rows}."
