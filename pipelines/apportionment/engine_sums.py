"""Placed counts of large measures: an engine sums the parts by SQL, and the cells are typed and worded here.

The engine reads the files of figures itself (observations.plain_files). A row for each target place and slice comes
back. So do the rows that words need: with a marker, a caveat or a flag, of a place with few parts, or without a target.
"""

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from checks import add_caveats
from pipelines.apportionment.engine import place_counts
from pipelines.apportionment.error_model import conclude_unevenness
from pipelines.apportionment.mapped_figure import MAPPED_FIGURE, SLICE_FACTS, TARGET_CELL, Crosswalk, Placing
from pipelines.apportionment.matrix import MAX_PARTS_LISTED, CrosswalkMatrix, Vector, build_matrix
from pipelines.apportionment.part_sums import PartSums
from pipelines.apportionment.place import drop_targets_without_parts
from pipelines.apportionment.placed_cells import BlockFacts, describe_cells
from pipelines.apportionment.rates import index_denominators
from pipelines.apportionment.vectors import (
    NO_ROW,
    SliceTable,
    align_figures,
    index_slices,
    split_blocks,
)
from pipelines.core.schema import OBSERVATION_COLUMNS, OBSERVATION_STATUSES, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.sql_engine import SqlEngine
from pipelines.declarations.measure import Measure
from pipelines.observations import PUBLISHED_SOURCE

if TYPE_CHECKING:
    from scipy import sparse

_NO_SLICE = -1
"""Number in the one row of a table that would be empty: a server cannot name a table without rows."""


class EngineSlices(NamedTuple):
    """Slices in use of large measures of one geography, and the engine that sums their figures.

    `slices` has schema.SLICE_COLUMNS and `slice`, `files` the plain files of figures, and `flags` the tables of flags
    that become caveats (checks.PLAUSIBILITY_FLAG), in order.
    """

    engine: SqlEngine
    slices: pl.DataFrame
    files: Sequence[Path]
    flags: Sequence[pl.DataFrame]


@cache
def read_queries() -> dict[str, str]:
    """Return the queries of engine_sums.sql by name."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    named = [part.partition("\n") for part in text.split("-- name: ")[1:]]
    return {name.strip(): query.strip() for name, _, query in named}


def place_on_engine(
    asked: EngineSlices, crosswalk: Crosswalk, measures: dict[str, Measure], allowed: Collection[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Place slices of counts and stocks by a crosswalk: MAPPED_FIGURE, as `place_figures`, and the rows that came back.

    The rows (schema.OBSERVATION_COLUMNS) include all those without a target place, of which residuals are made. Raises
    EngineError where the engine cannot be used.
    """
    crosswalk = drop_targets_without_parts(crosswalk)
    matrix = build_matrix(crosswalk.table)
    slices = asked.slices.sort(SLICE_KEY).with_row_index("slice_number").cast({"slice_number": pl.Int64})
    asked = asked._replace(slices=slices)
    _name_tables(asked, matrix)
    sums = asked.engine.query(read_queries()["sums"])
    rows = _read_worded_rows(asked)
    placing = Placing(
        matrix, crosswalk, measures, index_denominators(rows.clear()), _list_signed(asked, measures), frozenset(allowed)
    )
    table = _index_rows(rows, slices)
    lacking, unevenness = _find_lacking(asked, sums, matrix), _measure_unevenness(asked, crosswalk)
    frames = [empty_table(MAPPED_FIGURE)]
    first = 0
    for block in split_blocks(table, matrix):
        at = np.arange(first, first + block.slices.height)
        first += len(at)
        frames.append(
            _place_block(block, placing, _arrange_sums(sums, matrix, at), _mark_lacking(lacking, matrix, at),
                         unevenness[at], slices["file_column"][at])
        )  # fmt: skip
    return pl.concat(frames).sort(TARGET_CELL), rows


