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

from pipelines.core.errors import DeclarationError, UnknownNameError, file_location, suggest_names
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.base import Declaration, GeographyName, Names
from pipelines.declarations.yaml_lines import read_yaml, validate_declaration
from pipelines.geography.catchments import Shares
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.overlay import find_membership
from pipelines.geography.register import Places, require_places
from pipelines.geography.small_areas import Areas, describe_code

_PLAN_CODE = re.compile(r"PLAN-[A-Z0-9-]{1,40}")
SHARE_TOLERANCE = 1e-6
"""Tolerance for the sum of the declared shares of a district."""


def _validate_code(code: str) -> str:
    if not _PLAN_CODE.fullmatch(code):
        raise ValueError("the code of a new council starts with PLAN-, such as PLAN-EAST-SURREY")
    return code


class Parts(Declaration):
    """Parts of divided districts: wards, LSOAs or other areas made up of small areas."""

    geography: GeographyName = Field(description="Geography of the codes, such as ward_2024 or lsoa_2021")
    codes: Names = Field(min_length=1, description="Codes of the parts that this council takes over")


class NewCouncil(Declaration):
    """A new council."""

    code: Annotated[str, AfterValidator(_validate_code)] = Field(description="Provisional code, starting with PLAN-")
    name: str = Field(description="Name of the council")
    districts: Names = Field((), description="Codes of the districts that it takes over entirely")
    parts: Annotated[tuple[Parts, ...], Field(strict=False)] = Field((), description="Parts of divided districts")
    shares: dict[str, float] = Field(
        {}, description="Share of residents, 0 to 1, from each district that the plan divides"
    )


class Scenario(Declaration):
    """A possible reorganisation: which districts, or parts of districts, become which councils, and when."""

    title: str = Field(description="Summary of the reorganisation in one line")
    plan: str = Field(description="Reference to the published plan")
    day: date = Field(description="Day on which the new councils start")
    geography: GeographyName = Field(description="Geography of the districts")
    replaces: str = Field(description="Code of the county with the replaced districts, or of one district")
    new: Annotated[tuple[NewCouncil, ...], Field(min_length=1, strict=False)] = Field(description="The new councils")

    @property
    def system(self) -> str:
        """Return the geography of the new councils."""
        return f"plan_{self.day.year}"


def read_scenario(root: Path, name: str) -> tuple[Scenario, Path]:
    """Read a scenario from a YAML file, or by name from pipelines/scenarios/; refuse an unknown name."""
    folder = root / "pipelines" / "scenarios"
    known = [file.stem for file in folder.glob("*.yaml")]
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError(
            f"unknown scenario {name!r}; give the path of a .yaml file, or a name; {suggest_names(name, known)}"
        )
    data, lines = read_yaml(path.read_text(encoding="utf-8"), path)
    return validate_declaration(Scenario, data, lines, path), path


class _PlanCheck(NamedTuple):
    """A scenario under validation: its file, the districts of its geography and those to be replaced."""

    scenario: Scenario
    path: Path
    names: dict[str, str]
    going: list[str]

    def refuse(self, fault: str) -> DeclarationError:
        return DeclarationError(f"{file_location(self.path)}: {fault}")

    def list_names(self, codes: Iterable[str]) -> str:
        return ", ".join(f"{code} {self.names.get(code, '')}".strip() for code in codes)


def add_scenario(place_data: PlaceData, scenario: Scenario, path: Path) -> PlaceData:
    """Add the new councils to the stored geography data: register, code changes and small areas or shares.

    Raises DeclarationError, naming the file and the code, where a district or a part is unknown, of another date or
    county, in two councils or omitted. The same applies to councils that depend on each other, and to shares that do
    not sum to 1.
    """
    districts = require_places(place_data.places.register, scenario.geography)
    names = dict(districts.select("place_code", "place_name").iter_rows())
    mine = (pl.col("parent_code") == scenario.replaces) | (pl.col("place_code") == scenario.replaces)
    plan = _PlanCheck(scenario, path, names, districts.filter(mine)["place_code"].to_list())
    _validate_councils(plan, districts)
    _validate_districts(plan, place_data.places.register)
    cut = _cut_by_areas(plan, place_data)
    _validate_each_once(plan, set(cut.districts))
    return _apply_plan(place_data, plan, cut, districts)


