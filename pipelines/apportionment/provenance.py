"""Provenance of placed figures: rows of the file, markers, caveats, and parts without a figure.

Cells are numbered slice by slice, in the order of the target places. Text is collected only where a part of a cell has
any.
"""

import numpy as np
import polars as pl

from pipelines.apportionment.matrix import JOINT_SIGN, MAX_PARTS_LISTED, CrosswalkMatrix, Vector
from pipelines.apportionment.part_bounds import reduce_parts, take_only_part
from pipelines.apportionment.vectors import NO_ROW, FigureBlock

TEXT_SEPARATORS = {"published_marker": ", ", "caveats": ",", "caveat_evidence": ". "}
"""Columns of text about figures, each with the separator between the texts of several parts."""


def flatten_cells(column: Vector) -> Vector:
    """Return a block of target places by slices as a vector of cells."""
    return column.T.ravel()


def scatter_text(size: int, cells: Vector, texts: pl.Series) -> pl.Series:
    """Return a column of text for all cells from the texts of some."""
    if not len(cells):
        return repeat_null(size, pl.String)
    place = np.full(size, NO_ROW)
    place[cells] = np.arange(len(cells))
    return texts.gather(mark_absent(place))


def repeat_null(size: int, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """Return a column without any entry."""
    return pl.Series([None], dtype=dtype).new_from_index(0, size)


def mark_absent(rows: Vector) -> pl.Series:
    """Return row numbers as a column, null instead of NO_ROW."""
    numbers = pl.Series(rows)
    return numbers.set(numbers == NO_ROW, None)


def find_first_rows(figures: FigureBlock, matrix: CrosswalkMatrix) -> Vector:
    """Return the first row behind each target place and slice; NO_ROW where there is none."""
    last = np.iinfo(figures.row.dtype).max
    first = reduce_parts(np.minimum, np.where(figures.has_row, figures.row, last), matrix, last)
    return np.where(first == last, NO_ROW, first)


def list_file_rows(figures: FigureBlock, matrix: CrosswalkMatrix, file_row: pl.Series) -> pl.Series:
    """Return the rows of the file behind each cell, in order; null with too many parts."""
    is_listed = matrix.parts <= MAX_PARTS_LISTED
    row_of_one = take_only_part(figures.row, matrix, is_listed & (matrix.figures == 1), NO_ROW)
    rows = file_row.gather(mark_absent(flatten_cells(row_of_one))).cast(pl.String)
    several = np.flatnonzero(is_listed & (matrix.figures > 1))
    if not len(several):
        return rows
    cells = (np.arange(figures.row.shape[1])[:, None] * len(matrix.targets) + several).ravel()
    pieces = _published_pieces(figures, matrix, cells)
    numbers = pieces.select("cell", file_row.gather(pieces["row"]).alias("text")).sort("cell", "text")
    texts = numbers.with_columns(pl.col("text").cast(pl.String))
    joined = _join_texts(texts, ",")
    place = np.arange(len(rows))
    place[joined["cell"].to_numpy()] = len(rows) + np.arange(joined.height)
    return pl.concat([rows.alias("text"), joined["text"]]).gather(place)


def _expand_cells(cells: Vector, starts: Vector, entries: Vector, targets: int) -> pl.DataFrame:
    target, counts = cells % targets, np.diff(starts)[cells % targets]
    ends = np.cumsum(counts)
    at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[target] - (ends - counts), counts)
    repeated = np.repeat(cells, counts)
    return pl.DataFrame({"cell": repeated, "origin": entries[at], "slice": repeated // targets, "at": at})


def _published_pieces(figures: FigureBlock, matrix: CrosswalkMatrix, cells: Vector) -> pl.DataFrame:
    """Return the published figures behind some cells: cell, origin, slice and row, in order of cell and row."""
    pieces = _expand_cells(cells, matrix.touch.indptr, matrix.touching, len(matrix.targets))
    row = figures.row[pieces["origin"].to_numpy(), pieces["slice"].to_numpy()]
    return pieces.with_columns(pl.Series("row", row)).filter(pl.col("row") != NO_ROW).sort("cell", "row")


def _join_texts(texts: pl.DataFrame, separator: str) -> pl.DataFrame:
    """Join the different texts of each cell (cell, text), in their order."""
    once = texts.drop_nulls("text").unique(["cell", "text"], keep="first", maintain_order=True)
    return once.group_by("cell", maintain_order=True).agg(pl.col("text").str.join(separator))


def collect_texts(
    row: Vector, matrix: CrosswalkMatrix, table: pl.DataFrame, column: str, wanted: Vector | None = None
) -> pl.DataFrame:
    """Return the texts of a column of the rows behind each cell that has any: cell and text.

    `row` has the row of the table of each origin and slice, and `wanted` the target places and slices to look at.
    """
    has_text = table[column].is_not_null() & (table[column] != "")
    nothing = pl.DataFrame(schema={"cell": pl.Int64, "text": pl.String})
    if not has_text.any():
        return nothing
    marked = np.append(has_text.to_numpy(), False)[row]  # NO_ROW is the last entry
    origin, at = np.nonzero(marked)
    touch = matrix.touch.tocsc()
    counts = np.diff(touch.indptr)[origin]
    ends = np.cumsum(counts)
    if not len(ends):
        return nothing
    pairs = np.arange(ends[-1]) + np.repeat(touch.indptr[origin] - (ends - counts), counts)
    target, at, rows = touch.indices[pairs], np.repeat(at, counts), np.repeat(row[origin, at], counts)
    if wanted is not None:
        keep = wanted[target, at]
        target, at, rows = target[keep], at[keep], rows[keep]
    pieces = pl.DataFrame({"cell": at * len(matrix.targets) + target, "row": rows}).sort("row")
    return _join_texts(pieces.with_columns(table[column].gather(pieces["row"]).alias("text")), TEXT_SEPARATORS[column])


def describe_gaps(
    figures: FigureBlock, matrix: CrosswalkMatrix, cells: Vector, observation: pl.DataFrame
) -> pl.DataFrame:
    """Return facts about the parts of some cells, in their order: least, most, and the figure published together."""
    pieces = _published_pieces(figures, matrix, cells)
    is_unweighed = pl.Series("unweighed", matrix.unweighed.T @ np.ones(len(matrix.targets)) > 0)
    rows = observation.select("value", "place_code", "place_label")[pieces["row"]]
    known = pieces.hstack(rows).with_columns(is_unweighed.gather(pieces["origin"])).filter(
        pl.col("value").is_not_null()
    )  # fmt: skip
    joint = pl.col("place_code").str.contains(JOINT_SIGN, literal=True) & pl.col("unweighed")
    facts = known.group_by("cell").agg(
        pl.col("value").min().alias("least"),
        pl.col("value").max().alias("most"),
        pl.col("value").filter(joint).first().alias("joint_value"),
        pl.col("place_code").filter(joint).first().alias("joint_code"),
        pl.col("place_label").filter(joint).first().alias("joint_label"),
    )
    return pl.DataFrame({"cell": cells}).join(facts, on="cell", how="left", maintain_order="left").drop("cell")


def list_lacking_codes(figures: FigureBlock, matrix: CrosswalkMatrix, cells: Vector) -> pl.Series:
    """Return the source codes of some cells that have no figure, in their order; empty where each has one."""
    listed = matrix.listed
    pieces = _expand_cells(cells, listed.starts, listed.origins, len(matrix.targets))
    has_value = figures.has_value[pieces["origin"].to_numpy(), pieces["slice"].to_numpy()]
    lacking = pieces.filter(pl.Series(~has_value))
    texts = lacking.select("cell", listed.codes.gather(lacking["at"]).alias("text"))
    joined = pl.DataFrame({"cell": cells}).join(_join_texts(texts, ", "), on="cell", how="left", maintain_order="left")
    return joined["text"].fill_null("")
