"""Runs of the toolkit on figures with seeded faults, and the share of faults with the right reason."""

import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.seeding import Row, SeededFaults, Series
from pipelines.app import steps
from pipelines.core.slices import newest_slices
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering

ROOT = Path(__file__).resolve().parent.parent
DAYS = ("2030-01-01", "2030-02-01")
"""Days of release of the file without faults and of the file with faults."""


_ABOUT = "title: t\npublisher: A publisher\nlicence: l\npage: https://example.org\n"
_UNHELD = f"{_ABOUT}access: not_held\nrequest: Ask.\nmeasures: {{unheld: {{title: u, unit: things, kind: stock}}}}\n"


class Score(NamedTuple):
    """Result for one reason: cells where it was due, cells where it was given, and cells in both."""

    reason: str
    due: int
    given: int
    right: int

    @property
    def precision(self) -> float:
        """Return the share of the cells with the reason where it was due."""
        return self.right / self.given if self.given else 1.0

    @property
    def recall(self) -> float:
        """Return the share of the cells due that have the reason."""
        return self.right / self.due if self.due else 1.0


def run_toolkit(series: Series, rows: list[Row], before: list[Row], folder: Path) -> pl.DataFrame:
    """Run the toolkit on a release and the one before; return code, period, and each reason or caveat of the cell."""
    project = _write_project(series, rows, before, folder)
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "a_problem")
    pattern = {"month": "%Y-%m", "year": "%Y", "quarter": "%Y-%m"}[series.grain]
    reasons = pl.concat_str("reason", "caveats", separator=",", ignore_nulls=True).str.split(",")
    period = pl.col("period_start").dt.strftime(pattern).alias("period")
    labelled = cells.select(pl.col("place_code").alias("code"), period, reasons.alias("reason"))
    return labelled.explode("reason").filter(pl.col("reason") != "")


def score_reasons(reasons_found: pl.DataFrame, seeded: SeededFaults, always: Iterable[str] = ()) -> list[Score]:
    """Compare the given reasons with those due; `always` lists caveats that every figure has."""
    due = pl.DataFrame(
        [(*spot, reason) for spot, reason in seeded.due.items()], schema=reasons_found.schema, orient="row"
    )
    assigned = reasons_found.filter(~pl.col("reason").is_in(list(always)))
    right = assigned.join(due, on=["code", "period", "reason"], how="semi")
    counts = {name: dict(frame["reason"].value_counts().iter_rows())
              for name, frame in (("due", due), ("given", assigned), ("right", right))}  # fmt: skip
    reasons = sorted({*counts["due"], *counts["given"]})
    return [Score(reason, *(counts[name].get(reason, 0) for name in ("due", "given", "right"))) for reason in reasons]


def sum_scores(tables: Iterable[list[Score]]) -> list[Score]:
    """Add the scores of several runs by reason, with the sum under `all`."""
    summed: dict[str, list[int]] = {}
    for score in (score_row for table in tables for score_row in table):
        for name in (score.reason, "all"):
            sums = summed.setdefault(name, [0, 0, 0])
            summed[name] = [total + new for total, new in zip(sums, score[1:], strict=True)]
    return [Score(name, *summed[name]) for name in sorted(summed, key=lambda name: (name == "all", name))]


def _write_project(series: Series, rows: list[Row], before: list[Row], folder: Path) -> Project:
    """Write a small project: the real register and changes, the series as a source, and one problem for all places."""
    root, sources = folder / "project", folder / "project" / "sources"
    (root / "pipelines" / "problems").mkdir(parents=True)
    (sources / "starter").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", sources / "shared")
    for name in ("ons_lad_register", "ons_lad_changes"):
        shutil.copy(ROOT / "sources" / f"{name}.yaml", sources)
        shutil.copy(ROOT / "sources" / "starter" / f"{name}.csv", sources / "starter")
    for day, lines in zip(DAYS, (before, rows), strict=True):
        table = pl.DataFrame(lines, schema=list(Row._fields), orient="row")
        table = table if series.has_people else table.drop("people")
        table.write_csv(sources / "starter" / f"{day}.csv")
    (sources / "no_source.yaml").write_text(_UNHELD, encoding="utf-8")
    (sources / "a_source.yaml").write_text(_source_yaml(series), encoding="utf-8")
    (root / "pipelines" / "problems" / "a_problem.sql").write_text(_problem_sql(series), encoding="utf-8")
    return Project(load_catalogue(root), folder / "store", date(2030, 3, 1))


def _source_yaml(series: Series) -> str:
    people = "people" if series.has_people else "unheld"
    more = f", denominator: {people}" if series.kind == "rate" else ""
    more += f", rounding: {series.rounding}" if series.rounding else ""
    listed = ", ".join(f"{{file: starter/{day}.csv, released: {day}}}" for day in DAYS)
    kinds = ", ".join((series.grain, *series.other_kinds))
    return (
        f"{_ABOUT}period_kind: [{kinds}]\ngeography: {series.places}\nreleases: [{listed}]\n"
        "columns: {place: code, label: label, period: period}\n"
        "markers: {c: {status: confidential, lower_bound: 1, upper_bound: 4}}\n"
        f"measures:\n  figure: {{title: f, unit: '{series.unit}', column: figure, kind: {series.kind}{more}}}\n"
        + ("  people: {title: p, unit: people, column: people, kind: stock}\n" if series.has_people else "")
    )


def _problem_sql(series: Series) -> str:
    periods = sorted(series.rows["period"].unique())
    only = ", ".join(sorted(series.rows["code"].unique()))
    return (
        f"/*\nquestion: q\ndecision: d\nowner: o\ngeography: {series.places}\n"
        f"place_codes: [{only}]\ngrain: {series.grain}\n"
        f"periods: {{start: '{periods[0]}', end: '{periods[-1]}'}}\nneeds: {{figure: {{}}}}\n*/\n"
        "select place_period.place_code, place_period.period_start, figure.value as figure\n"
        f"from {series.places}.place_period join {series.places}.figure using (place_code, period_start)\n"
    )


def complete_series(observation: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """Select the newest release of each period, and the places with a figure in all periods.

    Adds `period` and `figure` as text, in the publisher's form.
    """
    current = newest_slices(observation).drop_nulls("value")
    often = current.with_columns(pl.len().over("period_start").alias("places"))
    usual = often.filter(pl.col("places") >= 0.9 * pl.col("places").max())
    whole = usual.filter(pl.len().over("place_code") == pl.col("period_start").n_unique())
    return whole.drop("places").with_columns(
        pl.col("period_start").dt.strftime(pattern).alias("period"),
        pl.format("{}", "value").str.strip_suffix(".0").alias("figure"),
    )