def _validate_councils(plan: _PlanCheck, districts: pl.DataFrame) -> None:
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
        _validate_no_circle(plan, new.code)
    if scenario.day - timedelta(days=1) <= districts["valid_from"].max():  # type: ignore[operator]
        raise plan.refuse(f"day {scenario.day} is not after the start of the districts of {scenario.geography}")


def _validate_no_circle(plan: _PlanCheck, code: str) -> None:
    predecessors = {
        new.code: [other for other in (*new.districts, *new.shares) if _PLAN_CODE.fullmatch(other)]
        for new in plan.scenario.new
    }
    chain = [code]
    while predecessors.get(chain[-1]):
        chain.append(predecessors[chain[-1]][0])
        if chain[-1] in chain[:-1]:
            raise plan.refuse(f"{' takes over '.join(chain)}: found a cycle, expected districts")
    if len(chain) > 1:
        raise plan.refuse(f"{chain[0]} takes over {chain[1]}, which is a new council; declare its districts")


def _validate_districts(plan: _PlanCheck, register: pl.DataFrame) -> None:
    """Refuse districts outside the geography or the replaced area, and shares that do not sum to 1."""
    whole = [code for new in plan.scenario.new for code in new.districts]
    shares = [(code, share) for new in plan.scenario.new for code, share in new.shares.items()]
    for code in (*whole, *(code for code, _ in shares)):
        if code not in plan.names:
            is_known = code in set(register["place_code"])
            hint = f"it is {describe_code(code, register)}" if is_known else suggest_names(code, plan.names)
            raise plan.refuse(f"{code} is not in {plan.scenario.geography}; {hint}")
    others = [code for code in (*whole, *(code for code, _ in shares)) if code not in plan.going]
    if others:
        raise plan.refuse(f"{plan.list_names(others)} is not a district of {plan.scenario.replaces}")
    for code, share in shares:
        if not 0 < share < 1:
            raise plan.refuse(f"{plan.list_names([code])} has the share {share}, expected more than 0 and less than 1")
    for code in dict.fromkeys(code for code, _ in shares):
        total = sum(share for other, share in shares if other == code)
        if abs(total - 1) > SHARE_TOLERANCE:
            raise plan.refuse(f"the shares of {plan.list_names([code])} sum to {total:.6g}, expected 1")


class _DistrictCut(NamedTuple):
    """The districts divided by small areas, the table of these areas, and the new council of each."""

    districts: tuple[str, ...]
    areas: Areas | None
    council: pl.Series | None


def _cut_by_areas(plan: _PlanCheck, place_data: PlaceData) -> _DistrictCut:
    """Assign each small area of the divided districts to a council."""
    systems = sorted({part.geography for new in plan.scenario.new for part in new.parts})
    if not systems:
        return _DistrictCut((), None, None)
    if any(new.shares for new in plan.scenario.new):
        raise plan.refuse("found districts divided by parts and by shares, expected one method for all districts")
    areas = next((candidate for candidate in place_data.areas if set(systems) <= set(candidate.systems)), None)
    lies = find_membership(areas, place_data.places, plan.scenario.geography) if areas else None
    if areas is None or lies is None:
        available = sorted({name for candidate in place_data.areas for name in candidate.systems})
        raise plan.refuse(
            f"parts: found no stored small areas by {' and '.join(systems)}; {suggest_names(systems[0], available)}"
        )
    table = areas.table.with_columns(lies[0].alias("district"), pl.lit(None, pl.String).alias("council"))
    for new in plan.scenario.new:
        for part in new.parts:
            table = _assign_areas(plan, areas, table, new.code, part)
    cut = table.filter(pl.col("council").is_not_null())["district"].unique().sort()
    _validate_no_remainder(plan, table.filter(pl.col("district").is_in(cut.implode())), systems[0])
    whole = {code: new.code for new in plan.scenario.new for code in new.districts}
    council = pl.coalesce("council", pl.col("district").replace_strict(whole, default=None, return_dtype=pl.String))
    return _DistrictCut(tuple(cut), areas, table.select(council).to_series())


