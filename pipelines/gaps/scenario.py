"""Scenario of a reorganisation: a declared future map, and the answers that each problem could give on it.

A scenario (pipelines.geography.reorganisation) lists future councils and the districts that form each. Nothing is
published: the results are marked as a scenario and stay out of commonground.duckdb.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.declarations.catalogue import Problem
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps.cells import Block, build_cells
from pipelines.gaps.need_scope import is_needed
from pipelines.gaps.placing import place_sources, stack_sources
from pipelines.gaps.view import run_problem_select
from pipelines.geography import (
    PlaceData,
    Scenario,
    add_scenario,
    build_crosswalk,
    load_place_data,
    load_places,
    require_places,
)

COUNCIL_SEPARATOR = "; "
"""Separator between the future councils of a district that is cut."""
COUNCIL_ORDER = ("council", "side")


class ScenarioResult(NamedTuple):
    """Answers of a problem for the current districts, and for the future councils.

    `cells` (schema.CELL_COLUMNS) and `view` (the columns of the problem's SELECT) have both sides. `council` names the
    future council, or the councils between which a district is cut. `side` is now or then. `scenario` is the title.
    """

    cells: pl.DataFrame
    view: pl.DataFrame


def run_scenario(project: Project, problem: Problem, scenario: Scenario, path: Path) -> ScenarioResult:
    """Answer a problem for the future councils, beside its answers for their current districts.

    Raises DeclarationError as `planned` does, where the scenario is invalid.
    """
    geography_data = add_scenario(load_place_data(project, load_places(project)), scenario, path)
    councils = _name_councils(geography_data, scenario)
    current_problem = problem._replace(header=problem.header.model_copy(update={"place_codes": ()}))
    future_problem = current_problem._replace(
        header=current_problem.header.model_copy(update={"geography": scenario.system})
    )
    sides = []
    for side, side_problem in (("now", current_problem), ("then", future_problem)):
        system = _select_side(geography_data.places.register, scenario, councils, side)
        target = frozenset(system["place_code"])
        placed, aside, _ = stack_sources(*place_sources(project, side_problem, target, geography_data))
        cells = build_cells(Block(current_problem, system, placed), project.catalogue, aside, project.as_of)
        view = run_problem_select(current_problem, system, [cells.lazy()], placed)
        sides.append([_add_council_columns(frame, scenario, councils, side) for frame in (cells, view)])
    cells, view = (pl.concat(frames) for frames in zip(*sides, strict=True))
    order = [*COUNCIL_ORDER, "place_code"]
    return ScenarioResult(cells.sort("problem", "measure", "period_start", *order), view.sort(order))


def _name_councils(geography_data: PlaceData, scenario: Scenario) -> dict[str, str]:
    """Name the future council of each district and of each council; those of a cut district are joined."""
    names = {new.code: new.name for new in scenario.new}
    crosswalk = build_crosswalk(geography_data, scenario.geography, scenario.system, target=frozenset(names))
    there = crosswalk.drop_nulls(["from_code", "to_code"]).sort("from_code", "to_code")
    by_district = there.group_by("from_code").agg(pl.col("to_code").replace_strict(names).str.join(COUNCIL_SEPARATOR))
    return {**dict(by_district.iter_rows()), **names}


def _select_side(register: pl.DataFrame, scenario: Scenario, councils: dict[str, str], side: str) -> pl.DataFrame:
    """Select the places of one side: the current districts, or the future councils."""
    if side == "now":
        return require_places(register, scenario.geography).filter(pl.col("place_code").is_in(list(councils)))
    return register.filter(pl.col("place_code").is_in([new.code for new in scenario.new]))


def _add_council_columns(frame: pl.DataFrame, scenario: Scenario, councils: dict[str, str], side: str) -> pl.DataFrame:
    council = pl.col("place_code").replace_strict(councils, return_dtype=pl.String).alias("council")
    return frame.with_columns(council, pl.lit(side).alias("side"), pl.lit(scenario.title).alias("scenario"))


def list_lost_measures(cells: pl.DataFrame, measures: Mapping[str, Measure]) -> pl.DataFrame:
    """List measures with a figure for every current district and none for the new council.

    Returns problem, measure, council, reason, and whom to ask for what before the reorganisation: for a rate, its
    parts. `cells` counts the lost periods. Bounds are known where one period is lost; those of several differ.
    """
    key = ["problem", "measure", "council", "period_start"]
    old = (
        cells.filter(pl.col("side") == "now")
        .with_columns(pl.col("council").str.split(COUNCIL_SEPARATOR))
        .explode("council")
    )
    now = old.group_by(key).agg(pl.col("value").is_not_null().all().alias("known"))
    then = cells.filter(pl.col("side") == "then", pl.col("reason").is_not_null(), is_needed())
    lost = then.join(now.filter("known"), on=key, how="semi")
    parts = {
        name: f"{' and '.join(filter(None, (measure.numerator, measure.denominator)))}, by district"
        for name, measure in measures.items()
        if measure.kind == "rate"
    }
    key = ["problem", "measure", "council", "reason", "ask_for", "data_owner", "remedy"]
    return (
        lost.with_columns(pl.col("measure").replace_strict(parts, default=None).alias("ask_for"))
        .group_by(key)
        .agg(pl.len().alias("cells"), *(_bound_of_one_period(name) for name in ("lower_bound", "upper_bound")))
        .sort(key)
    )


def _bound_of_one_period(name: str) -> pl.Expr:
    """Return the bound of a group with one cell. No bound of one period may be shown for several."""
    return pl.when(pl.len() == 1).then(pl.col(name).first())
