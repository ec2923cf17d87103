"""Summary of every release of every source, as one reviewed table: `python -m tests.golden_sources`.

The command reads the starter edition and writes tests/golden/sources.csv. It keeps the column `explained`, which
reviewers write. Read the diff before committing it.
"""

import csv
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from pipelines.app import steps
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.snapshots import Snapshot, read_snapshot, stored_releases
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.fetch.bundled import import_bundled_releases
from pipelines.geography.access import list_source_geographies, load_places
from pipelines.observations.ingest import ReadingContext, read_release, reading_context
from pipelines.observations.totals import PLACES_ABOVE_NATIONS

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).resolve().parent / "golden" / "sources.csv"
AS_OF = date(2026, 11, 24)
NATIONS = {"England": "E92000001", "Wales": "W92000004", "Scotland": "S92000003", "Northern Ireland": "N92000002"}
COLUMNS = (
    "source", "released", "file", "cells", "places", "periods", "first_day", "last_day", "by_status", "other_tiers",
    "repeated", "set_aside", "measure", "period", "sum", "published_total", "difference", "explained",
)  # fmt: skip
Row = dict[str, str]


def rows() -> list[Row]:
    """Summarise every release of the starter edition; `explained` is blank."""
    with TemporaryDirectory() as home:
        project = Project(load_catalogue(ROOT), Path(home), AS_OF)
        steps.prepare_store(project)
        return [row for name in project.catalogue.observation_sources() for row in _of_source(project, name)]


def _of_source(project: Project, name: str) -> list[Row]:
    import_bundled_releases(project.home, project.catalogue, [name])
    systems = list_source_geographies(project, name)
    manner = reading_context(project.catalogue, name, load_places(project), systems)
    stored = [group[0] for group in stored_releases(project.home, name, project.as_of)]
    return [_of_release(project, manner, snapshot) for snapshot in stored]


def _of_release(project: Project, manner: ReadingContext, snapshot: Snapshot) -> Row:
    cells = read_release(manner, snapshot, read_snapshot(project.home, snapshot.sha256)).cells
    sound = cells.filter(pl.col("fault").is_null())
    faults = dict(cells["fault"].value_counts().iter_rows())
    aside = sum(count for fault, count in faults.items() if fault not in (None, "total", "repeat"))
    counts = dict(sound["obs_status"].value_counts().iter_rows())
    result = {
        "source": manner.name,
        "released": snapshot.released,
        "file": snapshot.file,
        "cells": cells.height,
        "places": sound["place_code"].n_unique(),
        "periods": sound.select("period_start", "period_end").n_unique(),
        "first_day": sound["period_start"].min(),
        "last_day": sound["period_end"].max(),
        "by_status": "; ".join(f"{status} {counts[status]}" for status in OBSERVATION_STATUSES if status in counts),
        "other_tiers": faults.get("total", 0),
        "repeated": faults.get("repeat", 0),
        "set_aside": aside,
        **_summed(cells, manner.source),
    }
    return {column: str(result.get(column, "")) for column in COLUMNS}


def _summed(cells: pl.DataFrame, source: Source) -> dict[str, object]:
    """Sum the first count or stock over all places in its newest period, and compare it with the published total."""
    measure = next((name for name, item in source.measures.items() if item.kind in ("count", "stock")), None)
    if not measure:
        return {}
    own = cells.filter(pl.col("measure") == measure)
    newest = own.filter(pl.col("fault").is_null(), pl.col("value").is_not_null())["period_end"].max()
    if newest is None:
        return {}
    now = own.filter(pl.col("period_end") == newest)
    actual = round(float(now.filter(pl.col("fault").is_null())["value"].sum()), 3)
    printed = _printed(now, source)
    apart = "" if printed is None else f"{printed - actual:g}"
    return {"measure": measure, "period": newest, "sum": f"{actual:g}" if actual < 1e5 else f"{actual:.0f}",
            "published_total": "" if printed is None else f"{printed:.10g}", "difference": apart}  # fmt: skip


def _printed(now: pl.DataFrame, source: Source) -> float | None:
    """Return the published total of the nations covered, or else the sum of the published national totals."""
    totals = dict(now.filter(pl.col("fault") == "total").select("place_code", "value").iter_rows())
    together = [code for code, of in PLACES_ABOVE_NATIONS.items() if set(of) == set(source.coverage) and code in totals]
    nations = [NATIONS[nation] for nation in source.coverage]
    if together:
        return float(totals[together[0]])
    return sum(float(totals[code]) for code in nations) if all(totals.get(code) for code in nations) else None


def read_reviewed() -> list[Row]:
    """Read the reviewed table."""
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Write the table again, and keep the reviewers' explanations."""
    known = {(row["source"], row["file"]): row["explained"] for row in read_reviewed()} if GOLDEN.is_file() else {}
    summaries = rows()
    GOLDEN.parent.mkdir(exist_ok=True)
    with GOLDEN.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "explained": known.get((row["source"], row["file"]), "")} for row in summaries)


if __name__ == "__main__":
    main()
