"""The figure that a problem's page maps, ranks and plots first, and which of its places can be compared in it.

A figure is compared only with figures of the same measure and reference period. A proxy, a doubted figure and a figure
of another period are shown and never ranked. Where a need has several measures, each is compared with itself alone.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from pipelines.core.ordering import filter_frame
from pipelines.core.table_cache import keep_results
from pipelines.declarations.measure import Measure, counts_residents
from pipelines.outputs.report_model import Report, has_doubt
from pipelines.outputs.report_tables import format_figure, title_column

COMPARABLE, DOUBTED, PROXY, OTHER_PERIOD, MISSING = "comparable", "doubted", "proxy", "other_period", "missing"

ANSWER_FIGURE = pl.Schema(
    {
        **dict.fromkeys(("place_code", "place_name", "nation", "group", "state", "reason", "caveats"), pl.String),
        **dict.fromkeys(("value", "interval_lower", "interval_upper"), pl.Float64),
        **dict.fromkeys(("reference_start", "reference_end"), pl.Date),
    }
)
"""A requested place: its figure, whether it can be compared, and with which places (`group`)."""


class PageAnswer(NamedTuple):
    """The figures of the answer (ANSWER_FIGURE), with their title and unit.

    The first sentence has `unit`; the measure has `own_unit`.
    `measure` is None for a computed column. `inputs` are the measures behind the column.
    """

    column: str
    title: str
    unit: str
    own_unit: str
    order: str
    measure: Measure | None
    inputs: tuple[str, ...]
    period_start: object
    figures: pl.DataFrame

    @property
    def comparable(self) -> pl.DataFrame:
        """Figures that can be compared within their group."""
        return _select_comparable(self.figures)

    @property
    def heading(self) -> str:
        """Title and unit; a unit that the title has is not repeated."""
        return add_unit(self.title, self.own_unit)

    @property
    def decimals(self) -> int:
        """Decimals of a computed figure: as many as any of them needs, 2 at most."""
        return _count_decimals(self.figures)

    def format(self, value: float) -> str:
        """Format a figure with the decimals of its measure; those of a computed column have the same number."""
        return format_figure(value, self.measure) if self.measure else f"{value:z,.{self.decimals}f}"

    @property
    def is_by_group(self) -> bool:
        """Whether figures are compared within groups only."""
        return self.comparable["group"].n_unique() > 1


@keep_results(2)
def _select_comparable(figures: pl.DataFrame) -> pl.DataFrame:
    return figures.filter(pl.col("state") == COMPARABLE)


def add_unit(title: str, unit: str) -> str:
    """Return a title with its unit, without the words that the title already has."""
    head, per, base = unit.partition(" per ")
    short = head if per and title.endswith(f"{per}{base}") else unit
    return f"{title}, {short}" if short and short.lower() not in title.lower() else title


@keep_results(8)
def _count_decimals(figures: pl.DataFrame) -> int:
    """Return the decimals that the figures need, 2 at most; each figure of an answer is formatted with them."""
    values = figures["value"].drop_nulls().to_list()
    return max((next((n for n in range(2) if round(value, n) == value), 2) for value in values), default=0)


def column_inputs(report: Report) -> dict[str, tuple[str, ...]]:
    """Return the measures behind each column of the SELECT, each alternative of a need by its own name."""
    alternatives = report.header.alternatives
    inputs = report.select.inputs
    return {
        column: tuple(sorted({measure for name in names for measure in alternatives.get(name, (name,))}))
        for column, names in inputs.items()
    }


def choose_answer_column(report: Report) -> str | None:
    """Return the column that the page shows first: the declared one, else a good default, else None.

    The default is the first essential need with a figure, rates before other measures, and any other need after these;
    yes or no comes last.
    Counts of residents and needs with several measures are left out. A problem of unknowns alone has its first unknown.
    """
    if report.header.answer:
        return report.header.answer.column
    if not report.header.needs:
        return next(iter(report.header.unknowns), None)
    known = set(report.cells["measure"].filter(report.cells["value"].is_not_null()).unique())
    names = [
        name for name in report.header.needs if name in report.measures
        and not counts_residents(name, report.measures[name])
    ]  # fmt: skip

    def precedence(name: str) -> tuple[bool, bool, bool, bool]:
        need, measure = report.header.needs[name], report.measures[name]
        return name not in known, measure.is_yes_or_no, not need.essential, measure.kind != "rate"

    return min(names, key=precedence, default=None)


def find_answer(report: Report) -> PageAnswer | None:
    """Return the figures that the page shows first, or None where the problem has no need to show."""
    column = choose_answer_column(report)
    if column is None:
        return None
    inputs = column_inputs(report).get(column, ()) if column not in report.header.measure_needs else (column,)
    inputs = inputs or (column,)
    cells = filter_frame(report.asked_cells, pl.col("measure").is_in(list(inputs)))
    period = _newest_full_period(cells)
    cells = cells.filter(pl.col("period_start") == period)
    measure = report.measures[inputs[0]] if inputs == (column,) else None
    figures = _cell_figures(cells) if measure else _view_figures(report, column, cells, period)
    header = report.header.answer
    title = measure.title if measure else _column_title(column, inputs, report.measures)
    unit = measure.unit if measure else _common_unit(column, inputs, report.measures)
    return PageAnswer(
        column, title, header.unit if header and header.unit else unit, unit, header.order if header else "highest",
        measure, inputs, period, _mark_other_periods(figures),
    )  # fmt: skip


def _column_title(column: str, inputs: tuple[str, ...], measures: Mapping[str, Measure]) -> str:
    """Return the title of the only measure of a column, or its name in words."""
    titles = [measures[name].title for name in inputs]
    return titles[0] if len(titles) == 1 else title_column(column, titles)


def _common_unit(column: str, inputs: tuple[str, ...], measures: Mapping[str, Measure]) -> str:
    if "share" in column.split("_"):
        return "%"
    units = {measures[name].unit for name in inputs}
    return units.pop() if len(units) == 1 and "_per_" not in column else ""


def _newest_full_period(cells: pl.DataFrame) -> object:
    """Return the first day of the newest requested period with figures for at least half as many places as any."""
    counted = (
        cells.select("period_start", "value")
        .group_by("period_start")
        .agg(pl.col("value").count().alias("known"))
        .sort("period_start")
    )
    most = counted["known"].max() or 0
    return counted.filter(pl.col("known") * 2 >= most)["period_start"].max()


def _cell_figures(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the figures of one measure in one period (ANSWER_FIGURE)."""
    return _conform(cells.with_columns(pl.lit("").alias("group"), _state().alias("state")))


