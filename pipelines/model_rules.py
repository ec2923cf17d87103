"""What the keys of a source must agree on: rules that refuse a declaration which contradicts itself."""

from typing import TYPE_CHECKING

from pipelines.model_parts import Adding
from pipelines.model_reading import Columns

if TYPE_CHECKING:
    from pipelines.model import Measure, Source

ADDITIVE: frozenset[str] = frozenset({"count", "stock"})
EVERY = ("*",)
"""In `columns` of a file with a column for each place: every other heading."""


def measured(measure: "Measure") -> None:
    """Refuse a measure that is neither of one kind nor of another."""
    if measure.kind == "rate" and not measure.denominator:
        raise ValueError("a rate must name its denominator: the measure it is a share of")
    if measure.kind != "rate" and (measure.numerator or measure.denominator):
        raise ValueError(f"only a rate has a numerator or denominator; this is a {measure.kind}")
    if (measure.counted or measure.at_most is not None) and measure.kind not in ADDITIVE:
        raise ValueError(f"only a count or a stock is counted (counted, at_most); found kind {measure.kind}")
    if measure.interval and (measure.counted or measure.at_most is not None):
        raise ValueError("a measure whose figures are worked out from rows (counted, at_most) has no interval")
    if measure.counted and (measure.column or measure.at_most is not None):
        raise ValueError("a measure that counts rows (counted) has neither column nor at_most")


def apportions(source: "Source") -> None:
    """Refuse keys of small areas and shares with a source that provides none, and a column that stands twice."""
    if (source.provides == "areas") != bool(source.lies_in):
        raise ValueError("lies_in is given for a source that provides areas, and for no other")
    if (source.provides == "shares") != bool(source.shares):
        raise ValueError("shares is given for a source that provides shares, and for no other")
    if (source.weights or source.best_fit) and not source.lies_in:
        raise ValueError("weights and best_fit are only for a source that provides areas")
    astray = [system for system in source.best_fit if system not in source.lies_in]
    if astray:
        raise ValueError(f"best_fit names {astray[0]}, which is not in lies_in")
    twice = [name for name in source.area_columns if source.area_columns.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice; a table of small areas has each column once")


def observes(source: "Source") -> None:
    """Refuse a source of observations that does not say what, where, when or from which column."""
    if not source.measures:
        raise ValueError("a source of observations needs measures")
    (source.adding or Adding()).see({name for name, each in source.measures.items() if each.kind in ADDITIVE})
    if source.access == "open":
        for rule in (_placed, _dated, _headed, _laid_out):
            rule(source)


def _placed(source: "Source") -> None:
    columns = source.columns or Columns()
    if not source.places or not (source.columns or source.place):
        raise ValueError("a source of observations needs columns and places")
    if bool(source.place) == bool(columns.place or columns.label):
        raise ValueError(
            "name the column with place codes (columns.place) or with place names (columns.label); or the one place "
            "that all figures are of (place)"
        )
    every = EVERY in (columns.place, columns.label)
    if every != (source.layout == "by_place") or (every and columns.place and columns.label):
        raise ValueError(
            'a file with a column for each place (layout: by_place) has place: "*" or label: "*" in columns'
        )


def _dated(source: "Source") -> None:
    whole = source.period or source.period_in_name or source.period_in_preamble
    each = bool(source.releases) and all(release.period for release in source.releases)
    if source.layout != "wide" and not (whole or each or (source.columns and source.columns.period)):
        raise ValueError(
            "say where the period is: columns.period; or of the whole file, period, period_in_name or "
            "period_in_preamble; or the period of each release"
        )


def _headed(source: "Source") -> None:
    named = [each for each in (source.columns or Columns()).model_dump().values() if each and each != EVERY]
    lost = [each for each in named if not set(each) & set(source.headings)]
    if source.headings and lost:
        raise ValueError(f"headings: lists no {lost[0][0]}, which columns names")


def _laid_out(source: "Source") -> None:
    unread = [name for name, measure in source.measures.items() if not measure.column and not measure.counted]
    several = "(?P<measure>" in (source.heading or "")
    if (source.layout == "long" or several) and unread:
        raise ValueError(f"measure {unread[0]} does not name its column")
    if source.layout == "wide" and not several and len(source.measures) > 1:
        raise ValueError("a wide file of several measures needs heading, with (?P<measure>...) and (?P<period>...)")
    if source.layout == "by_place" and len(source.measures) > 1:
        raise ValueError("a file with a column for each place (by_place) has one measure; declare the others apart")
    if source.layout != "long" and any(measure.interval for measure in source.measures.values()):
        raise ValueError("interval of a measure is for layout: long, where its columns stand beside the figure's")
    if source.layout != "long" and any(measure.where or measure.counted for measure in source.measures.values()):
        raise ValueError("where of a measure is for layout: long; here put it beside columns")
