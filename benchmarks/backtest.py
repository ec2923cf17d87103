"""Back-tests of apportioned figures: apportion figures with known truths at both ends, and record the errors.

.venv/bin/python -m benchmarks.backtest FOLDER [--write]

FOLDER contains the published files (geo/ and indicators/). For each pair of kinds of place and each group of people,
small-area figures are added up to the source places, apportioned, and compared with their sums at the target places.
All figures fit the intervals. Each kind of figure is tested by an interval that the others fit. `--write` stores the
intervals in pipelines/apportionment/error_model.csv and the tables in docs/crosswalk-errors.md. Where tobler is
installed, its area weighting does the same task in the same run. The run takes 18 minutes and 6 GB.
"""

import argparse
import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from benchmarks.backtest_figures import read_truths
from benchmarks.backtest_fit import (
    TRIALS,
    cut_places,
    fit_interval,
    fit_result,
    pairs_without_truth,
    pool_of_trial,
    rejected_pairs,
    run_trial,
    with_systems,
)
from benchmarks.backtest_page import write_page
from benchmarks.backtest_trusts import run_trust_trials, trust_regions, with_salford_alone
from pipelines.app import steps
from pipelines.apportionment.error_model import ERROR_MODEL_PATH
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.load import load_place_data

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "crosswalk-errors.md"


def run_backtest(folder: Path, write: bool) -> None:
    """Run every trial, print the page, and store the results where requested."""
    with tempfile.TemporaryDirectory() as store:
        project = Project(load_catalogue(ROOT), Path(store), date(2026, 11, 24))
        steps.prepare_store(project)
        geography_data = load_place_data(project, load_places(project))
    areas, trusts = with_systems(geography_data.areas[-1], geography_data.places), with_salford_alone(geography_data)
    truths = read_truths(folder, geography_data.areas[-1])
    trials = {trial: run_trial(trial, truths, geography_data, areas) for trial in TRIALS} | run_trust_trials(
        folder, trusts
    )
    cutting = {trial: tests for trial, tests in trials.items() if cut_places(tests).height}
    regions = trust_regions(trusts)
    results = [fit_result(trial, cutting, regions) for trial in cutting]
    borrowed_intervals = [
        fit_interval(trial, pool_of_trial(trial, cutting)) for trial in pairs_without_truth(cutting, geography_data)
    ]
    text = write_page(results, cutting, geography_data, folder)
    print(text)  # noqa: T201
    if write:
        DOC.write_text(text, encoding="utf-8")
        dropped = rejected_pairs(results)
        kept_intervals = [result.certainty for result in results if result.trial.kinds not in dropped]
        pl.concat([*kept_intervals, *borrowed_intervals]).unique(maintain_order=True).write_csv(
            ERROR_MODEL_PATH, float_precision=5
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    run_backtest(options.folder, options.write)
