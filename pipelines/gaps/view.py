"""View of a problem: its SELECT, run on prepared tables, with the status or reason of each figure.

The tables have exactly one row for each place (and period) of the spine, so a SELECT joins on the place (and period)
only. DuckDB's access to files is off, so a SELECT reads no other data.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import duckdb
import numpy as np
import polars as pl

from checks import CARRIED_FORWARD, COARSER_PERIOD, is_carried_forward, is_of_longer_period
from pipelines.core.errors import CommongroundError, DeclarationError
from pipelines.core.ordering import sort_frame
from pipelines.core.periods import format_period
from pipelines.core.query import QueryLimits, open_sandbox, run_limited_query, user_query_limits
from pipelines.core.renames import add_new_name
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.visible import escape_invisible_frame
from pipelines.declarations.catalogue import Problem
from pipelines.gaps.need_scope import is_needed, open_reason
from pipelines.gaps.verdicts import add_verdicts

MEASURE_COLUMNS = (
    "value", "lower_bound", "upper_bound", "interval_lower", "interval_upper", "interval_level", "interval_source",
    "unit", "obs_status", "reason",
    "caveats", "coverage", "apportioned_share", "derivation", "proxy_measure",
    "reference_start", "reference_end", "source", "release", "released_at",
)  # fmt: skip
"""Columns of a measure's table after place_code, period_start and period_end."""
_ROW = ("place_code", "period_start", "period_end")
_TABLE_COLUMNS = ("measure", "need", *_ROW, *MEASURE_COLUMNS)
"""Columns of a cell that the tables of a SELECT are made from."""
_STATUS_COLUMNS = ("measure", "need", *_ROW, "value", "reason", "other_reasons", "caveats", "proxy_measure",
                   "obs_status", "reference_start", "reference_end")  # fmt: skip
"""Columns of a cell behind the statuses of its row."""

_COPIES, _ATTEMPTS = 14, 2
"""Memory of a SELECT, as a multiple of the size of its tables; attempts that a build makes at a failing SELECT."""
_MEASURE_SUFFIX = "_measure"
"""Suffix of the column that names the measure which answers a need with `one_of`."""
PERIOD_SUFFIX = "_period"
"""Suffix of the column with the reference period of another column's figures."""


def build_view(
    problem: Problem,
    places: pl.DataFrame,
    cells: Sequence[pl.LazyFrame],
    placed: pl.DataFrame,
    verdict_table: pl.DataFrame,
) -> pl.DataFrame:
    """Build the view of a problem: its SELECT (run_problem_select) with the verdict of each row (verdicts.VERDICT)."""
    return add_verdicts(run_problem_select(problem, places, cells, placed), verdict_table, problem)


def run_problem_select(
    problem: Problem, places: pl.DataFrame, cells: Sequence[pl.LazyFrame], placed: pl.DataFrame
) -> pl.DataFrame:
    """Run a problem's SELECT; return its columns, each that rests on measures followed by `_status` and `_period`.

    Takes the cells in blocks, each with all measures of some places. A `_status` is the reason why the figure is
    missing, or the worst observation status behind it. A `_period` is the reference period of the figures, in words; a
    column of dates has none. Where a need declares `one_of`, a column `_measure` names the measure that answers.
    Raises DeclarationError where the SELECT does not run. Raises CommongroundError where it does not return one row
    for each place (and period), or returns a figure although none of its measures has one.
    """
    history = placed.filter(pl.col("measure").is_in(list_history_measures(problem)))
    view, rows = _run_select(problem, places, cells, history)
    key = _list_key(problem)
    facts = [block.select(_STATUS_COLUMNS) for block in cells]
    if len(rows) > 1 and not view.select(key).equals(pl.concat(rows).select(key)):
        return _add_statuses(problem, view, pl.concat(facts).collect())
    ends = accumulate((own.height for own in rows), initial=0)
    parts = [view.slice(first, end - first) for first, end in pairwise(ends)]
    return pl.concat(_add_statuses(problem, part, own.collect()) for part, own in zip(parts, facts, strict=True))


