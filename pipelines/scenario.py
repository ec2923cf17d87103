"""Rehearsing a reorganisation: a declared map of the future, and what each problem could say on it.

A scenario lists councils to come and the districts each is made of. Nothing of it is published: what comes
out is marked as a scenario and stays out of commonground.duckdb.
"""

import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field

from pipelines.answering import placed_slices
from pipelines.catalogue import Problem
from pipelines.cells import typed_cells
from pipelines.declaration import read_yaml, validate
from pipelines.declared import Declared, Names, PlaceSystem
from pipelines.errors import DeclarationError, UnknownNameError, at, near
from pipelines.places import Places, system_places
from pipelines.schema import CHANGE, PLACE, conformed
from pipelines.steps import Project, register_places

_CODE = re.compile(r"PLAN-[A-Z0-9-]{1,40}")


def _planned(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise ValueError("the code of a council to come starts with PLAN-, as in PLAN-EAST-SURREY")
    return code


class NewPlace(Declared):
    """A council to come."""

    code: Annotated[str, AfterValidator(_planned)] = Field(description="Made-up code, starting with PLAN-")
    name: str = Field(description="Its name")
    of: Names = Field(min_length=1, description="Codes of the districts it is made of")


class Scenario(Declared):
    """A reorganisation that may come: which districts become which councils, and when."""

    title: str = Field(description="What would happen, in one line")
    plan: str = Field(description="Where the plan can be read")
    day: date = Field(description="Day on which the new councils would start")
    places: PlaceSystem = Field(description="Place system of the districts named")
    replaces: str = Field(description="Code of the county whose districts would all go")
    new: Annotated[tuple[NewPlace, ...], Field(min_length=1, strict=False)] = Field(description="The councils to come")


def read_scenario(root: Path, name: str) -> tuple[Scenario, Path]:
    """Read a scenario by name from pipelines/scenarios/; an unknown one is refused with the near ones."""
    folder = root / "pipelines" / "scenarios"
    path = folder / f"{name}.yaml"
    known = [found.stem for found in folder.glob("*.yaml")]
    if name not in known:
        raise UnknownNameError(f"unknown scenario {name!r}; {near(name, known)}")
    data, lines = read_yaml(path.read_text(encoding="utf-8"), path)
    return validate(Scenario, data, lines, path), path


def rehearsed(places: Places, scenario: Scenario, path: Path) -> Places:
    """Add the councils to come to the register, and what their districts would become.

    Raises DeclarationError where a district is unknown, in two councils, of another county, or left out.
    """
    districts = system_places(places.register, scenario.places)
    _check(districts, scenario, path)
    of = {code: new for new in scenario.new for code in new.of}
    changes = [
        {"from_code": code, "to_code": new.code, "kind": "merged" if len(new.of) > 1 else "recoded",
         "changed_on": scenario.day, "authority": f"Scenario: {scenario.title}"}
        for code, new in of.items()
    ]  # fmt: skip
    return Places(
        pl.concat([places.register, _new_places(districts, scenario)]),
        pl.concat([places.changes, conformed(pl.DataFrame(changes), CHANGE)]),
    )


def _new_places(districts: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    rows = [
        {**districts.filter(pl.col("place_code") == new.of[0]).row(0, named=True), "place_code": new.code,
         "place_name": new.name, "place_name_welsh": None, "parent_code": None,
         "valid_from": scenario.day, "valid_to": None}
        for new in scenario.new
    ]  # fmt: skip
    return conformed(pl.DataFrame(rows, infer_schema_length=None), PLACE)


def _check(districts: pl.DataFrame, scenario: Scenario, path: Path) -> None:
    named = [code for new in scenario.new for code in new.of]
    known = dict(districts.select("place_code", "place_name").iter_rows())
    going = districts.filter(pl.col("parent_code") == scenario.replaces)["place_code"].to_list()
    unknown = [code for code in named if code not in known]
    twice = [code for code, times in Counter(named).items() if times > 1]
    others = [code for code in named if code in known and code not in going]
    left = [code for code in going if code not in named]
    same = [code for code, times in Counter(new.code for new in scenario.new).items() if times > 1]
    if not going:
        raise DeclarationError(f"{at(path)}: replaces: {scenario.replaces} has no districts in {scenario.places}")
    if unknown:
        raise DeclarationError(f"{at(path)}: {unknown[0]} is no place of {scenario.places}; {near(unknown[0], known)}")
    for codes, what in (
        (twice, "is in two councils; a district can go to one only"),
        (others, f"is no district of {scenario.replaces}"),
        (left, "is left out; every district of the county must go somewhere"),
    ):
        if codes:
            raise DeclarationError(f"{at(path)}: {', '.join(f'{code} {known[code]}' for code in codes)} {what}")
    if same:
        raise DeclarationError(f"{at(path)}: the code {same[0]} stands for two councils")
    if scenario.day - timedelta(days=1) <= districts["valid_from"].max():  # type: ignore[operator]
        raise DeclarationError(f"{at(path)}: day {scenario.day} is not after the districts of {scenario.places} began")


def rehearse(project: Project, problem: Problem, scenario: Scenario, path: Path) -> pl.DataFrame:
    """Answer a problem on the councils to come, beside what it says of their districts now.

    Gives schema.CELL for the districts and the new councils together, with `council` (name of the new
    council), `side` (now or then) and `scenario`.
    """
    places = rehearsed(register_places(project), scenario, path)
    all_asked = problem._replace(header=problem.header.model_copy(update={"only": ()}))
    of = {code: new.name for new in scenario.new for code in (*new.of, new.code)}
    now = places.register.filter(pl.col("place_code").is_in([code for new in scenario.new for code in new.of]))
    then = places.register.filter(pl.col("place_code").is_in([new.code for new in scenario.new]))
    sides = []
    for side, asked in (("now", now.unique("place_code", keep="last")), ("then", then)):
        placed, aside = placed_slices(project, all_asked, places, set(asked["place_code"]))
        cells = typed_cells(all_asked, project.catalogue, asked, placed, aside, project.as_of)
        sides.append(cells.with_columns(pl.lit(side).alias("side")))
    return (
        pl.concat(sides)
        .with_columns(
            pl.col("place_code").replace_strict(of).alias("council"), pl.lit(scenario.title).alias("scenario")
        )
        .sort("problem", "measure", "period_start", "council", "side", "place_code")
    )


def lost_measures(cells: pl.DataFrame) -> pl.DataFrame:
    """List what stops being answerable: known for every district now, and for the new council not.

    Gives problem, measure, council, reason, and what to ask for before the day.
    """
    key = ["problem", "measure", "council", "period_start"]
    now = cells.filter(pl.col("side") == "now").group_by(key).agg(pl.col("value").is_not_null().all().alias("known"))
    then = cells.filter(pl.col("side") == "then", pl.col("reason").is_not_null())
    lost = then.join(now.filter("known"), on=key, how="semi")
    return (
        lost.group_by("problem", "measure", "council", "reason", "holder", "remedy")
        .agg(pl.len().alias("cells"), pl.col("low").first(), pl.col("high").first())
        .sort("problem", "measure", "council")
    )
