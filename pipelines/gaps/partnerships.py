"""Answers of a problem for partnerships of its places, by the engine and the rules of every other figure.

Membership is a crosswalk with weight 1. A count is the sum of all members. A rate is averaged by its denominator, over
part of the partnership only where the need's `min_coverage` allows it. Else the cell is a gap with a reason. The
answers are tables of their own, so that counts and ranks of places leave partnerships out.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE, Crosswalk, place_figures
from pipelines.core.errors import DeclarationError, suggest_names
from pipelines.core.schema import (
    CELL_COLUMNS,
    OBSERVATION_COLUMNS,
    PLACE_COLUMNS,
    STATUSES_WITHOUT_VALUE,
    conform_table,
    empty_table,
    table_from_records,
)
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.partnership import PARTNERSHIP_KIND, Partnership, select_partnerships
from pipelines.declarations.problem import Need
from pipelines.gaps.cells import Block, answer_block
from pipelines.gaps.verdicts import VERDICT, build_verdicts
from pipelines.gaps.view import build_view


class PartnershipAnswer(NamedTuple):
    """Answers for the partnerships of a problem: their cells, verdicts and placed figures (MAPPED_FIGURE)."""

    cells: pl.DataFrame
    verdicts: pl.DataFrame
    placed: pl.DataFrame


NO_PARTNERSHIPS = PartnershipAnswer(empty_table(CELL_COLUMNS), empty_table(VERDICT), empty_table(MAPPED_FIGURE))


class MemberFigures(NamedTuple):
    """What the answers of partnerships rest on.

    `places` are those of the problem's geography (schema.PLACE_COLUMNS), and `placed` their figures (MAPPED_FIGURE).
    `people` has place_code and people, `denominators` the observations of denominators by place. `set_aside` and
    `unreadable` are those of `answer_block`.
    """

    places: pl.DataFrame
    placed: pl.DataFrame
    denominators: pl.DataFrame
    people: pl.DataFrame
    set_aside: pl.DataFrame
    unreadable: Mapping[str, str]


def answer_partnerships(
    problem: Problem, catalogue: Catalogue, figures: MemberFigures, as_of: date
) -> PartnershipAnswer:
    """Answer a problem for its partnerships, one at a time, because they may share members."""
    partnerships = select_partnerships(problem.header.groups, catalogue.partnerships)
    answers = [
        _answer_partnership(problem, catalogue, figures, as_of, code, partnership)
        for code, partnership in partnerships.items()
    ]
    columns = zip(NO_PARTNERSHIPS, *answers, strict=True)
    return PartnershipAnswer(*(pl.concat(frames, how="vertical_relaxed") for frames in columns))


def _answer_partnership(
    problem: Problem, catalogue: Catalogue, figures: MemberFigures, as_of: date, code: str, partnership: Partnership
) -> PartnershipAnswer:
    place = list_partnership_places({code: partnership}, figures.places, str(problem.path))
    own = problem._replace(header=problem.header.model_copy(update={
        "place_codes": (), "nations": (), "needs": _needs_of_members(problem, code, partnership),
    }))  # fmt: skip
    placed = place_members(figures, code, partnership.members, catalogue)
    aside = figures.set_aside.clear()
    cells = answer_block(Block(own, place, placed), catalogue, aside, as_of, figures.unreadable)
    verdicts = build_verdicts(cells, own.header, _sum_people(figures.people, code, partnership))
    return PartnershipAnswer(cells, verdicts, placed)


def build_partnership_view(
    problem: Problem, catalogue: Catalogue, places: pl.DataFrame, answer: PartnershipAnswer, schema: pl.Schema
) -> pl.DataFrame:
    """Build the view of a problem's partnerships, which has the schema of the problem's view."""
    partnerships = select_partnerships(problem.header.groups, catalogue.partnerships)
    views = [schema.to_frame()]
    for code, partnership in partnerships.items():
        place = list_partnership_places({code: partnership}, places, str(problem.path))
        own = pl.col("place_code") == code
        placed = answer.placed.filter(pl.col("to_code") == code)
        cells, verdicts = answer.cells.filter(own), answer.verdicts.filter(own)
        views.append(build_view(problem, place, [cells.lazy()], placed, verdicts))
    return pl.concat(views, how="vertical_relaxed")


def place_members(figures: MemberFigures, code: str, members: Iterable[str], catalogue: Catalogue) -> pl.DataFrame:
    """Place the figures of the members of a partnership (MAPPED_FIGURE); gaps with a published marker keep bounds."""
    marked = pl.col("obs_status").is_in(sorted(STATUSES_WITHOUT_VALUE))
    published = figures.placed.filter(pl.col("value").is_not_null() | marked)
    members = sorted(members)
    if published.is_empty():
        return empty_table(MAPPED_FIGURE)
    membership = pl.DataFrame({"from_code": members}).with_columns(
        pl.lit(code).alias("to_code"), pl.lit(1.0).alias("weight"),
        pl.lit(None, pl.Float64).alias("weight_population"), pl.lit("aggregated").alias("kind"),
    )  # fmt: skip
    own = conform_table(published.rename({"to_code": "place_code"}), OBSERVATION_COLUMNS)
    placed = place_figures(own, Crosswalk(membership), catalogue.measures, figures.denominators)
    return _name_reasons_of_members(placed, figures.placed.filter(pl.col("to_code").is_in(members)))


def _name_reasons_of_members(placed: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Give a partnership without any row the reason that all its members share; else `children_incomplete`."""
    reasons = members.drop_nulls("reason").group_by(SLICE_KEY).agg(
        pl.col("reason").unique().sort().alias("reasons"), pl.col("evidence").sort().first().alias("first")
    )  # fmt: skip
    joined = placed.join(reasons, on=SLICE_KEY, how="left", maintain_order="left")
    has_no_row = (pl.col("reason") == "not_returned") & pl.col("reasons").is_not_null()
    is_shared = pl.col("reasons").list.len() == 1
    one = pl.format("all members have this reason; for example, {}", "first")
    several = pl.format("no member has a figure: {}", pl.col("reasons").list.join(", "))
    shared = pl.when(is_shared).then(pl.col("reasons").list.first()).otherwise(pl.lit("children_incomplete"))
    named = joined.with_columns(
        pl.when(has_no_row).then(shared).otherwise("reason").alias("reason"),
        pl.when(has_no_row).then(pl.when(is_shared).then(one).otherwise(several)).otherwise("evidence")
        .alias("evidence"),
    )  # fmt: skip
    return conform_table(named, MAPPED_FIGURE)