def _assign_areas(plan: _PlanCheck, areas: Areas, table: pl.DataFrame, council: str, part: Parts) -> pl.DataFrame:
    """Assign the small areas of some parts to a council."""
    part_codes = set(table[part.geography].drop_nulls().unique())
    strange = [code for code in part.codes if code not in part_codes]
    if strange:
        elsewhere = [name for name in areas.systems if (areas.table[name] == strange[0]).any()]
        hint = f"it is a code of {' and '.join(elsewhere)}" if elsewhere else suggest_names(strange[0], part_codes)
        raise plan.refuse(f"{strange[0]} is not in {part.geography}; {hint}")
    inside = pl.col(part.geography).is_in(part.codes)
    away = table.filter(inside, ~pl.col("district").is_in(plan.going).fill_null(False))
    if away.height:
        code, district = away.select(part.geography, "district").row(0)
        raise plan.refuse(
            f"{code} is in {plan.list_names([district or 'no district'])}, expected a part of {plan.scenario.replaces}"
        )
    twice = table.filter(inside, pl.col("council").is_not_null())
    repeated = [code for code, times in Counter(part.codes).items() if times > 1]
    if twice.height or repeated:
        code = repeated[0] if repeated else twice[part.geography][0]
        raise plan.refuse(f"found {code} twice, expected each part of a district in one council")
    return table.with_columns(pl.when(inside).then(pl.lit(council)).otherwise("council").alias("council"))


def _validate_no_remainder(plan: _PlanCheck, cut: pl.DataFrame, system: str) -> None:
    left = cut.filter(pl.col("council").is_null()).sort("district", system)
    if left.height:
        district = left["district"][0]
        codes = left.filter(pl.col("district") == district)[system].drop_nulls().unique(maintain_order=True)
        more = f" and {len(codes) - 5} more" if len(codes) > 5 else ""
        raise plan.refuse(
            f"{', '.join(codes[:5])}{more} of {plan.list_names([district])} omitted; assign every part of a divided "
            "district to a council"
        )


def _validate_each_once(plan: _PlanCheck, cut: set[str]) -> None:
    new = plan.scenario.new
    ways = Counter(
        [
            *(code for council in new for code in council.districts),
            *{code for council in new for code in council.shares},
            *cut,
        ]
    )
    twice = [code for code, times in ways.items() if times > 1]
    if twice:
        raise plan.refuse(f"{plan.list_names(twice)} is in two councils; assign it to one, or divide it by one method")
    left = [code for code in plan.going if code not in ways]
    if left:
        raise plan.refuse(
            f"{plan.list_names(left)} is omitted; assign every district of {plan.scenario.replaces} to a council"
        )


def _apply_plan(place_data: PlaceData, plan: _PlanCheck, cut: _DistrictCut, districts: pl.DataFrame) -> PlaceData:
    scenario = plan.scenario
    changes = [
        {"from_code": code, "to_code": new.code, "changed_on": scenario.day, "authority": f"Scenario: {scenario.title}",
         "kind": "recoded" if (new.districts, new.parts, new.shares) == ((code,), (), {}) else "merged"}
        for new in scenario.new for code in new.districts
    ]  # fmt: skip
    places = Places(
        pl.concat([place_data.places.register, _build_places(districts, plan)]),
        pl.concat([place_data.places.changes, table_from_records(changes, CODE_CHANGE_COLUMNS)]),
    )
    shares = (_build_plan_shares(scenario),) if any(new.shares for new in scenario.new) else ()
    areas = tuple(
        _add_council_column(table, scenario, cut) if table is cut.areas else table for table in place_data.areas
    )
    return PlaceData(places, areas, (*place_data.shares, *shares))


def _build_places(districts: pl.DataFrame, plan: _PlanCheck) -> pl.DataFrame:
    """Build the register rows of the new councils, in the larger areas of their districts."""
    like = districts.filter(pl.col("place_code") == plan.going[0]).row(0, named=True)
    records = [
        {**like, "place_code": new.code, "place_name": new.name, "place_name_welsh": None, "parent_code": None,
         "valid_from": plan.scenario.day, "valid_to": None}
        for new in plan.scenario.new
    ]  # fmt: skip
    return table_from_records(records, PLACE_COLUMNS)


def _add_council_column(areas: Areas, scenario: Scenario, cut: _DistrictCut) -> Areas:
    """Add the new council of each small area as a column, like any other geography."""
    table = areas.table.with_columns(cut.council.alias(scenario.system) if cut.council is not None else [])
    return areas._replace(systems=(*areas.systems, scenario.system), table=table)


def _build_plan_shares(scenario: Scenario) -> Shares:
    records = [(code, new.code, share) for new in scenario.new for code, share in new.shares.items()]
    table = pl.DataFrame(records, {"from_code": pl.String, "to_code": pl.String, "share": pl.Float64}, orient="row")
    return Shares(
        "scenario", scenario.geography, scenario.system, scenario.day, f"shares declared by {scenario.plan}", table
    )
