"""Closing plan: requests to data owners in order, and the best set within a budget."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import CommongroundError, UnknownNameError, suggest_names
from pipelines.declarations.project import Project
from pipelines.gaps.access import collect_gaps
from pipelines.gaps.built_cells import read_built_cells
from pipelines.gaps.costs import COSTS_SUFFIX, UNIT_COSTS, CostFile, add_costs, read_costs
from pipelines.gaps.optimise import AIM_TOLERANCE, RequestSet, choose_best_set, choose_cheapest_set, evaluate_set
from pipelines.gaps.requests import bundle_answers, rank_requests


class Plan(NamedTuple):
    """Closing plan: requests in order, with their cost and whether they are chosen, and the answers unlocked.

    `answer_bundles` has the answers that wait for each set of requests (requests.bundle_answers). Without a budget
    nothing is chosen.
    """

    requests: pl.DataFrame
    answer_bundles: pl.DataFrame
    unit: str
    budget: float | None
    chosen: RequestSet | None
    least: RequestSet | None


def plan_requests(
    project: Project, problem: str | None, budget: float | None, costs: Path | None, only: Sequence[str] = ()
) -> Plan:
    """Plan the requests for one problem, or for all built problems.

    Costs come from the given file, else from the file beside the problem, else each request costs one. With a budget
    the best set is chosen. Requests named in `only` are taken instead; CommongroundError is raised where they cost
    more.
    """
    names = [problem] if problem else sorted(project.catalogue.problems)
    for name in names:
        read_built_cells(project, name)
    cost_file = _find_costs(project, problem, costs)
    cap = cost_file.costs.budget if budget is None else budget
    open_gaps = collect_gaps(project, names)
    requests, answer_bundles = add_costs(rank_requests(open_gaps), cost_file), bundle_answers(open_gaps)
    chosen = _take_named_requests(requests, answer_bundles, cap, only, cost_file.costs.unit) if only else None
    if not only and cap is not None:
        chosen = choose_best_set(requests, answer_bundles, cap)
    least = (
        choose_cheapest_set(requests, answer_bundles, 1)
        if chosen and not chosen.answers and answer_bundles.height
        else None
    )
    is_chosen = pl.col("request").is_in(list(chosen.requests) if chosen else [])
    return Plan(
        requests.with_columns(is_chosen.alias("chosen")), answer_bundles, cost_file.costs.unit, cap, chosen, least
    )


def _find_costs(project: Project, problem: str | None, path: Path | None) -> CostFile:
    beside = project.catalogue.find_problem(problem).path.with_suffix(COSTS_SUFFIX) if problem else None
    if path:
        return read_costs(path)
    return read_costs(beside) if beside and beside.is_file() else UNIT_COSTS


def _take_named_requests(
    requests: pl.DataFrame, answer_bundles: pl.DataFrame, cap: float | None, only: Sequence[str], unit: str
) -> RequestSet:
    """Take the named requests; raise CommongroundError where they cost more than the cap, with the cap needed."""
    request_ids = requests["request"].to_list()
    unknown = [name for name in only if name not in request_ids]
    if unknown:
        raise UnknownNameError(f"unknown request {unknown[0]!r}; {suggest_names(unknown[0], request_ids)}")
    request_set = evaluate_set(requests, answer_bundles, set(only))
    # A sum of costs has a rounding error, which the search within a budget allows too.
    if cap is None or request_set.cost <= cap + AIM_TOLERANCE * max(cap, 1.0):
        return request_set
    best = choose_best_set(requests, answer_bundles, cap)
    needed, most = _format_cost(request_set.cost), _format_cost(cap)
    raise CommongroundError(
        f"this plan costs {needed} {unit}, above the cap of {most}; raise the cap to {needed}. "
        f"The best plan within {most} is {' '.join(best.requests) or 'empty'}: it costs {_format_cost(best.cost)} and "
        f"makes {best.answers:,} answers possible, compared with {request_set.answers:,} with this plan"
    )


def _format_cost(cost: float) -> str:
    """Format a cost in full, without the rounding error of a sum: 0.1 and 0.2 are 0.3."""
    return f"{cost:,.9f}".rstrip("0").rstrip(".")


def describe_plan(plan: Plan) -> Iterator[str]:
    """Describe a plan in sentences."""
    whole = int(plan.answer_bundles["answers"].sum())
    everything = evaluate_set(plan.requests, plan.answer_bundles, set(plan.requests["request"]))
    yield (
        f"{plan.requests.height:,} requests would close {everything.cells:,} gaps and make {whole:,} answers possible "
        f"(an answer is one place in one period); together they cost {_format_cost(everything.cost)} {plan.unit}"
    )
    if plan.chosen is None:
        return
    chosen = plan.chosen
    cap = f" within {_format_cost(plan.budget)} {plan.unit}" if plan.budget is not None else ""
    yield (
        f"Chosen{cap}: {len(chosen.requests):,} requests for {_format_cost(chosen.cost)}; they close {chosen.cells:,} "
        f"gaps and make {chosen.answers:,} answers possible, for {chosen.people:,.0f} people where the population is "
        "known"
    )
    if chosen.optimal:
        yield f"No set within the budget is better: proven by exact optimisation (HiGHS), gap {chosen.gap:g}"
    elif chosen.gap == chosen.gap:
        yield f"Not proven to be the best: the search stopped at a gap of {chosen.gap:.2%}"
    if plan.least:
        yield (
            f"No answer is possible within the budget; the cheapest set that makes one possible costs "
            f"{_format_cost(plan.least.cost)} {plan.unit}: {' '.join(plan.least.requests)}"
        )


def tabulate_plan(plan: Plan, in_full: bool) -> pl.DataFrame:
    """Return the main columns of a plan, or in full all columns as plain text and numbers, for CSV and JSON."""
    if in_full:
        return plan.requests.drop("names").with_columns(pl.col("problems").list.join(" "))
    columns = ["request", "data_owner", "measure", "reason", "cells", "people", "answers_alone",
               "answers_waiting", "cost"]  # fmt: skip
    return plan.requests.select(*columns, *(["chosen"] if plan.chosen else []))
