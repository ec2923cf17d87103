"""Rows of a place page with the known figures: figure, period, trend, and what it is compared with."""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.ordering import filter_frame
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure
from pipelines.gaps import RANK_KEY, RANKED_COLUMNS, format_rank, has_order, is_needed, rank_places
from pipelines.outputs.place_context import NO_FACTS, PlaceContext, PlaceFacts
from pipelines.outputs.report_model import DOUBTS
from pipelines.outputs.report_summary import is_web_link
from pipelines.outputs.report_tables import decimal_places, describe_uncertainty, format_figure, format_interval
from pipelines.outputs.trend_chart import Role, TrendSeries, has_trend

_RANK_COLUMNS = ("rank", "rank_lower_bound", "rank_upper_bound", "similar_places", "places", "noise", "no_interval")
"""Columns of `ranks` with the rank of a place and its uncertainty."""
FIGURE_COLUMNS = ("value", "reference_start", "reference_end", "caveats", "source", "proxy_measure", *INTERVAL_COLUMNS)
"""Columns of cells that a figure is shown with."""
MAX_NUMBERS = 4
"""Most figures in the first lines of a page."""
_DERIVATIONS = {
    "published": "published",
    "aggregated": "sum of its places",
    "rate_averaged": "weighted average of its places",
}


class Compared(NamedTuple):
    """A figure that a place's own is compared with: its text, and how it was derived or which places it is of."""

    text: str
    notes: tuple[str, ...]


NOT_KNOWN = Compared("not known", ())


class LineRef(NamedTuple):
    """A line of a trend: its role, and the measure and code of its figures."""

    role: Role
    measure: str
    code: str


def newest_figures(catalogue: Catalogue, cells: pl.DataFrame, is_ranked: bool = True) -> pl.DataFrame:
    """Return the newest figure of each place and measure, with its rank and the numbers of figures known and asked.

    Places that are not ranked, such as partnerships, have no rank.
    """
    key = ["place_code", "measure", "problem"]
    own = cells.select(*key, "period_start", "period_end", *FIGURE_COLUMNS)
    known = own.filter(pl.col("value").is_not_null()).sort("period_end").unique(key, keep="last")
    # Only the other places of these figures matter for their ranks.
    others = filter_frame(cells.select(RANKED_COLUMNS), has_order(catalogue.measures))
    compared = others.join(known, on=RANK_KEY, how="semi", maintain_order="left") if is_ranked else others.clear()
    ranks = rank_places(compared, catalogue.measures).select(*RANK_KEY, "place_code", *_RANK_COLUMNS)
    counts = cells.group_by(key).agg(is_needed().sum().alias("asked"), pl.col("value").count().alias("count"))
    newest = known.join(counts, on=key).join(ranks, on=[*RANK_KEY, "place_code"], how="left").select(
        *key, "asked", "count", *FIGURE_COLUMNS, *_RANK_COLUMNS,
    )  # fmt: skip
    return keep_latest(newest)


def keep_latest(figures: pl.DataFrame) -> pl.DataFrame:
    """Keep the latest of the newest figures of each place and measure: several problems may need one measure."""
    return figures.sort("reference_end", "count", "problem").unique(
        ["place_code", "measure"], keep="last", maintain_order=True
    )


def figure_row(
    row: dict[str, Any], catalogue: Catalogue, context: PlaceContext, is_rendered: bool = False
) -> dict[str, Any]:
    """Return one row of the known figures, from a row of `newest_figures`.

    Where the row of the page is rendered already, it leaves out the lines and the other places, which that row shows.
    """
    measure, source = catalogue.measures[row["measure"]], catalogue.sources[row["source"]]
    facts = context.facts.get(row["place_code"], NO_FACTS)
    # The note on rounding states the base.
    codes = [code for code in (row["caveats"] or "").split(",") if code in REASONS]
    caveats = [REASONS[code].title.lower() for code in codes if code != "rounded" or not measure.rounding]
    if row["proxy_measure"]:
        caveats.append(f"proxy measure: {catalogue.measures[row['proxy_measure']].title}")
    return {
        "measure": row["measure"], "title": measure.title, "problem": row["problem"],
        "unit": "" if measure.is_yes_or_no else measure.unit,
        "kind": measure.kind, "value": row["value"], 
        "is_doubted": bool(row["proxy_measure"] or DOUBTS.intersection(codes)),
        "text": format_figure(row["value"], measure), "starts": row["reference_start"], "ends": row["reference_end"],
        "when": format_period(row["reference_start"], row["reference_end"]), "caveats": caveats,
        "publisher": source.publisher, "licence": source.licence, "source_title": source.title,
        "page": source.page if is_web_link(source.page) else "",
        "interval": format_interval(row, measure) or describe_uncertainty(measure),
        # The description of an estimate already says why it has no rank.
        "rounding": f"rounded to {measure.rounding:,g}" if measure.rounding and "rounded" in codes else "",
        "rank": format_rank(row) if row["places"] and not row["no_interval"] else "",
        "count": f"known in {row['count']:,} of {row['asked']:,} periods" if row["asked"] > 1 else "",
        "no_line": "not drawn" if measure.is_yes_or_no else "one period",
        **_compare(row, facts, measure, context, not is_rendered),
        **({} if is_rendered else {"lines": _list_lines(row, facts, measure, context)}),
    }  # fmt: skip


