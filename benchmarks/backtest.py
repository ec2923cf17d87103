"""How wrong figures are that were shared out: moves figures whose truth is known at both ends, and writes it down.

    .venv/bin/python -m benchmarks.backtest FOLDER [--write]

FOLDER holds the published files (geo/ and indicators/). For each pair of kinds of place and each group of people,
figures of small areas are added up to the places moved from, moved, and compared with their own sums at the places
moved to. All figures fit the intervals; each kind is tested by an interval that the others fit. `--write` keeps the
intervals in pipelines/apportionment/error_model.csv and the tables in docs/crosswalk-errors.md. Where tobler is
installed, its area
weighting does the same task in the same run. It takes 18 minutes and 6 GB.
"""

import argparse
import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from benchmarks.backtest_figures import published
from benchmarks.backtest_fit import TRIALS, cut, fitted, not_kept, peers, result_of, tried, untried, with_systems
from benchmarks.backtest_page import page
from benchmarks.backtest_trusts import as_tabled, regions_of, tried_trusts
from pipelines.app import steps
from pipelines.apportionment.error_model import HELD
from pipelines.declarations.catalogue import load
from pipelines.declarations.project import Project
from pipelines.geography.access import register_places
from pipelines.geography.load import geography

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "crosswalk-errors.md"


def main(folder: Path, write: bool) -> None:
    """Run every trial, print the page, and keep it where asked to."""
    with tempfile.TemporaryDirectory() as store:
        project = Project(load(ROOT), Path(store), date(2026, 11, 24))
        steps.prepare(project)
        held = geography(project, register_places(project))
    areas, trusts = with_systems(held.areas[0], held.places), as_tabled(held)
    truths = published(folder, held.areas[0])
    found = {trial: tried(trial, truths, held, areas) for trial in TRIALS} | tried_trusts(folder, trusts)
    cutting = {trial: tests for trial, tests in found.items() if cut(tests).height}
    regions = regions_of(trusts)
    results = [result_of(trial, cutting, regions) for trial in cutting]
    borrowed = [fitted(trial, peers(trial, cutting)) for trial in untried(cutting, held)]
    text = page(results, cutting, held, folder)
    print(text)  # noqa: T201
    if write:
        DOC.write_text(text, encoding="utf-8")
        dropped = not_kept(results)
        kept = [each.certainty for each in results if each.trial.kinds not in dropped]
        pl.concat([*kept, *borrowed]).unique(maintain_order=True).write_csv(HELD, float_precision=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    main(told.folder, told.write)