def _name_tables(asked: EngineSlices, matrix: CrosswalkMatrix) -> None:
    """Name the tables of engine_sums.sql, except `wanted`."""
    engine, slices = asked.engine, asked.slices
    engine.name_files("figure", asked.files)
    engine.name_table("asked", slices.select("slice", "slice_number"))
    engine.name_table("part", _list_pairs(matrix))
    engine.name_table("origin", _list_origins(matrix))
    numbers, key = slices.select("release", *SLICE_KEY, "slice"), ["release", *SLICE_KEY]
    flagged = [flags.join(numbers, on=key).select("slice", "place_code") for flags in asked.flags if flags.height]
    nothing = pl.DataFrame({"slice": [_NO_SLICE], "place_code": [""]})
    engine.name_table("flagged", pl.concat([nothing, *flagged]).unique())


def _list_pairs(matrix: CrosswalkMatrix) -> pl.DataFrame:
    """Return the pairs of the crosswalk: the table `part` of engine_sums.sql."""
    pairs, key = _list_entries(matrix.touch, "touch").drop("touch"), ["target", "origin"]
    for name, array in (("whole", matrix.whole), ("cut", matrix.cut), ("codes", matrix.codes),
                        ("people", matrix.people)):  # fmt: skip
        pairs = pairs.join(_list_entries(array, name), on=key, how="left", maintain_order="left")
    return pairs.with_columns(pl.col(pl.Float64).fill_null(0.0), matrix.order.gather(pairs["origin"]))


def _list_entries(array: "sparse.csr_array", name: str) -> pl.DataFrame:
    entries = array.tocoo()
    at = {"target": entries.row.astype(np.int64), "origin": entries.col.astype(np.int64)}
    return pl.DataFrame({**at, name: entries.data})


def _list_origins(matrix: CrosswalkMatrix) -> pl.DataFrame:
    """Return the origins of the crosswalk: the table `origin` of engine_sums.sql."""
    few = (matrix.parts <= MAX_PARTS_LISTED).astype(float)
    weights = np.asarray((matrix.whole + matrix.cut + matrix.unweighed).sum(axis=0)).ravel()
    # Rows of a place with an unallocated share are the residuals.
    is_listed = (matrix.touch.T @ few > 0) | (weights < 1)
    return pl.DataFrame({"people": matrix.origin_people, "is_listed": is_listed}, nan_to_null=True).with_columns(
        matrix.order.alias("place_code")
    )


def _read_worded_rows(asked: EngineSlices) -> pl.DataFrame:
    """Return the rows that words need (schema.OBSERVATION_COLUMNS and slice_number), in order of slice and place."""
    rows = asked.engine.query(read_queries()["worded"]).drop("slice").sort("slice_number", "place_code")
    has_interval = pl.any_horizontal(pl.col("interval_lower", "interval_upper").is_not_null())
    statuses = pl.Series(OBSERVATION_STATUSES)
    shared = [name for name in OBSERVATION_COLUMNS if name in asked.slices.columns and name not in rows.columns]
    whole = rows.join(asked.slices.select("slice_number", *shared), on="slice_number", maintain_order="left")
    whole = whole.with_columns(
        pl.when(has_interval).then("interval_level").alias("interval_level"),
        pl.when(has_interval).then(pl.lit(PUBLISHED_SOURCE)).alias("interval_source"),
        statuses.gather(rows["status"]).alias("obs_status"),
        pl.lit(None, pl.String).alias("place_label"),
    )
    whole = whole.select(
        "slice_number", *(pl.col(name).cast(column.dtype) for name, column in OBSERVATION_COLUMNS.items())
    )
    for flags in asked.flags:
        whole = add_caveats(whole, flags)
    return whole


def _list_signed(asked: EngineSlices, measures: dict[str, Measure]) -> list[str]:
    """List the measures that can be negative, as declared or as observed (part_bounds.measures_below_zero)."""
    least = asked.engine.query(read_queries()["least"])
    below = least.filter(pl.any_horizontal(pl.col("least_value", "least_bound") < 0))["slice_number"]
    observed = asked.slices["measure"].gather(below)
    declared = {name for name, definition in measures.items() if definition.range and definition.range[0] < 0}
    return sorted(declared | set(observed))


def _index_rows(rows: pl.DataFrame, slices: pl.DataFrame) -> SliceTable:
    """Index the rows that came back, with every slice, also those of which no row came back."""
    lengths = np.bincount(rows["slice_number"].to_numpy(), minlength=slices.height).astype(np.int64)
    table = index_slices(rows, ordered=False)
    return table._replace(
        slices=slices.select(*SLICE_KEY, *SLICE_FACTS), starts=np.cumsum(lengths) - lengths, lengths=lengths
    )


