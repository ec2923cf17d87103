"""Share of seeded faults found that need no declaration, and of returns that fall short, in series not used to fit.

benchmarks/seeded_faults.py writes the tables to docs/detection.md. No threshold was chosen on a series named here.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import polars as pl

from benchmarks.detection import Score, complete_series, run_toolkit, score_reasons, sum_scores
from benchmarks.floor_seeding import FLOOR_FAULTS
from benchmarks.seeding import Series, seed_faults
from checks.figures import flag_figures
from checks.providers import find_provider_shortfalls
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.declarations.measure import Measure

SEEDS = (1, 2, 3)
SHORT = 0.67
"""Share of a provider's return that comes in a seeded shortfall: about what Devon and Cornwall sent of 2023."""
SHORTFALLS = 5
"""Seeded shortfalls in one run: each of another provider, in a period that is neither the first nor the last."""


class FloorTrial(NamedTuple):
    """A published series: its title, its figures by place and year, and how they are declared."""

    title: str
    figures: pl.DataFrame
    kind: str
    unit: str


class FloorResult(NamedTuple):
    """Result of a trial: the scores, and the number of published figures that the faults were put among."""

    title: str
    scores: list[Score]
    sound: int


def run_floor_trial(trial: FloorTrial, seeds: tuple[int, ...] = SEEDS) -> FloorResult:
    """Put the faults of the floor into a series, run the toolkit, and count."""
    whole = complete_series(trial.figures, "%Y")
    measure = Measure(title="t", unit=trial.unit, kind=trial.kind, column=("figure",),
                      denominator="people" if trial.kind == "rate" else None)  # fmt: skip
    doubts = flag_figures(whole, {"figure": measure})
    rows = whole.join(doubts.filter(pl.col("reason") != "rounded"), on="place_code", how="anti").select(
        pl.col("place_code").alias("code"), pl.col("place_label").alias("label"), "period", "figure"
    )
    series = Series(trial.title, rows, trial.kind, "year", "lad_2023", "0000", None, trial.unit,
                    trial.kind == "rate", ("span",))  # fmt: skip
    is_rounded = "rounded" in doubts["reason"]
    scores = sum_scores(_run_seeds(series, seeds, ["rounded"] if is_rounded else []))
    return FloorResult(trial.title, scores, rows.height)


def _run_seeds(series: Series, seeds: tuple[int, ...], always: list[str]) -> Iterator[list[Score]]:
    every = max(2, series.rows["period"].n_unique() // 4)
    for seed in seeds:
        faults = seed_faults(series, seed, every, FLOOR_FAULTS, whole_faults=False)
        with tempfile.TemporaryDirectory() as folder:
            reasons = run_toolkit(series, faults.rows, faults.before, Path(folder))
        yield score_reasons(reasons, faults, always)


def run_shortfall_trial(title: str, figures: pl.DataFrame, providers: pl.DataFrame, seeds: int = 12) -> FloorResult:
    """Cut the returns of some providers to SHORT in one period, and count the flags by provider and period."""
    periods = sorted(figures["period_start"].unique())
    names = sorted(providers["provider"].unique())
    table = conform_table(figures.with_columns(pl.lit("figure").alias("measure")), OBSERVATION_COLUMNS)
    due = given = right = 0
    for seed in range(seeds):
        random = Random(seed)
        seeded = {(name, random.choice(periods[1:-1])) for name in random.sample(names, SHORTFALLS)}
        flagged = _find_short_providers(_cut_returns(table, providers, seeded), providers)
        due, given, right = due + len(seeded), given + len(flagged), right + len(flagged & seeded)
    return FloorResult(title, [Score("provider_shortfall", due, given, right)], figures.height)


def _cut_returns(table: pl.DataFrame, providers: pl.DataFrame, seeded: set[tuple[str, object]]) -> pl.DataFrame:
    cut = pl.DataFrame(sorted(seeded, key=str), schema={"provider": pl.String, "period_start": pl.Date}, orient="row")
    places = cut.join(providers, on="provider").select("place_code", "period_start", pl.lit(SHORT).alias("share"))
    joined = table.join(places, on=["place_code", "period_start"], how="left", maintain_order="left")
    return joined.with_columns((pl.col("value") * pl.col("share").fill_null(1)).round()).drop("share")


def _find_short_providers(table: pl.DataFrame, providers: pl.DataFrame) -> set[tuple[str, object]]:
    flags = find_provider_shortfalls(table, providers, "providers").join(providers, on="place_code")
    return set(flags.select("provider", "period_start").unique().iter_rows())


def render_floor(done: list[FloorResult], shortfalls: list[FloorResult]) -> list[str]:
    """Format the tables of docs/detection.md."""
    lines = ["## Faults that need no declaration\n", _HEAD]
    lines += ["| series | figures | faults with the right reason |", "|---|--:|--:|"]
    lines += [f"| {result.title} | {result.sound:,} | {result.scores[-1].recall:.1%} |" for result in done]
    lines += ["", "| reason | due | given | right | precision | recall |", "|---|--:|--:|--:|--:|--:|"]
    lines += [_score_line(f"`{score.reason}`", score) for score in sum_scores(result.scores[:-1] for result in done)
              if score.due]  # fmt: skip
    lines += ["", _SHORT_HEAD, "| series | due | given | right | precision | recall |", "|---|--:|--:|--:|--:|--:|"]
    return [*lines, *(_score_line(result.title, result.scores[0]) for result in shortfalls), ""]


def _score_line(name: str, score: Score) -> str:
    counts = f"{score.due:,} | {score.given:,} | {score.right:,}"
    return f"| {name} | {counts} | {score.precision:.3f} | {score.recall:.3f} |"


_FAULT_LIST = "\n".join(f"- {fault}" for fault in FLOOR_FAULTS)
_HEAD = f"""These series were not used to choose any threshold. Each place has at most one kind of fault:

{_FAULT_LIST}
"""
_SHORT_HEAD = f"""In the next table a provider of several places sends {SHORT:.0%} of one period: {SHORTFALLS}
providers in each of 12 runs. The providers are the police forces of the districts. Forces do not return these series,
so each shortfall is a seeded one.
"""