def _list_lines(
    row: dict[str, Any], facts: PlaceFacts, measure: Measure, context: PlaceContext
) -> tuple[LineRef, ...]:  # fmt: skip
    """List the lines of a trend: none for yes or no, and no sum over a region or nation beside a count of one place."""
    if measure.is_yes_or_no:
        return ()
    name = row["proxy_measure"] or row["measure"]
    wanted: list[tuple[Role, str]] = [("own", row["place_code"])]
    wanted += [] if measure.kind in ADDITIVE_KINDS else [("region", facts.region), ("nation", facts.nation)]
    listed = [LineRef(role, name, code) for role, code in wanted if code and (name, code) in context.lines]
    own = listed and listed[0].role == "own" and has_trend(line_series(listed[0], context))
    return tuple(listed) if own else ()


def line_series(ref: LineRef, context: PlaceContext) -> TrendSeries:
    """Return the points of a line, from its first figure on."""
    return TrendSeries(context.names.get(ref.code, ref.code), context.lines.begin((ref.measure, ref.code)), ref.role)


def _compare(
    row: dict[str, Any], facts: PlaceFacts, measure: Measure, context: PlaceContext, has_places: bool
) -> dict[str, Any]:
    """Compare with figures of the same measure and period only: of larger places, and of places of the same kind."""
    key = (row["proxy_measure"] or row["measure"], row["reference_start"], row["reference_end"])
    figures = context.figures.get(key, {})

    def larger(code: str) -> Compared:
        if code not in figures:
            return NOT_KNOWN
        return Compared(format_figure(figures[code], measure), (_DERIVATIONS[context.derivations[key][code]],))

    compared = {
        "region": larger(facts.region), "nation": larger(facts.nation), "nation_value": figures.get(facts.nation),
    }  # fmt: skip
    if not has_places:
        return compared
    similar = dict(facts.similar).get("global", ())
    return {
        **compared,
        "neighbours": summarise_places(facts.neighbours, figures, measure, context),
        "similar": summarise_places(similar, figures, measure, context),
    }  # fmt: skip


def summarise_places(
    codes: Sequence[str], figures: dict[str, float], measure: Measure, context: PlaceContext
) -> Compared:
    """Return the median of the places with a figure, and the lowest and highest with their names.

    For yes or no, return how many of the places with a figure have 1, and how many have no figure.
    """
    known = sorted([(figures[code], context.names.get(code, code)) for code in codes if code in figures])
    if not known:
        return NOT_KNOWN
    if measure.is_yes_or_no:
        ones = sum(value == 1 for value, _ in known)
        missing = len(codes) - len(known)
        gap = (f"no figure in {missing} of {len(codes)}",) if missing else ()
        return Compared(f"{ones} of {len(known)}", ("places have 1", *gap))
    (low, lowest), (high, highest) = known[0], known[-1]
    span = f"{format_figure(low, measure)} ({lowest})"
    span += f" to {format_figure(high, measure)} ({highest})" if len(known) > 1 else ""
    number = f"{len(known)} of {len(codes)}" if len(known) < len(codes) else f"all {len(codes)}"
    values = [value for value, _ in known]
    shown = values[:1] if measure.rounding else values
    decimals = max([decimal_places(value, measure.rounding) for value in shown])
    middle = f"{median(values):z,.{decimals}f}"
    return Compared(middle, (f"median of {number}", span))


def key_numbers(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choose the figures of the first lines: of each problem the first rate, newest first; else the first figures."""
    rates = [row for row in rows if row["kind"] == "rate"]
    first: dict[str, dict[str, Any]] = {}
    for row in rates or rows:
        first.setdefault(row["problem"], row)
    chosen = sorted(first.values(), key=lambda row: row["ends"], reverse=True)
    return chosen[:MAX_NUMBERS]