def _needs_of_members(problem: Problem, code: str, partnership: Partnership) -> dict[str, Need]:
    """Return the needs of a partnership: one limited to some places applies if all members are among them."""
    return {
        name: need.model_copy(update={"place_codes": (code,)})
        if need.place_codes and set(partnership.members) <= set(need.place_codes) else need
        for name, need in problem.header.needs.items()
    }  # fmt: skip


def _sum_people(people: pl.DataFrame, code: str, partnership: Partnership) -> pl.DataFrame:
    """Return the residents of a partnership, where those of every member are known."""
    own = people.filter(pl.col("place_code").is_in(list(partnership.members))).drop_nulls("people")
    total = own["people"].sum() if own.height == len(partnership.members) else None
    return pl.DataFrame({"place_code": [code], "people": [total]}, schema=people.schema)


def list_partnership_places(
    partnerships: Mapping[str, Partnership], places: pl.DataFrame, where: str = "pipelines/partnerships.yaml"
) -> pl.DataFrame:
    """Return partnerships by code as places (schema.PLACE_COLUMNS), with the region and nation that all members share.

    Takes the places of the members' geographies. Raises DeclarationError for a member that is not among them.
    """
    known = {row["place_code"]: row for row in places.iter_rows(named=True)}
    rows = []
    for code, partnership in partnerships.items():
        strange = [member for member in partnership.members if member not in known]
        if strange:
            raise DeclarationError(
                f"{where}: {partnership.title}: member {strange[0]} is not a place in {partnership.geography}; "
                f"{suggest_names(strange[0], known)}"
            )
        members = [known[member] for member in partnership.members]
        shared = {
            name: members[0][name] if len({row[name] for row in members}) == 1 else None
            for name in ("nation", "region_code", "region")
        }
        rows.append({"place_code": code, "place_name": partnership.title, "kind": PARTNERSHIP_KIND, **shared})
    return table_from_records(rows, PLACE_COLUMNS)
