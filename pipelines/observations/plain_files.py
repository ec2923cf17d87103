"""Figures of large measures as plain Parquet files, for an engine that reads files by itself (core.sql_engine).

    engine/<source>/<release>/<measure>.parquet   in the store: the figures of a measure in one release (PLAIN_FIGURE)

The store's own files of figures have texts as dictionaries, which Sail does not read. These copies have plain texts,
and numbers for slices and statuses. They are made when an engine first needs them, and are not published in a bucket.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

import polars as pl

from pipelines.core.schema import NUMBER, OBSERVATION_STATUSES, STATUSES_WITHOUT_VALUE, TEXT, WHOLE, Column
from pipelines.core.store import (
    INPUT_SOURCES_METADATA,
    TABLE_KEY_METADATA,
    VERSION_METADATA,
    hash_bytes,
    release_path,
    table_key,
    table_version,
    temporary_path,
)
from pipelines.declarations.fingerprints import hash_texts, program_key

PLAIN_FIGURE: dict[str, Column] = {
    "slice": Column(WHOLE, "Number of the slice: a hash of its release, and its place in the file of that release"),
    "place_code": Column(TEXT, "Code of the place"),
    **{name: Column(NUMBER, "As in the table of observations; null where unknown")
       for name in ("value", "lower_bound", "upper_bound", "interval_lower", "interval_upper")},
    "status": Column(WHOLE, "Number of the observation status, best 0"),
    "is_hidden": Column(pl.Boolean, "Whether the status is one without a figure"),
    **{name: Column(TEXT, "As in the table of observations; null where blank")
       for name in ("published_marker", "caveats", "caveat_evidence")},
    "file_row": Column(WHOLE, "Row of the published file"),
}  # fmt: skip
"""Figures of a measure in one release, in order of slice and place."""
_FOLDER = "engine"
_SLICES_PER_FILE = 1 << 20
_PLAIN = "plain"


def number_slices(slices: pl.DataFrame) -> pl.DataFrame:
    """Add the number of each slice (`slice`) to all slices of a source (schema.SLICE_COLUMNS)."""
    if slices.is_empty():
        return slices.with_columns(pl.lit(None, WHOLE).alias("slice"))
    names = slices["values_file"].unique()
    files = {name: int(hash_bytes(name.encode())[:10], 16) * _SLICES_PER_FILE for name in names}
    start = pl.col("values_file").replace_strict(files, return_dtype=WHOLE)
    return slices.with_columns(
        (start + pl.col("first_row").rank("ordinal").over("values_file").cast(WHOLE) - 1).alias("slice")
    )


def write_plain_files(home: Path, slices: pl.DataFrame) -> tuple[list[Path], str]:
    """Write the plain files of one measure where they are not current; return them, and an obstacle.

    `slices` are the slices of the measure in use, numbered (number_slices). The obstacle says why an engine cannot
    place the measure: figures of several places together, two figures of one place, or several headings in a slice. It
    is blank where there is none.
    """
    paths, obstacles = [], []
    for (source, measure, file), mine in slices.group_by("source", "measure", "values_file", maintain_order=True):
        stem = str(file).removesuffix(".parquet")
        path = home / _FOLDER / str(source) / stem / f"{measure}.parquet"
        key = hash_texts(
            program_key("observations"), table_key(release_path(home, "values", str(source), stem)) or "",
            *map(str, mine["slice"].sort()),
        )  # fmt: skip
        if table_key(path) != key:
            _write_plain_file(home, path, mine, key)
        paths.append(path)
        obstacles.append(table_version(path))
    return paths, next((str(text) for text in obstacles if text != _PLAIN), "")


def _write_plain_file(home: Path, path: Path, slices: pl.DataFrame, key: str) -> None:
    # Imported late, because it loads NumPy: most builds write no such file.
    from pipelines.observations.scan import scan_slices

    figures = scan_slices(home, slices.drop("slice"), pl.DataFrame()).join(
        slices.lazy().select("period_start", "period_end", "slice"), on=["period_start", "period_end"],
        maintain_order="left",
    )  # fmt: skip
    obstacle = _find_obstacle(figures, slices)
    temporary = temporary_path(path)
    try:
        figures.select(_plain_column(name, column) for name, column in PLAIN_FIGURE.items()).sink_parquet(
            temporary, compression="zstd",
            metadata={TABLE_KEY_METADATA: key, INPUT_SOURCES_METADATA: "", VERSION_METADATA: obstacle or _PLAIN},
        )  # fmt: skip
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain_column(name: str, column: Column) -> pl.Expr:
    if name == "status":
        number = {status: number for number, status in enumerate(OBSERVATION_STATUSES)}
        plain = pl.col("obs_status").replace_strict(number, default=0, return_dtype=WHOLE)
    elif name == "is_hidden":
        plain = pl.col("obs_status").is_in(sorted(STATUSES_WITHOUT_VALUE)).fill_null(False)
    elif column.dtype == NUMBER:
        plain = pl.col(name).fill_nan(None)
    elif name in ("published_marker", "caveats", "caveat_evidence"):
        plain = pl.when(pl.col(name) != "").then(name)
    else:
        plain = pl.col(name)
    return plain.cast(column.dtype).alias(name)


def _find_obstacle(figures: pl.LazyFrame, slices: pl.DataFrame) -> str:
    """Return why an engine cannot place these figures; blank where it can."""
    twice = (pl.col("slice") == pl.col("slice").shift(1)) & (pl.col("place_code") == pl.col("place_code").shift(1))
    heads = slices.filter(pl.col("file_column").is_null())["slice"].implode()
    facts = figures.select(
        pl.col("place_code").str.contains("+", literal=True).any().alias("figures of several places together"),
        twice.any().alias("two figures of one place"),
        (pl.col("slice").is_in(heads) & pl.col("file_column").is_not_null()).any().alias("several headings in a slice"),
    ).collect()
    return next((name for name in facts.columns if facts[name][0]), "")


def prune_plain_files(home: Path, names: Collection[str]) -> None:
    """Remove the plain files of sources that are not in `names`."""
    for folder in (home / _FOLDER).glob("*"):
        if folder.is_dir() and folder.name not in names:
            shutil.rmtree(folder)