def _state() -> pl.Expr:
    return (
        pl.when(pl.col("value").is_null()).then(pl.lit(MISSING))
        .when(pl.col("proxy_measure").is_not_null()).then(pl.lit(PROXY))
        .when(has_doubt()).then(pl.lit(DOUBTED))
        .otherwise(pl.lit(COMPARABLE))
    )  # fmt: skip


def _each_caveat_once() -> pl.Expr:
    """Return the caveats of several figures as one text, each once and in their order; null where there are none."""
    codes = pl.col("caveats").drop_nulls().str.split(",").explode(empty_as_null=False)
    return codes.unique(maintain_order=True).str.join(",").replace("", None)


def _view_figures(report: Report, column: str, cells: pl.DataFrame, period: object) -> pl.DataFrame:
    """Return the figures of a column of the view in one period (ANSWER_FIGURE), grouped by the measures behind them."""
    view = report.view
    if "period_start" in view.columns:
        view = view.filter(pl.col("period_start") == period)
    several = {name for names in report.header.alternatives.values() for name in names}
    timed = [name for name in cells["measure"].unique() if not counts_residents(name, report.measures[name])]
    dated = cells.filter(pl.col("measure").is_in(timed or cells["measure"].unique().implode()))
    periods = dated.group_by("place_code").agg(pl.col("reference_start").max(), pl.col("reference_end").max())
    inputs = cells.with_columns(_state().alias("state")).group_by("place_code").agg(
        pl.col("place_name").first(), pl.col("nation").first(),
        pl.col("measure").filter(pl.col("measure").is_in(sorted(several)), pl.col("value").is_not_null())
        .sort().str.join("+").alias("group"),
        pl.col("state").filter(pl.col("state").is_in([PROXY, DOUBTED])).first().alias("doubt"),
        pl.col("reason").drop_nulls().first(), _each_caveat_once(),
    )  # fmt: skip
    joined = inputs.join(view.select("place_code", pl.col(column).cast(pl.Float64).alias("value")), on="place_code")
    state = pl.when(pl.col("value").is_null()).then(pl.lit(MISSING)).otherwise(
        pl.coalesce("doubt", pl.lit(COMPARABLE))
    )  # fmt: skip
    return _conform(joined.join(periods, on="place_code", how="left").with_columns(state.alias("state")))


def _conform(figures: pl.DataFrame) -> pl.DataFrame:
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in ANSWER_FIGURE.items() if name not in figures.columns]
    return figures.with_columns(lacking).select(list(ANSWER_FIGURE)).cast(ANSWER_FIGURE).sort("place_code")


def _mark_other_periods(figures: pl.DataFrame) -> pl.DataFrame:
    """Mark figures of another reference period than most of their group: they are not ranked with the others."""
    key = ["group", "reference_start", "reference_end"]
    counted = figures.filter(pl.col("state") == COMPARABLE).group_by(key).len("places")
    if counted["group"].n_unique() == counted.height:
        return figures.select(list(ANSWER_FIGURE))
    ranked = counted.sort("places", "reference_end", "reference_start", descending=True)
    usual = ranked.unique("group", keep="first", maintain_order=True)
    joined = figures.join(usual.rename({"reference_start": "usual_start", "reference_end": "usual_end"}).drop("places"),
                          on="group", how="left", maintain_order="left")  # fmt: skip
    is_other = (
        (pl.col("state") == COMPARABLE)
        & ((pl.col("reference_start") != pl.col("usual_start")) | (pl.col("reference_end") != pl.col("usual_end")))
    ).fill_null(False)
    marked = joined.with_columns(pl.when(is_other).then(pl.lit(OTHER_PERIOD)).otherwise("state").alias("state"))
    return marked.select(list(ANSWER_FIGURE))
