"""View of a problem: its SELECT, run on prepared tables, with the status or reason of each figure.

The tables have exactly one row for each place (and period) of the spine, so a SELECT joins on the place (and period)
only. DuckDB's access to files is off, so a SELECT reads no other data.
"""

import duckdb
import polars as pl

from checks import CARRIED_FORWARD, COARSER_PERIOD, is_carried_forward, is_of_longer_period
from pipelines.core.errors import CommongroundError, DeclarationError
from pipelines.core.periods import format_period
from pipelines.core.query import QueryLimits, run_limited_query, sandbox_config, user_query_limits
from pipelines.core.renames import add_new_name
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.visible import escape_invisible_frame
from pipelines.declarations.catalogue import Problem
from pipelines.gaps.need_scope import is_needed, open_reason

MEASURE_COLUMNS = (
    "value", "lower_bound", "upper_bound", "interval_lower", "interval_upper", "interval_level", "interval_source",
    "unit", "obs_status", "reason",
    "caveats", "coverage", "apportioned_share", "derivation", "proxy_measure",
    "reference_start", "reference_end", "source", "release", "released_at",
)  # fmt: skip
"""Columns of a measure's table after place_code, period_start and period_end."""

_COPIES, _ATTEMPTS = 6, 2
"""Memory of a SELECT, as a multiple of the size of its tables; attempts that a build makes at a failing SELECT."""
_MEASURE_SUFFIX = "_measure"
"""Suffix of the column that names the measure which answers a need with `one_of`."""
PERIOD_SUFFIX = "_period"
"""Suffix of the column with the reference period of another column's figures."""


def run_problem_select(
    problem: Problem, places: pl.DataFrame, cells: pl.DataFrame, placed: pl.DataFrame
) -> pl.DataFrame:
    """Run a problem's SELECT; return its columns, each that rests on measures followed by `_status` and `_period`.

    A `_status` is the reason why the figure is missing, or the worst observation status behind it. A `_period` is the
    reference period of the figures, in words; a column of dates has none. Where a need declares `one_of`, a column
    `_measure` names the measure that answers. Raises DeclarationError where the
    SELECT does not run. Raises CommongroundError where it does not return one row for each place (and period), or
    returns a figure although none of its measures has one.
    """
    limits = _select_limits(places, cells, placed)
    with duckdb.connect(":memory:", config=sandbox_config(limits)) as con:
        _prepare_tables(con, problem, places, cells, placed)
        try:
            view = run_limited_query(con, problem.select.sql, limits, f"{problem.path}: the SELECT")
        except duckdb.Error as error:
            raise DeclarationError(f"{problem.path}: DuckDB rejects the SELECT: {add_new_name(str(error))}") from error
    view, key = escape_invisible_frame(view), answer_key(problem)
    _refuse_other_rows(problem, view, cells, key)
    return _add_statuses(problem, view, cells, key)


_MEMORY_PART = 4
"""Divisor of a question's memory limit for a SELECT: the build that runs it already uses about 500 MB."""


def _select_limits(*tables: pl.DataFrame) -> QueryLimits:
    """Return the limits of a SELECT: a fraction of the limits of an analyst's question, plus room for its tables."""
    memory, seconds = user_query_limits()
    return QueryLimits(
        memory // _MEMORY_PART + _COPIES * int(sum(table.estimated_size() for table in tables)), seconds / _ATTEMPTS
    )


def answer_key(problem: Problem) -> list[str]:
    """Return the columns that identify a row of a problem's view."""
    return ["place_code"] if problem.header.grain == "latest" else ["place_code", "period_start"]


def _prepare_tables(
    con: duckdb.DuckDBPyConnection, problem: Problem, places: pl.DataFrame, cells: pl.DataFrame, placed: pl.DataFrame
) -> None:
    schema = problem.header.geography
    con.execute(f"create schema {schema}")
    spans = cells.select("place_code", "period_start", "period_end").unique()
    spine = places.join(spans, on="place_code", how="inner").sort("place_code", "period_start")
    name = "place" if problem.header.grain == "latest" else "place_period"
    _create_table(con, f"{schema}.{name}", spine.drop("period_start", "period_end") if name == "place" else spine)
    for measure in problem.measures:
        rows = cells.filter(pl.col("measure") == measure)
        _create_table(
            con, f"{schema}.{measure}", rows.select("place_code", "period_start", "period_end", *MEASURE_COLUMNS)
        )
        # A SELECT that does not name a table cannot read it.
        if f"{measure}_history" in problem.select.sql.lower():
            history = placed.filter(pl.col("measure") == measure).rename({"to_code": "place_code"})
            _create_table(con, f"{schema}.{measure}_history", history)
    for name, measures in problem.header.alternatives.items():
        answering = cells.filter(pl.col("measure").is_in(list(measures)), is_needed())
        everywhere = cells.select("place_code", "period_start", "period_end").unique(maintain_order=True)
        key = ["place_code", "period_start", "period_end"]
        rows = everywhere.join(answering.select(*key, "measure", *MEASURE_COLUMNS), on=key, how="left")
        _create_table(con, f"{schema}.{name}", rows)


