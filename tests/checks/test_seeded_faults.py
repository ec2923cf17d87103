"""Every kind of fault is seeded into real figures of the starter edition and reported by its reason.

The full run, with series that no threshold was chosen on, is benchmarks/seeded_faults.py; docs/detection.md has
its figures.
"""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.detection import Score, complete_series, run_toolkit, score_reasons, sum_scores
from benchmarks.floor_faults import FloorTrial, run_floor_trial
from benchmarks.seeding import CELL_FAULTS, PERIOD_FAULTS, Row, Series, seed_faults
from checks.figures import flag_figures
from pipelines.declarations.project import Project
from pipelines.geography import load_geography
from pipelines.observations.access import scan_observations

PRECISION, RECALL, OVERALL = 0.99, 0.95, 0.99
RUNS = [(name, every, seed) for name, every in (("dwp_uc_households", 8), ("ons_claimant_rate", 20)) for seed in (1, 2)]
"""Source, number of periods for each fault in a place, and seed."""


def series_of(project: Project, name: str) -> Series:
    """Return the complete figures of a source, without places that have flags of their own."""
    source = project.catalogue.sources[name]
    observed = scan_observations(project, name).collect()
    measure = next(iter(source.measures.values()))
    monthly = source.period_kind == ("month",)
    last = date(2022, 12, 31) if monthly else date(2025, 12, 31)
    whole = complete_series(observed.filter(pl.col("period_end") <= last), "%Y-%m" if monthly else "%Y")
    doubted = flag_figures(whole, source.measures).filter(pl.col("reason") != "rounded")
    rows = whole.join(doubted, on="place_code", how="anti").select(
        pl.col("place_code").alias("code"), pl.col("place_label").alias("label"), "period", "figure"
    )
    grain, older = ("month", "2021-12") if monthly else ("year", "2022")
    return Series(name, rows, measure.kind, grain, source.geography or "", older, measure.rounding)


@pytest.fixture(scope="module")
def scores(starter: Project, tmp_path_factory: pytest.TempPathFactory) -> list[Score]:
    tables = []
    for name, every, seed in RUNS:
        series = series_of(starter, name)
        faults = seed_faults(series, seed, every)
        given = run_toolkit(series, faults.rows, faults.before, tmp_path_factory.mktemp(name))
        tables.append(score_reasons(given, faults, ["rounded"] if series.rounding else []))
    return sum_scores(tables)


def test_each_reason_is_given_only_where_it_is_due(scores: list[Score]) -> None:
    short = [score for score in scores if score.precision < PRECISION or score.recall < RECALL]
    assert not short, short


def test_all_cells_have_the_expected_reason(scores: list[Score]) -> None:
    whole = scores[-1]
    assert whole.reason == "all" and whole.due > 5_000
    assert whole.precision >= OVERALL and whole.recall >= OVERALL, whole


def test_every_fault_is_reported_with_its_reason(scores: list[Score]) -> None:
    assert {score.reason for score in scores} >= {
        "not_returned", "withdrawn", "suspected_zero", "near_zero_leak", "partial_return", "implausible", "unit_change",
        "repeated_value", "combined_area", "duplicate", "suppressed", "unreadable", "rounded", "no_figure_for_period",
    }  # fmt: skip
    assert all(score.due >= 20 for score in scores), scores


def test_sound_figures_of_the_starter_edition_are_not_flagged(starter: Project, tmp_path: Path) -> None:
    series = series_of(starter, "ons_claimant_rate")
    rows = [Row(*row) for row in series.rows.iter_rows()]
    given = run_toolkit(series, rows, [row for row in rows if row.period <= series.older], tmp_path)
    assert given["reason"].unique().to_list() == ["rounded"]


def test_place_has_at_most_one_kind_of_seeded_fault(starter: Project) -> None:
    series = series_of(starter, "dwp_uc_households")
    faults = seed_faults(series, 1, 8)
    assert len(CELL_FAULTS) + len(PERIOD_FAULTS) == 17
    spans = {
        spot[1] for spot, reason in faults.due.items() if reason in ("unit_change", "rounded", "no_figure_for_period")
    }
    own = {spot[0] for spot, reason in faults.due.items() if spot[1] not in spans}
    assert series.rows["code"].n_unique() - len(own) > series.rows["code"].n_unique() / 4


FLOOR_SERIES = (("ons_residents_all_ages", "residents_all_ages_by_year", "stock", "people"),
                ("ons_business_demography", "business_birth_rate", "rate", "%"))  # fmt: skip
"""Sources of the starter edition on which no threshold was chosen, with a measure, its kind and its unit."""


@pytest.mark.parametrize(("name", "measure", "kind", "unit"), FLOOR_SERIES)
def test_faults_that_need_no_declaration_are_found(
    starter: Project, name: str, measure: str, kind: str, unit: str
) -> None:
    observed = scan_observations(starter, name).filter(pl.col("measure") == measure).collect()
    places = load_geography(starter, "lad_2023").places.select("place_code", pl.col("place_name").alias("place_label"))
    figures = observed.filter(pl.col("period_start").dt.year() >= 2012).drop("place_label").with_columns(
        pl.lit("figure").alias("measure"), pl.col("place_code").cast(pl.String)
    ).join(places, on="place_code")  # fmt: skip
    scores = run_floor_trial(FloorTrial(name, figures, kind, unit), seeds=(1,)).scores
    assert [score for score in scores if score.precision < RECALL or score.recall < RECALL] == []
    assert len(scores) == (6 if kind == "stock" else 7) and all(score.due >= 20 for score in scores)
