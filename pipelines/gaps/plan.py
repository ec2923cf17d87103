"""The closing plan: what to ask for, in which order, and which set of requests is best within a budget."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import CommongroundError, UnknownNameError, near
from pipelines.declarations.project import Project
from pipelines.gaps.access import built_cells, gaps_held
from pipelines.gaps.costs import EACH_ONE, SUFFIX, Priced, priced, read_costs
from pipelines.gaps.optimise import Chosen, best_within, least_for, worth
from pipelines.gaps.requests import bundles, ranked


class Plan(NamedTuple):
    """A closing plan: requests in order with their cost and whether they are chosen, and what the choice unlocks.

    `bundled` is what waits for which requests (requests.bundles). Without a budget nothing is chosen.
    """

    requests: pl.DataFrame
    bundled: pl.DataFrame
    unit: str
    budget: float | None
    chosen: Chosen | None
    least: Chosen | None


def plan_requests(
    project: Project, problem: str | None, budget: float | None, costs: Path | None, only: Sequence[str] = ()
) -> Plan:
    """Plan what to ask for, for one problem or all that are built.

    Costs are those of the file, else those beside the problem, else each request counts as one. With a budget the best
    set is chosen; or, where requests are named in `only`, that set is taken, and refused if it costs more.
    """
    names = [problem] if problem else sorted(project.catalogue.problems)
    for name in names:
        built_cells(project, name)
    said = _costs(project, problem, costs)
    cap = said.costs.budget if budget is None else budget
    held = gaps_held(project, names)
    requests, bundled = priced(ranked(held), said), bundles(held)
    chosen = _taken(requests, bundled, cap, only, said.costs.unit) if only else None
    if not only and cap is not None:
        chosen = best_within(requests, bundled, cap)
    least = least_for(requests, bundled, 1) if chosen and not chosen.answers and bundled.height else None
    taken = pl.col("request").is_in(list(chosen.requests) if chosen else [])
    return Plan(requests.with_columns(taken.alias("chosen")), bundled, said.costs.unit, cap, chosen, least)


def _costs(project: Project, problem: str | None, path: Path | None) -> Priced:
    beside = project.catalogue.problem(problem).path.with_suffix(SUFFIX) if problem else None
    if path:
        return read_costs(path)
    return read_costs(beside) if beside and beside.is_file() else EACH_ONE


def _taken(requests: pl.DataFrame, bundled: pl.DataFrame, cap: float | None, only: Sequence[str], unit: str) -> Chosen:
    """Take the requests that are named; refuse them where they cost more than the cap, saying what it would take."""
    known = requests["request"].to_list()
    strange = [name for name in only if name not in known]
    if strange:
        raise UnknownNameError(f"unknown request {strange[0]!r}; {near(strange[0], known)}")
    wanted = worth(requests, bundled, set(only))
    if cap is None or wanted.cost <= cap:
        return wanted
    best = best_within(requests, bundled, cap)
    raise CommongroundError(
        f"this plan costs {wanted.cost:,g} {unit}, and the cap is {cap:,g}; it would take a cap of {wanted.cost:,g}. "
        f"The best within {cap:,g} is {' '.join(best.requests) or 'nothing'}: it costs {best.cost:,g} and makes "
        f"{best.answers:,} answers possible, of {wanted.answers:,} with this plan"
    )


def told(made: Plan) -> Iterator[str]:
    """Say what a plan comes to, in sentences."""
    whole = int(made.bundled["answers"].sum())
    everything = worth(made.requests, made.bundled, set(made.requests["request"]))
    yield (
        f"{made.requests.height:,} requests would close {everything.cells:,} gaps and make {whole:,} answers possible "
        f"(an answer is one place, in one period); all of them cost {everything.cost:,g} {made.unit}"
    )
    if made.chosen is None:
        return
    chosen = made.chosen
    cap = f" within {made.budget:,g} {made.unit}" if made.budget is not None else ""
    yield (
        f"Chosen{cap}: {len(chosen.requests):,} requests for {chosen.cost:,g}; they close {chosen.cells:,} gaps and "
        f"make {chosen.answers:,} answers possible, for {chosen.people:,.0f} people as far as is known"
    )
    if chosen.optimal:
        yield f"No set within the budget is better: proven by exact optimisation (HiGHS), gap {chosen.gap:g}"
    elif chosen.gap == chosen.gap:
        yield f"Not proven to be the best: the search was stopped at a gap of {chosen.gap:.2%}"
    if made.least:
        yield (
            f"No answer can be had within the budget; the least that makes one possible costs {made.least.cost:,g} "
            f"{made.unit}: {' '.join(made.least.requests)}"
        )


def shown(made: Plan) -> pl.DataFrame:
    """Give the columns of a plan that a person reads first."""
    columns = ["request", "holder", "measure", "reason", "cells", "people", "answers_alone",
               "answers_waiting", "cost"]  # fmt: skip
    return made.requests.select(*columns, *(["chosen"] if made.chosen else []))


def flat(made: Plan) -> pl.DataFrame:
    """Give all columns of a plan as plain text and numbers, for CSV and JSON."""
    return made.requests.drop("names").with_columns(pl.col("problems").list.join(" "))
