"""Draw gap cells and print beside each reason the publisher's rows that bear on it: for a person to judge.

    python -m benchmarks.reasons_audit --seed 1 [--store FOLDER] [--cells 100] [--withheld 50]

Reads a built store. Each reason with at least five open gaps gets five; the rest are drawn over all gaps. The rows are
those of the newest stored files of the source that have the place's code or name, with file and row. `--withheld`
draws figures that a check withholds. Another seed draws another sample.
"""

import argparse
import os
import random
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.periods import format_period
from pipelines.core.snapshots import read_snapshot, stored_releases
from pipelines.core.store import state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import is_needed
from pipelines.readers import ROW, Sheet, read_sheet

EACH = 5
"""Cells drawn of each reason with at least this number."""
MOST_ROWS, MOST_FILES = 4, 2
"""Rows printed of one file, and files of one source."""
WITHHELD = ("implausible", "unit_change", "suspected_zero", "near_zero_leak", "partial_return", "conflict",
            "inconsistent_rate", "denominator_mismatch", "numeric_marker", "duplicate")  # fmt: skip
_SHOWN = ["cell_id", "place_code", "place_name", "measure", "source", "period_start", "period_end", "reason",
          "other_reasons", "evidence", "data_owner", "remedy", "file", "file_rows", "file_column"]  # fmt: skip


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def draw_cells(gaps: pl.DataFrame, seed: int, count: int) -> pl.DataFrame:
    """Draw gaps: five of each reason that has five, the rest over all; in order of reason and cell."""
    chance = random.Random(seed)
    by_reason = {str(key[0]): part["cell_id"].sort().to_list() for key, part in gaps.group_by("reason")}
    chosen = {cell for reason in sorted(by_reason) if len(by_reason[reason]) >= EACH
              for cell in chance.sample(by_reason[reason], EACH)}  # fmt: skip
    rest = sorted(set(gaps["cell_id"]) - chosen)
    chosen |= set(chance.sample(rest, min(len(rest), max(0, count - len(chosen)))))
    return gaps.filter(pl.col("cell_id").is_in(sorted(chosen))).sort("reason", "cell_id")


def load_gaps(project: Project) -> pl.DataFrame:
    """Load the gaps of all built problems, without cells that are not needed."""
    paths = [path for name in sorted(project.catalogue.problems)
             if (path := state_path(project.home, "cell", name)).is_file()]  # fmt: skip
    if not paths:
        raise SystemExit(f"{project.home}: found no built problem; run `commonground build` first")
    tables = [pl.read_parquet(path).filter(is_needed(), pl.col("reason").is_not_null()) for path in paths]
    texts = [
        pl.col(name).cast(pl.String) for name, kind in tables[0].schema.items() if kind in (pl.Categorical, pl.Enum)
    ]
    return pl.concat([table.with_columns(texts).select(_SHOWN) for table in tables])


def find_rows(sheets: list[Sheet], code: str, name: str) -> Iterator[str]:
    """Yield the rows of sheets with a place's code or name, each with its file and row."""
    for sheet in sheets:
        texts = [pl.col(column).cast(pl.String) for column in sheet.frame.columns if column != ROW]
        has_place = pl.any_horizontal([(text == code) | (text.str.strip_chars() == name) for text in texts])
        rows = sheet.frame.filter(has_place)
        for row in rows.tail(MOST_ROWS).iter_rows(named=True):
            cells = ", ".join(f"{column}={text}" for column, text in row.items() if column != ROW and text)
            yield f"{sheet.file}, row {row[ROW]}: {cells[:400]}"
        yield f"{sheet.file}: {rows.height:,} of {sheet.frame.height:,} rows have the place"


def _newest_sheets(project: Project, source: str) -> list[Sheet]:
    declared = project.catalogue.sources[source]
    releases = stored_releases(project.home, source, project.as_of)[-MOST_FILES:] if declared.is_available else []
    sheets = []
    for snapshot in (file for release in releases for file in release):
        try:
            content = read_snapshot(project.home, snapshot.sha256)
            sheets.append(read_sheet(content, declared, snapshot.file))
        except CommongroundError as error:
            _print_line(f"   {snapshot.file}: {error}")
    return sheets


def print_cells(project: Project, cells: pl.DataFrame) -> None:
    """Print each cell with its reason, and the publisher's rows under it."""
    sheets = {name: _newest_sheets(project, name) for name in cells["source"].unique().sort()}
    for number, cell in enumerate(cells.iter_rows(named=True), 1):
        period = format_period(cell["period_start"], cell["period_end"])
        _print_line(
            f"\n{number}. {cell['reason']}: {cell['measure']}, {cell['place_name']} ({cell['place_code']}), {period}"
        )
        _print_line(f"   {cell['cell_id']}; other reasons: {cell['other_reasons'] or 'none'}")
        _print_line(f"   evidence: {cell['evidence']}")
        _print_line(f"   {cell['data_owner']}: {cell['remedy']}")
        for row in find_rows(sheets[cell["source"]], cell["place_code"], cell["place_name"]):
            _print_line(f"   > {row}")


def main() -> None:
    """Draw and print the cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("COMMONGROUND_STORE", "store")))
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--withheld", type=int, default=0)
    parser.add_argument("--as-of", type=date.fromisoformat, default=date.today())
    given = parser.parse_args()
    project = Project(load_catalogue(Path(__file__).parents[1]), given.store, given.as_of)
    gaps = load_gaps(project)
    if given.withheld:
        gaps = gaps.filter(pl.col("reason").is_in(list(WITHHELD)))
        cells = draw_cells(gaps, given.seed, given.withheld)
    else:
        cells = draw_cells(gaps, given.seed, given.cells)
    _print_line(f"seed {given.seed}: {cells.height} of {gaps.height:,} gaps")
    print_cells(project, cells)


if __name__ == "__main__":
    main()