def _run_select(
    problem: Problem, places: pl.DataFrame, cells: Sequence[pl.LazyFrame], history: pl.DataFrame
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Run a problem's SELECT on its cells; return its own columns, and the places and periods (_ROW) of each block.

    Of several blocks, texts become categories, except for the codes of places and the names of measures.
    """
    tables, rows = list[pl.DataFrame](), list[pl.DataFrame]()
    size, is_cut = int(places.estimated_size() + history.estimated_size()), len(cells) > 1
    columns = _choose_columns(problem) if is_cut else _TABLE_COLUMNS
    for block in cells:
        table = block.select(columns).collect()
        size += int(table.estimated_size())
        rows.append(_list_rows(table))
        tables.append(_encode_texts(table) if is_cut else table)
    places = _encode_texts(places) if is_cut else places
    limits, spine = _select_limits(problem, size), pl.concat(rows)
    with open_sandbox(limits.memory, problem.header.geography) as con:
        _prepare_tables(con, problem, places, pl.concat(tables), spine, history)
        try:
            view = run_limited_query(con, problem.select.sql, limits, f"{problem.path}: the SELECT", spine.height)
        except duckdb.Error as error:
            raise DeclarationError(f"{problem.path}: DuckDB rejects the SELECT: {add_new_name(str(error))}") from error
    view = escape_invisible_frame(view)
    _refuse_other_rows(problem, view, spine)
    return view, rows


def _choose_columns(problem: Problem) -> list[str]:
    """Return the columns of a cell that a SELECT names, or all where it may read others."""
    names = problem.select.names
    return [name for name in _TABLE_COLUMNS if names is None or name in names or name not in MEASURE_COLUMNS]


def _encode_texts(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with its texts as categories, except for those that tables are chosen or joined by."""
    return table.with_columns(pl.col(pl.String).exclude("measure", "place_code").cast(pl.Categorical))


def list_history_measures(problem: Problem) -> list[str]:
    """List the measures of which a SELECT may read all placed figures, as `<measure>_history`."""
    sql = problem.select.sql.lower()
    return [measure for measure in problem.measures if f"{measure}_history" in sql]


_MEMORY_PART = 4
"""Divisor of a question's memory limit for a SELECT: the build that runs it already uses about 500 MB."""
_JOIN_MEMORY = 16_000_000
"""Bytes for each table that a SELECT joins: DuckDB 2.0 takes up to 5.4 MB for a join, and gets half of the limit."""


def _select_limits(problem: Problem, size: int) -> QueryLimits:
    """Return the limits of a SELECT: a fraction of those of an analyst's question, with room for tables and joins.

    `size` is the size of its tables in bytes.
    """
    memory, seconds = user_query_limits()
    joins = len(problem.measures) + len(problem.header.alternatives) + len(list_history_measures(problem))
    room = _COPIES * size + _JOIN_MEMORY * joins
    return QueryLimits(memory // _MEMORY_PART + room, seconds / _ATTEMPTS)


def _list_key(problem: Problem) -> list[str]:
    """Return the columns that identify a row of a problem's view."""
    return ["place_code"] if problem.header.grain == "latest" else ["place_code", "period_start"]


def _list_rows(cells: pl.DataFrame) -> pl.DataFrame:
    """Return each place and period of the cells once (_ROW), in the order of the cells of one measure."""
    by_measure = [own.select(_ROW) for own in cells.select("measure", *_ROW).partition_by("measure")]
    is_grid = bool(by_measure) and all(own.equals(by_measure[0]) for own in by_measure[1:])
    return by_measure[0] if is_grid else cells.select(_ROW).unique(maintain_order=True)


def _prepare_tables(
    con: duckdb.DuckDBPyConnection,
    problem: Problem,
    places: pl.DataFrame,
    cells: pl.DataFrame,
    rows: pl.DataFrame,
    history: pl.DataFrame,
) -> None:
    schema = problem.header.geography
    joined = rows.join(places, on="place_code", how="inner", maintain_order="left")
    spine = sort_frame(joined.select(*places.columns, "period_start", "period_end"), "place_code", "period_start")
    name = "place" if problem.header.grain == "latest" else "place_period"
    _create_table(con, f"{schema}.{name}", spine.drop("period_start", "period_end") if name == "place" else spine)
    own = cells.drop("need")
    by_measure, nothing = _split_by_measure(problem, own), own.drop("measure").clear()
    for measure in problem.measures:
        _create_table(con, f"{schema}.{measure}", by_measure.get((measure,), nothing))
    # A SELECT that does not name a table cannot read it.
    for measure in list_history_measures(problem):
        own = history.filter(pl.col("measure") == measure).rename({"to_code": "place_code"})
        _create_table(con, f"{schema}.{measure}_history", own)
    for name, measures in problem.header.alternatives.items():
        answering = cells.filter(pl.col("measure").is_in(list(measures)), is_needed())
        answers = rows.join(answering.drop("need"), on=_ROW, how="left")
        _create_table(con, f"{schema}.{name}", answers)


def _split_by_measure(problem: Problem, cells: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    """Return the cells of each measure, without its name; those of the only measure are not copied."""
    if len(problem.measures) == 1:
        return {problem.measures: cells.drop("measure")}
    return cells.partition_by("measure", as_dict=True, include_key=False)


def _create_table(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Create a table that a SELECT reads from the frame itself: a copy of a million cells takes half a gigabyte."""
    # Names were validated when the declarations were read: lower case letters, digits and _.
    frame_name = f"_{name.replace('.', '_')}"
    con.register(frame_name, frame.to_arrow(compat_level=pl.CompatLevel.newest()))
    con.execute(f"create view {name} as select * from {frame_name}")


def _refuse_other_rows(problem: Problem, view: pl.DataFrame, rows: pl.DataFrame) -> None:
    key = _list_key(problem)
    missing = [name for name in key if name not in view.columns]
    if missing:
        raise DeclarationError(f"{problem.path}: the SELECT must return {' and '.join(missing)} from the spine")
    expected = rows.select(key)
    if view.select(key).equals(expected):
        return
    expected, own = expected.unique(), view.select(key)
    for name, dtype in expected.schema.items():
        if own.schema[name] != dtype:
            raise DeclarationError(
                f"{problem.path}: the SELECT returns {name} as {own.schema[name]}, expected {dtype} from the spine"
            )
    faults = {
        "{} twice or more": own.filter(own.is_duplicated()),
        "{} not at all": expected.join(own, on=key, how="anti", nulls_equal=True),
        "{}, which the spine does not have": own.join(expected, on=key, how="anti", nulls_equal=True),
    }
    named = [text.format(_name_first_row(rows)) for text, rows in faults.items() if rows.height]
    if named:
        raise CommongroundError(
            f"{problem.path}: found {view.height} rows, expected one for each of {expected.height} "
            f"{' and '.join(key)}; found {', '.join(named)}; join on {' and '.join(key)} only, without a filter"
        )


def _name_first_row(rows: pl.DataFrame) -> str:
    """Name the first of some places (and periods) in order, and the number of the others."""
    first, others = rows.unique().sort(rows.columns), rows.n_unique() - 1
    return " ".join(map(str, first.row(0))) + (f" and {others} other{'s' if others > 1 else ''}" if others else "")


def _add_statuses(problem: Problem, view: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Add `_status`, `_measure` and `_period` to columns of some rows of a view, from the cells of these rows."""
    key = _list_key(problem)
    computed = {name: inputs for name, inputs in problem.select.inputs.items() if inputs and name in view.columns}
    alternatives = [set(measures) for measures in problem.header.alternatives.values()]
    added: dict[str, list[pl.Series]] = {}
    for name, fact in collect_facts(computed, view.select(key), cells, key).items():
        _refuse_invented_figures(problem, name, view, fact["known"])
        shown = {f"{name}_status": pl.when(view[name].is_not_null()).then("worst").otherwise("why")}
        if any(measures <= set(computed[name]) for measures in alternatives):
            shown[f"{name}{_MEASURE_SUFFIX}"] = pl.when(view[name].is_not_null()).then("measures")
        if not view.schema[name].is_temporal():
            shown[f"{name}{PERIOD_SUFFIX}"] = pl.when(view[name].is_not_null()).then("periods")
        added[name] = fact.select(**shown).get_columns()
    return pl.DataFrame([one for name in problem.select.inputs for one in (view[name], *added.get(name, []))])


def collect_facts(
    inputs: Mapping[str, Sequence[str]], rows: pl.DataFrame, cells: pl.DataFrame, key: list[str]
) -> dict[str, pl.DataFrame]:
    """Return facts about the measures of columns: for each column a table with a row for each of the view's `rows`.

    `why` is the first reason among the measures, `worst` their worst status, `known` the number with a figure,
    `measures` the names of these, and `periods` their reference periods in words. A proxy, or a figure for another
    period, ranks as worse than any published observation status.
    """
    pairs = [(number, measure) for number, measures in enumerate(inputs.values()) for measure in measures]
    asked = pl.DataFrame(pairs, schema={"column": pl.UInt32, "measure": pl.String}, orient="row")
    described = _number_cells(_describe_cells(cells, key), rows)
    joined = asked.join(described, on="measure")
    slots = joined.select(pl.col("column").cast(pl.Int64) * rows.height + pl.col("row")).to_series()
    size = len(inputs) * rows.height
    is_alone = pl.Series(np.bincount(slots, minlength=size)[slots] == 1)
    facts = joined.with_columns(slots.alias("slot")).drop("column", "row")
    if not is_alone.all():
        together = facts.filter(~is_alone).sort("slot", "measure").group_by("slot", maintain_order=True)
        facts = pl.concat([facts.filter(is_alone).select("slot", "name", *_FACTS), together.agg(_join_measures())])
    at = np.full(size, -1)
    at[facts["slot"]] = np.arange(facts.height)
    places = pl.Series(at)
    whole = facts.select(pl.all().gather(places.set(places < 0, None))).select(
        pl.coalesce("reason", "open_reason", "no_need", pl.lit("input_missing")).alias("why"),
        pl.coalesce(_name_entries("mark", _MARKS), _name_entries("rank", OBSERVATION_STATUSES)).alias("worst"),
        "known",
        pl.col("name").alias("measures"),
        pl.col("period").alias("periods"),
    )
    return {name: whole.slice(number * rows.height, rows.height) for number, name in enumerate(inputs)}


def _number_cells(cells: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Put the number of the view's row (`row`) in place of the key of each cell; cells without a row are left out."""
    key = rows.columns
    repeats = cells.height // max(rows.height, 1)
    if repeats and pl.concat([rows] * repeats).equals(cells.select(key)):
        return cells.drop(key).with_columns((pl.int_range(pl.len()) % rows.height).cast(pl.UInt32).alias("row"))
    return cells.join(rows.with_row_index("row"), on=key).drop(key)


_MARKS = (COARSER_PERIOD, CARRIED_FORWARD, "proxy_used")
"""Statuses of a column with a figure for another period or a proxy; a later one comes before an earlier one."""


def _describe_cells(cells: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Return what a column states about each cell that it uses; the measure and period of known figures only."""
    known = pl.col("value").is_not_null()
    spans = cells.select("reference_start", "reference_end").unique().drop_nulls()
    texts = [format_period(*span) for span in spans.iter_rows()]
    ranks = {status: number for number, status in enumerate(OBSERVATION_STATUSES)}
    described = cells.select(
        *key, "measure",
        known.cast(pl.Int64).alias("known"),
        pl.when(is_needed()).then("reason").alias("reason"),
        pl.when(is_needed()).then(open_reason()).alias("open_reason"),
        pl.when(~is_needed()).then(pl.lit("not_applicable")).alias("no_need"),
        pl.when(pl.col("proxy_measure").is_not_null()).then(2)
        .when(is_carried_forward()).then(1)
        .when(is_of_longer_period()).then(0).alias("mark"),
        pl.when(known).then(
            pl.col("obs_status").replace_strict(ranks, default=0, return_dtype=pl.Int64)
        ).alias("rank"),
        pl.when(known).then("reference_start").alias("reference_start"),
        pl.when(known).then("reference_end").alias("reference_end"),
    )  # fmt: skip
    return described.join(
        spans.with_columns(pl.Series("period", texts, pl.String)), on=["reference_start", "reference_end"], how="left"
    ).select(*key, "measure", pl.when(pl.col("known") > 0).then("measure").alias("name"), *_FACTS)


_FACTS = ("known", "reason", "open_reason", "no_need", "mark", "rank", "period")


def _join_measures() -> list[pl.Expr]:
    """Return the facts about a column of several measures, from those of each, in order of the measures."""
    first = [pl.col(name).drop_nulls().first() for name in ("reason", "open_reason", "no_need")]
    joined = [pl.col(name).drop_nulls().unique(maintain_order=True).str.join(" and ") for name in ("name", "period")]
    return [joined[0], pl.col("known").sum(), *first, pl.col("mark").max(), pl.col("rank").max(), joined[1]]


def _name_entries(column: str, names: Sequence[str]) -> pl.Expr:
    return pl.col(column).replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)


def _refuse_invented_figures(problem: Problem, name: str, view: pl.DataFrame, known: pl.Series) -> None:
    """Raise CommongroundError where the SELECT turns missing values into a figure."""
    invented = (known == 0) & view[name].is_not_null()
    if invented.any():
        first = view.filter(invented).row(0, named=True)
        raise CommongroundError(
            f"{problem.path}: column {name} has {first[name]} for {first['place_code']}, where all of its measures "
            "are missing; leave missing figures null"
        )
