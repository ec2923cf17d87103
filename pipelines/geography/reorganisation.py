"""A scenario: new councils, and the districts or parts of districts that each takes over.

Every district of the replaced area goes to a council exactly once. A district that is divided is defined by wards or
other small areas, with their residents as weights, or by shares that the plan gives.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
from pydantic import AfterValidator, Field

from pipelines.core.errors import DeclarationError, UnknownNameError, at, near
from pipelines.core.schema import CHANGE, PLACE, rows
from pipelines.declarations.base import Declared, Names, PlaceSystem
from pipelines.declarations.yaml_lines import read_yaml, validate
from pipelines.geography.catchments import Shares
from pipelines.geography.crosswalk import Geography
from pipelines.geography.overlay import membership
from pipelines.geography.register import Places, system_places
from pipelines.geography.small_areas import Areas, vintage

_CODE = re.compile(r"PLAN-[A-Z0-9-]{1,40}")
TOLERANCE = 1e-6
"""Tolerance for the sum of the declared shares of a district."""


def _planned(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise ValueError("the code of a new council starts with PLAN-, such as PLAN-EAST-SURREY")
    return code


class Parts(Declared):
    """Parts of divided districts: wards, LSOAs or other areas made up of small areas."""

    geography: PlaceSystem = Field(description="Geography of the codes, such as ward_2024 or lsoa_2021")
    codes: Names = Field(min_length=1, description="Codes of the parts that this council takes over")


class NewPlace(Declared):
    """A new council."""

    code: Annotated[str, AfterValidator(_planned)] = Field(description="Provisional code, starting with PLAN-")
    name: str = Field(description="Name of the council")
    districts: Names = Field((), description="Codes of the districts that it takes over entirely")
    parts: Annotated[tuple[Parts, ...], Field(strict=False)] = Field((), description="Parts of divided districts")
    shares: dict[str, float] = Field(
        {}, description="Share of residents, 0 to 1, from each district that the plan divides"
    )


class Scenario(Declared):
    """A possible reorganisation: which districts, or parts of districts, become which councils, and when."""

    title: str = Field(description="Summary of the reorganisation in one line")
    plan: str = Field(description="Reference to the published plan")
    day: date = Field(description="Day on which the new councils start")
    geography: PlaceSystem = Field(description="Geography of the districts")
    replaces: str = Field(description="Code of the county with the replaced districts, or of one district")
    new: Annotated[tuple[NewPlace, ...], Field(min_length=1, strict=False)] = Field(description="The new councils")

    @property
    def system(self) -> str:
        """Return the geography of the new councils."""
        return f"plan_{self.day.year}"


def read_scenario(root: Path, name: str) -> tuple[Scenario, Path]:
    """Read a scenario from a YAML file, or by name from pipelines/scenarios/; refuse an unknown name."""
    folder = root / "pipelines" / "scenarios"
    known = [found.stem for found in folder.glob("*.yaml")]
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError(
            f"unknown scenario {name!r}; give the path of a .yaml file, or a name: {near(name, known)}"
        )
    data, lines = read_yaml(path.read_text(encoding="utf-8"), path)
    return validate(Scenario, data, lines, path), path


class _Map(NamedTuple):
    """A scenario under validation: its file, the districts of its geography and those to be replaced."""

    scenario: Scenario
    path: Path
    names: dict[str, str]
    going: list[str]

    def refuse(self, what: str) -> DeclarationError:
        return DeclarationError(f"{at(self.path)}: {what}")

    def named(self, codes: Iterable[str]) -> str:
        return ", ".join(f"{code} {self.names.get(code, '')}".strip() for code in codes)


def planned(held: Geography, scenario: Scenario, path: Path) -> Geography:
    """Add the new councils to the stored geography data: register, code changes and small areas or shares.

    Raises DeclarationError, naming the file and the code, where a district or a part is unknown, of another date or
    county, in two councils or omitted, where councils depend on each other, or where shares do not sum to 1.
    """
    districts = system_places(held.places.register, scenario.geography)
    names = dict(districts.select("place_code", "place_name").iter_rows())
    mine = (pl.col("parent_code") == scenario.replaces) | (pl.col("place_code") == scenario.replaces)
    plan = _Map(scenario, path, names, districts.filter(mine)["place_code"].to_list())
    _see_councils(plan, districts)
    _see_districts(plan, held.places.register)
    cut = _cut_by_areas(plan, held)
    _see_all_once(plan, set(cut.districts))
    return _with_plan(held, plan, cut, districts)


def _see_councils(plan: _Map, districts: pl.DataFrame) -> None:
    scenario = plan.scenario
    if not plan.going:
        raise plan.refuse(
            f"replaces: found no districts of {scenario.replaces} in {scenario.geography}, "
            "expected a county or a district"
        )
    same = [code for code, times in Counter(new.code for new in scenario.new).items() if times > 1]
    if same:
        raise plan.refuse(f"found the code {same[0]} for two councils, expected different codes")
    for new in scenario.new:
        if not (new.districts or new.parts or new.shares):
            raise plan.refuse(f"{new.code} has no districts; declare them under districts, parts or shares")
        _see_no_circle(plan, new.code)
    if scenario.day - timedelta(days=1) <= districts["valid_from"].max():  # type: ignore[operator]
        raise plan.refuse(f"day {scenario.day} is not after the start of the districts of {scenario.geography}")


def _see_no_circle(plan: _Map, code: str) -> None:
    made_of = {
        new.code: [each for each in (*new.districts, *new.shares) if _CODE.fullmatch(each)] for new in plan.scenario.new
    }
    chain = [code]
    while made_of.get(chain[-1]):
        chain.append(made_of[chain[-1]][0])
        if chain[-1] in chain[:-1]:
            raise plan.refuse(f"{' takes over '.join(chain)}: found a cycle, expected districts")
    if len(chain) > 1:
        raise plan.refuse(f"{chain[0]} takes over {chain[1]}, which is a new council; declare its districts")


def _see_districts(plan: _Map, register: pl.DataFrame) -> None:
    """Refuse districts outside the geography or the replaced area, and shares that do not sum to 1."""
    whole = [code for new in plan.scenario.new for code in new.districts]
    shares = [(code, share) for new in plan.scenario.new for code, share in new.shares.items()]
    for code in (*whole, *(code for code, _ in shares)):
        if code not in plan.names:
            known = code in set(register["place_code"])
            hint = f"it is {vintage(code, register)}" if known else near(code, plan.names)
            raise plan.refuse(f"{code} is not in {plan.scenario.geography}; {hint}")
    others = [code for code in (*whole, *(code for code, _ in shares)) if code not in plan.going]
    if others:
        raise plan.refuse(f"{plan.named(others)} is not a district of {plan.scenario.replaces}")
    for code, share in shares:
        if not 0 < share < 1:
            raise plan.refuse(f"{plan.named([code])} has the share {share}, expected more than 0 and less than 1")
    for code in dict.fromkeys(code for code, _ in shares):
        total = sum(share for each, share in shares if each == code)
        if abs(total - 1) > TOLERANCE:
            raise plan.refuse(f"the shares of {plan.named([code])} sum to {total:.6g}, expected 1")


class _Cut(NamedTuple):
    """The districts divided by small areas, the table of these areas, and the new council of each."""

    districts: tuple[str, ...]
    areas: Areas | None
    council: pl.Series | None


def _cut_by_areas(plan: _Map, held: Geography) -> _Cut:
    """Assign each small area of the divided districts to a council."""
    systems = sorted({part.geography for new in plan.scenario.new for part in new.parts})
    if not systems:
        return _Cut((), None, None)
    if any(new.shares for new in plan.scenario.new):
        raise plan.refuse("found districts divided by parts and by shares, expected one method for all districts")
    areas = next((each for each in held.areas if set(systems) <= set(each.systems)), None)
    lies = membership(areas, held.places, plan.scenario.geography) if areas else None
    if areas is None or lies is None:
        known = sorted({name for each in held.areas for name in each.systems})
        raise plan.refuse(f"parts: found no stored small areas by {' and '.join(systems)}; {near(systems[0], known)}")
    table = areas.table.with_columns(lies[0].alias("district"), pl.lit(None, pl.String).alias("council"))
    for new in plan.scenario.new:
        for part in new.parts:
            table = _given(plan, areas, table, new.code, part)
    cut = table.filter(pl.col("council").is_not_null())["district"].unique().sort()
    _see_whole(plan, table.filter(pl.col("district").is_in(cut.implode())), systems[0])
    whole = {code: new.code for new in plan.scenario.new for code in new.districts}
    council = pl.coalesce("council", pl.col("district").replace_strict(whole, default=None, return_dtype=pl.String))
    return _Cut(tuple(cut), areas, table.select(council).to_series())


def _given(plan: _Map, areas: Areas, table: pl.DataFrame, council: str, part: Parts) -> pl.DataFrame:
    """Assign the small areas of some parts to a council."""
    known = set(table[part.geography].drop_nulls())
    strange = [code for code in part.codes if code not in known]
    if strange:
        elsewhere = [name for name in areas.systems if strange[0] in set(areas.table[name].drop_nulls())]
        hint = f"it is a code of {' and '.join(elsewhere)}" if elsewhere else near(strange[0], known)
        raise plan.refuse(f"{strange[0]} is not in {part.geography}; {hint}")
    inside = pl.col(part.geography).is_in(part.codes)
    away = table.filter(inside, ~pl.col("district").is_in(plan.going).fill_null(False))
    if away.height:
        code, district = away.select(part.geography, "district").row(0)
        raise plan.refuse(
            f"{code} is in {plan.named([district or 'no district'])}, expected a part of {plan.scenario.replaces}"
        )
    twice = table.filter(inside, pl.col("council").is_not_null())
    repeated = [code for code, times in Counter(part.codes).items() if times > 1]
    if twice.height or repeated:
        code = repeated[0] if repeated else twice[part.geography][0]
        raise plan.refuse(f"found {code} twice, expected each part of a district in one council")
    return table.with_columns(pl.when(inside).then(pl.lit(council)).otherwise("council").alias("council"))


def _see_whole(plan: _Map, cut: pl.DataFrame, system: str) -> None:
    left = cut.filter(pl.col("council").is_null()).sort("district", system)
    if left.height:
        district = left["district"][0]
        codes = left.filter(pl.col("district") == district)[system].drop_nulls().unique(maintain_order=True)
        more = f" and {len(codes) - 5} more" if len(codes) > 5 else ""
        raise plan.refuse(
            f"{', '.join(codes[:5])}{more} of {plan.named([district])} omitted; assign every part of a divided "
            "district to a council"
        )


def _see_all_once(plan: _Map, cut: set[str]) -> None:
    new = plan.scenario.new
    ways = Counter(
        [*(code for each in new for code in each.districts), *{code for each in new for code in each.shares}, *cut]
    )
    twice = [code for code, times in ways.items() if times > 1]
    if twice:
        raise plan.refuse(f"{plan.named(twice)} is in two councils; assign it to one, or divide it by one method")
    left = [code for code in plan.going if code not in ways]
    if left:
        raise plan.refuse(
            f"{plan.named(left)} is omitted; assign every district of {plan.scenario.replaces} to a council"
        )


def _with_plan(held: Geography, plan: _Map, cut: _Cut, districts: pl.DataFrame) -> Geography:
    scenario = plan.scenario
    changes = [
        {"from_code": code, "to_code": new.code, "changed_on": scenario.day, "authority": f"Scenario: {scenario.title}",
         "kind": "recoded" if (new.districts, new.parts, new.shares) == ((code,), (), {}) else "merged"}
        for new in scenario.new for code in new.districts
    ]  # fmt: skip
    places = Places(
        pl.concat([held.places.register, _new_places(districts, plan)]),
        pl.concat([held.places.changes, rows(changes, CHANGE)]),
    )
    shares = (_declared_shares(scenario),) if any(new.shares for new in scenario.new) else ()
    areas = tuple(_with_council(each, scenario, cut) if each is cut.areas else each for each in held.areas)
    return Geography(places, areas, (*held.shares, *shares))


def _new_places(districts: pl.DataFrame, plan: _Map) -> pl.DataFrame:
    """Build the register rows of the new councils, in the larger areas of their districts."""
    like = districts.filter(pl.col("place_code") == plan.going[0]).row(0, named=True)
    made = [
        {**like, "place_code": new.code, "place_name": new.name, "place_name_welsh": None, "parent_code": None,
         "valid_from": plan.scenario.day, "valid_to": None}
        for new in plan.scenario.new
    ]  # fmt: skip
    return rows(made, PLACE)


def _with_council(areas: Areas, scenario: Scenario, cut: _Cut) -> Areas:
    """Add the new council of each small area as a column, like any other geography."""
    table = areas.table.with_columns(cut.council.alias(scenario.system) if cut.council is not None else [])
    return areas._replace(systems=(*areas.systems, scenario.system), table=table)


def _declared_shares(scenario: Scenario) -> Shares:
    told = [(code, new.code, share) for new in scenario.new for code, share in new.shares.items()]
    table = pl.DataFrame(told, {"from_code": pl.String, "to_code": pl.String, "share": pl.Float64}, orient="row")
    return Shares(
        "scenario", scenario.geography, scenario.system, scenario.day, f"shares declared by {scenario.plan}", table
    )
