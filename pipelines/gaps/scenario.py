"""Rehearsing a reorganisation: a declared map of the future, and what each problem could say on it.

A scenario (pipelines.geography.reorganisation) lists councils to come and what each is made of. Nothing of it is
published: what
comes out is marked as a scenario and stays out of commonground.duckdb.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.declarations.catalogue import Problem
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps.answer import placed_slices
from pipelines.gaps.cells import typed_cells
from pipelines.gaps.view import answer
from pipelines.geography import Geography, Scenario, build_crosswalk, geography, planned, register_places, system_places

AND = "; "
"""Stands between the councils to come of a district that is cut."""
ORDER = ("council", "side")


class Rehearsed(NamedTuple):
    """What a problem says of the districts now, and what it could say of the councils to come.

    `cells` (schema.CELL) and `view` (the columns of the problem's SELECT) have both sides together, with `council`
    (name of the council to come, or of those that a district is cut between), `side` (now or then) and `scenario`.
    """

    cells: pl.DataFrame
    view: pl.DataFrame


def rehearse(project: Project, problem: Problem, scenario: Scenario, path: Path) -> Rehearsed:
    """Answer a problem on the councils to come, beside what it says of their districts now.

    Raises DeclarationError as `planned` does, where the scenario can't be.
    """
    held = planned(geography(project, register_places(project)), scenario, path)
    of = _councils(held, scenario)
    asked = problem._replace(header=problem.header.model_copy(update={"place_codes": ()}))
    then = asked._replace(header=asked.header.model_copy(update={"geography": scenario.system}))
    sides = []
    for side, moved in (("now", asked), ("then", then)):
        system = _side(held.places.register, scenario, of, side)
        placed, aside, _ = placed_slices(project, moved, held.places, set(system["place_code"]), held)
        cells = typed_cells(asked, project.catalogue, system, placed, aside, project.as_of)
        view = answer(asked, system, cells, placed)
        sides.append([_marked(frame, scenario, of, side) for frame in (cells, view)])
    cells, view = (pl.concat(frames) for frames in zip(*sides, strict=True))
    order = [*ORDER, "place_code"]
    return Rehearsed(cells.sort("problem", "measure", "period_start", *order), view.sort(order))


def _councils(held: Geography, scenario: Scenario) -> dict[str, str]:
    """Name the council to come of each district and of itself; those of a district that is cut, one after the other."""
    names = {new.code: new.name for new in scenario.new}
    drawn = build_crosswalk(held, scenario.geography, scenario.system, target=frozenset(names))
    there = drawn.drop_nulls(["from_code", "to_code"]).sort("from_code", "to_code")
    told = there.group_by("from_code").agg(pl.col("to_code").replace_strict(names).str.join(AND))
    return {**dict(told.iter_rows()), **names}


def _side(register: pl.DataFrame, scenario: Scenario, of: dict[str, str], side: str) -> pl.DataFrame:
    """Give the places of one side: the districts of now, or the councils to come."""
    if side == "now":
        return system_places(register, scenario.geography).filter(pl.col("place_code").is_in(list(of)))
    return register.filter(pl.col("place_code").is_in([new.code for new in scenario.new]))


def _marked(frame: pl.DataFrame, scenario: Scenario, of: dict[str, str], side: str) -> pl.DataFrame:
    council = pl.col("place_code").replace_strict(of, return_dtype=pl.String).alias("council")
    return frame.with_columns(council, pl.lit(side).alias("side"), pl.lit(scenario.title).alias("scenario"))


def lost_measures(cells: pl.DataFrame, measures: Mapping[str, Measure]) -> pl.DataFrame:
    """List what stops being answerable: known for every district now, and for the new council not.

    Gives problem, measure, council, reason, and what to ask for before the day, and whom: for a rate its parts.
    """
    key = ["problem", "measure", "council", "period_start"]
    old = cells.filter(pl.col("side") == "now").with_columns(pl.col("council").str.split(AND)).explode("council")
    now = old.group_by(key).agg(pl.col("value").is_not_null().all().alias("known"))
    then = cells.filter(pl.col("side") == "then", pl.col("reason").is_not_null())
    lost = then.join(now.filter("known"), on=key, how="semi")
    parts = {
        name: f"{' and '.join(filter(None, (each.numerator, each.denominator)))}, by district"
        for name, each in measures.items()
        if each.kind == "rate"
    }
    return (
        lost.with_columns(pl.col("measure").replace_strict(parts, default=None).alias("ask_for"))
        .group_by("problem", "measure", "council", "reason", "ask_for", "holder", "remedy")
        .agg(pl.len().alias("cells"), pl.col("low").first(), pl.col("high").first())
        .sort("problem", "measure", "council")
    )