def _arrange_sums(sums: pl.DataFrame, matrix: CrosswalkMatrix, at: Vector) -> PartSums:
    """Arrange the sums of some slices (consecutive numbers) as matrices of target places by slices."""
    mine = sums.filter(pl.col("slice_number").is_between(int(at[0]), int(at[-1])))
    rows, columns = mine["target"].to_numpy(), mine["slice_number"].to_numpy() - at[0]
    shape = (len(matrix.targets), len(at))

    def arrange(name: str, nothing: float = 0.0) -> Vector:
        whole = np.full(shape, nothing)
        whole[rows, columns] = mine[name].cast(pl.Float64).fill_null(nothing).to_numpy()
        return whole

    figures = matrix.figures[:, None]
    whole_figures = (matrix.whole @ np.ones(len(matrix.origins)))[:, None]
    return PartSums(
        arrange("whole"), arrange("cut"), arrange("valued"), arrange("returned"), arrange("covered"),
        figures - arrange("with_low"), figures - arrange("with_high"), whole_figures - arrange("whole_with_low"),
        arrange("bounded"), arrange("low"), arrange("high"),
        arrange("worst", NO_ROW).astype(np.int8), arrange("worst_published", NO_ROW).astype(np.int8),
    )  # fmt: skip


def _find_lacking(asked: EngineSlices, sums: pl.DataFrame, matrix: CrosswalkMatrix) -> pl.DataFrame:
    """Find the parts without a figure of cells that list them: slice_number and origin."""
    valued = np.zeros((len(matrix.targets), asked.slices.height))
    valued[sums["target"].to_numpy(), sums["slice_number"].to_numpy()] = sums["valued"].cast(pl.Float64).to_numpy()
    lacks = matrix.parts[:, None] - valued
    target, number = np.nonzero((lacks > 0) & (lacks <= MAX_PARTS_LISTED))
    if not len(target):
        return pl.DataFrame(schema={"slice_number": pl.Int64, "origin": pl.Int64})
    asked.engine.name_table("wanted", pl.DataFrame({"slice_number": number, "target": target}))
    return asked.engine.query(read_queries()["lacking"]).unique()


def _mark_lacking(lacking: pl.DataFrame, matrix: CrosswalkMatrix, at: Vector) -> Vector:
    """Return whether each origin has a figure in some slices, where that is listed."""
    mine = lacking.filter(pl.col("slice_number").is_between(int(at[0]), int(at[-1])))
    has_value = np.ones((len(matrix.origins), len(at)), bool)
    has_value[mine["origin"].to_numpy(), mine["slice_number"].to_numpy() - at[0]] = False
    return has_value


def _measure_unevenness(asked: EngineSlices, crosswalk: Crosswalk) -> Vector:
    """Return the unevenness of each slice, of which intervals are made; NaN where there are none."""
    measured = np.full((3, asked.slices.height), np.nan)
    if crosswalk.group:
        spread = asked.engine.query(read_queries()["spread"])
        columns = [spread[name].cast(pl.Float64).to_numpy() for name in ("level", "spread", "places")]
        measured[:, spread["slice_number"].to_numpy()] = columns
    return conclude_unevenness(*measured)


def _place_block(
    block: SliceTable, placing: Placing, sums: PartSums, has_value: Vector, unevenness: Vector, heading: pl.Series
) -> pl.DataFrame:
    """Place one block of slices from the sums of an engine: MAPPED_FIGURE."""
    matrix, names = placing.matrix, block.slices["measure"].to_list()
    figures = align_figures(block, matrix.order, ignore_unknown=placing.crosswalk.group is None)
    figures = figures._replace(has_value=has_value)
    signed = np.array([name in placing.signed for name in names], bool)
    allowed = np.array([name in placing.allowed for name in names], bool)
    is_uncertain = np.array([placing.measures[name].is_uncertain for name in names], bool)
    nowhere = np.zeros((len(matrix.targets), 1), bool)
    placed = place_counts(sums, matrix, signed, allowed, nowhere)
    return describe_cells(block, placing, figures, placed, BlockFacts(unevenness, is_uncertain, heading))
