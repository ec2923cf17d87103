"""Cells of a large problem in blocks: typed for some places at a time, and read in columns from the file with them.

A million cells take half a gigabyte as a table, and each step of typing as much again. A large problem
(answer.is_large_problem) has a geography of small areas, for which no step compares a place with others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE, SLICE_FACTS
from pipelines.core.ordering import filter_frame
from pipelines.core.schema import conform_table
from pipelines.core.slices import SLICE_KEY, slice_starts
from pipelines.declarations.catalogue import Problem
from pipelines.gaps.cells import Block
from pipelines.gaps.grid import select_places

CELLS_OF_A_BLOCK = 1 << 16
"""Cells that are typed together, unless one place has more: their steps then take some 100 MB."""


class _Figures(NamedTuple):
    """Placed figures with the number of their place, without what their slice has and without empty columns.

    `slices` has SLICE_KEY and the columns of each slice (SLICE_FACTS).
    """

    figures: pl.DataFrame
    slices: pl.DataFrame

    def select(self, measure: str, first: int, places: pl.DataFrame) -> pl.DataFrame:
        """Return the figures (MAPPED_FIGURE) of a measure and of the places from a number."""
        is_own = (pl.col("measure") == measure) & pl.col("place").is_between(first, first + places.height - 1)
        own = self.figures.filter(is_own)
        codes = places["place_code"].gather(own["place"] - first).alias("to_code")
        whole = own.join(self.slices, on=SLICE_KEY, how="left", maintain_order="left", validate="m:1")
        return conform_table(whole.with_columns(codes), MAPPED_FIGURE)


def cut_blocks(problem: Problem, places: pl.DataFrame, placed: pl.DataFrame, periods: int) -> Iterator[Block]:
    """Cut a problem with a number of periods into blocks of one measure and some places, in the order of its cells.

    Takes the places of its geography (schema.PLACE_COLUMNS) and their figures (MAPPED_FIGURE).
    """
    asked = select_places(problem, places).sort("place_code")
    figures = _drop_repeats(placed, asked)
    del placed
    size = _count_places(periods)
    for measure in sorted(problem.measures):
        own = _ask_for_one(problem, measure)
        for first in range(0, asked.height, size):
            some = asked.slice(first, size)
            yield Block(own, some, figures.select(measure, first, some), figures.slices)


def _count_places(periods: int) -> int:
    return max(1, CELLS_OF_A_BLOCK // periods)


def _drop_repeats(placed: pl.DataFrame, places: pl.DataFrame) -> _Figures:
    """Drop what figures (MAPPED_FIGURE) repeat, and those of places that are not asked for."""
    slices = placed.select(*SLICE_KEY, *SLICE_FACTS)[slice_starts(placed)].unique(maintain_order=True)
    # As an expression: to join a column in one piece to a table in several, Polars copies the whole table.
    number = pl.col("to_code").cast(pl.Enum(places["place_code"]), strict=False).to_physical().cast(pl.Int32)
    own = filter_frame(placed.with_columns(number.alias("place")), pl.col("place").is_not_null())
    empty = [name for name in own.columns if own[name].null_count() == own.height and name not in slices.columns]
    return _Figures(own.drop("to_code", *SLICE_FACTS, *empty), slices)


def _ask_for_one(problem: Problem, measure: str) -> Problem:
    """Return the problem with one of its measures only, for any places."""
    header = problem.header
    needs = {name: need for name, need in header.needs.items() if name == measure}
    unknowns = tuple(name for name in header.unknowns if name == measure)
    asked = {"needs": needs, "unknowns": unknowns, "place_codes": (), "nations": ()}
    return problem._replace(header=header.model_copy(update=asked))


def scan_blocks(path: Path, measures: int, periods: int) -> list[pl.LazyFrame]:
    """Return the cells in a file of a problem with some measures and periods, all measures of some places at a time."""
    stored = pl.scan_parquet(path)
    rows, size = stored.select(pl.len()).collect().item() // measures, _count_places(periods) * periods
    return [
        pl.concat([stored.slice(number * rows + at, min(size, rows - at)) for number in range(measures)])
        for at in range(0, rows, size)
    ]