def _create_table(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    # Names were validated when the declarations were read: lower case letters, digits and _.
    con.register("incoming", frame.to_arrow())
    con.execute(f"create table {name} as select * from incoming")
    con.unregister("incoming")


def _refuse_other_rows(problem: Problem, view: pl.DataFrame, cells: pl.DataFrame, key: list[str]) -> None:
    missing = [name for name in key if name not in view.columns]
    if missing:
        raise DeclarationError(f"{problem.path}: the SELECT must return {' and '.join(missing)} from the spine")
    expected = cells.select(key).unique()
    if view.height != expected.height or view.select(key).join(expected, on=key, how="semi").height != view.height:
        raise CommongroundError(
            f"{problem.path}: found {view.height} rows, expected one for each of {expected.height} "
            f"{' and '.join(key)}; join on {' and '.join(key)} only, without a filter"
        )


def _add_statuses(problem: Problem, view: pl.DataFrame, cells: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    alternatives = [set(measures) for measures in problem.header.alternatives.values()]
    columns: list[str] = []
    for name, inputs in problem.select.inputs.items():
        columns.append(name)
        if not inputs or name not in view.columns:
            continue
        statuses = collect_statuses(inputs, cells, key)
        view = view.join(statuses, on=key, how="left", maintain_order="left")
        _refuse_invented_figures(problem, name, view)
        no_need = pl.when("_no_need").then(pl.lit("not_applicable"))
        status = pl.when(pl.col(name).is_null()).then(pl.coalesce("_reason", no_need, pl.lit("input_missing")))
        view = view.with_columns(status.otherwise("_worst").alias(f"{name}_status")).drop(
            "_reason", "_worst", "_known", "_no_need"
        )
        columns.append(f"{name}_status")
        if any(measures <= set(inputs) for measures in alternatives):
            view = view.join(_name_answering_measures(inputs, cells, key), on=key, how="left", maintain_order="left")
            measure = pl.when(pl.col(name).is_not_null()).then("_measures").alias(f"{name}{_MEASURE_SUFFIX}")
            view = view.with_columns(measure).drop("_measures")
            columns.append(f"{name}{_MEASURE_SUFFIX}")
        if not view.schema[name].is_temporal():
            view = view.join(collect_periods(inputs, cells, key), on=key, how="left", maintain_order="left")
            period_text = pl.when(pl.col(name).is_not_null()).then("_periods").alias(f"{name}{PERIOD_SUFFIX}")
            view = view.with_columns(period_text).drop("_periods")
            columns.append(f"{name}{PERIOD_SUFFIX}")
    return view.select(columns)


def collect_statuses(inputs: tuple[str, ...], cells: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Return for each row the first reason among some measures, their worst status, and the number known.

    A proxy, or a figure for another period, ranks as worse than any published observation status.
    """
    rank = pl.col("obs_status").replace_strict(
        {s: n for n, s in enumerate(OBSERVATION_STATUSES)}, default=0, return_dtype=pl.Int64
    )
    known = pl.col("value").is_not_null()
    grouped = (
        cells.filter(pl.col("measure").is_in(list(inputs))).sort(*key, "measure").group_by(key, maintain_order=True)
    )
    worst = rank.filter(known).max().replace_strict(dict(enumerate(OBSERVATION_STATUSES)), default=None)
    has_proxy = pl.col("proxy_measure").is_not_null().any()
    status = (
        pl.when(has_proxy)
        .then(pl.lit("proxy_used"))
        .when(is_carried_forward().any())
        .then(pl.lit(CARRIED_FORWARD))
        .when(is_of_longer_period().any())
        .then(pl.lit(COARSER_PERIOD))
    )
    return grouped.agg(
        pl.coalesce(
            pl.col("reason").filter(is_needed()).drop_nulls().first(),
            open_reason().filter(is_needed()).drop_nulls().first(),
        ).alias("_reason"),
        (~is_needed()).any().alias("_no_need"),
        status.otherwise(worst).alias("_worst"),
        known.sum().alias("_known"),
    )


def _name_answering_measures(inputs: tuple[str, ...], cells: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Return for each row the measures with a figure, among some (`_measures`)."""
    known = cells.filter(pl.col("measure").is_in(list(inputs)), pl.col("value").is_not_null()).sort(*key, "measure")
    return known.group_by(key, maintain_order=True).agg(
        pl.col("measure").unique(maintain_order=True).str.join(" and ").alias("_measures")
    )


def collect_periods(inputs: tuple[str, ...], cells: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Return for each row the reference periods of the figures of some measures, in words (`_periods`)."""
    known = cells.filter(pl.col("measure").is_in(list(inputs)), pl.col("value").is_not_null()).sort(*key, "measure")
    spans = known.select("reference_start", "reference_end").unique()
    texts = spans.with_columns(
        pl.Series("_periods", [format_period(*span) for span in spans.iter_rows()], dtype=pl.String)
    )
    with_text = known.join(texts, on=["reference_start", "reference_end"], how="left", maintain_order="left")
    return with_text.group_by(key, maintain_order=True).agg(
        pl.col("_periods").unique(maintain_order=True).str.join(" and ")
    )


def _refuse_invented_figures(problem: Problem, name: str, view: pl.DataFrame) -> None:
    """Raise CommongroundError where the SELECT turns missing values into a figure."""
    invented = view.filter((pl.col("_known") == 0) & pl.col(name).is_not_null())
    if invented.height:
        first = invented.row(0, named=True)
        raise CommongroundError(
            f"{problem.path}: column {name} has {first[name]} for {first['place_code']}, where all of its measures "
            "are missing; leave missing figures null"
        )
