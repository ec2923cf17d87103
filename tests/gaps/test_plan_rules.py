"""Which costs and which budget a plan has, which requests it chooses, and what it says of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.declarations.project import Project
from pipelines.gaps import plan as module
from pipelines.gaps.plan import Plan, describe_plan, plan_requests, tabulate_plan
from tests.gaps.test_requests import FEB, gap, open_gaps

GAPS = open_gaps(gap("x"), gap("x", "b"), gap("y", "b"), gap("y", "c"), gap("z", "d"), gap("x", day=FEB))
"""x alone makes two answers possible, for 100 people each; y one, for no known people; x and y four; z one, for 7."""


@pytest.fixture()
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of two problems with the same gaps; the names asked for are in its list `asked`."""
    asked: list[Any] = []

    def collect(_: Any, names: list[str]) -> Any:
        asked.append(names)
        return GAPS

    monkeypatch.setattr(module, "read_built_cells", lambda _, name: asked.append(name))
    monkeypatch.setattr(module, "collect_gaps", collect)
    problems = {name: SimpleNamespace(path=tmp_path / f"{name}.sql") for name in ("q", "p")}
    catalogue = SimpleNamespace(problems=problems, find_problem=problems.__getitem__)
    return cast(Project, SimpleNamespace(catalogue=catalogue, asked=asked))


def lines(plan: Plan) -> list[str]:
    return list(describe_plan(plan))


def chosen(plan: Plan) -> list[str]:
    assert plan.chosen is None or set(plan.chosen.requests) == set(plan.requests.filter("chosen")["request"])
    return sorted(plan.requests.filter("chosen")["request"])


def test_plan_is_of_one_problem_or_of_all_in_order(project: Project) -> None:
    plan_requests(project, "q", None, None)
    plan_requests(project, None, None, None)
    assert project.asked == ["q", ["q"], "p", "q", ["p", "q"]]  # type: ignore[attr-defined]


def test_without_a_budget_nothing_is_chosen(project: Project) -> None:
    plan = plan_requests(project, "p", None, None)
    assert plan.requests["request"].to_list() == ["x", "z", "y"] and plan.requests["cost"].to_list() == [1.0] * 3
    assert chosen(plan) == [] and plan.chosen is None and plan.least is None
    assert (plan.unit, plan.budget) == ("requests", None)


@pytest.mark.parametrize(("budget", "expected"), [(0, []), (1, ["x"]), (2, ["x", "y"]), (3, ["x", "y", "z"])])
def test_best_set_within_the_budget_is_chosen(project: Project, budget: float, expected: list[str]) -> None:
    plan = plan_requests(project, "p", budget, None)
    assert chosen(plan) == expected and plan.budget == budget
    assert (plan.least.requests if plan.least else ()) == (("x",) if budget == 0 else ())


def costs(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_given_file_comes_before_the_one_beside_the_problem(project: Project, tmp_path: Path) -> None:
    given = costs(tmp_path / "given.yaml", "unit: days\ndefault_cost: 4\nbudget: 4\n")
    assert plan_requests(project, "p", None, None).unit == "requests", "no file is beside the problem"
    costs(tmp_path / "p.costs.yaml", "unit: pounds\ndefault_cost: 2\n")
    beside = plan_requests(project, "p", None, None)
    assert (beside.unit, beside.budget, beside.chosen) == ("pounds", None, None)
    assert plan_requests(project, None, None, None).unit == "requests", "all problems have no file"
    for problem in ("p", None):
        plan = plan_requests(project, problem, None, given)
        assert (plan.unit, plan.budget, chosen(plan)) == ("days", 4, ["x"])
    assert chosen(plan_requests(project, "p", 8, given)) == ["x", "y"], "the budget of the call comes first"
    assert plan_requests(project, "p", 0, given).budget == 0


def test_named_requests_are_taken_up_to_the_cap(project: Project) -> None:
    for budget in (None, 2, 3):
        plan = plan_requests(project, "p", budget, None, ("z", "y"))
        assert chosen(plan) == ["y", "z"] and plan.chosen and plan.chosen.answers == 2 and plan.least is None
    nothing = plan_requests(project, "p", 1, None, ("y",))
    assert nothing.chosen and nothing.chosen.answers == 1
    with pytest.raises(CommongroundError) as refusal:
        plan_requests(project, "p", 1, None, ("z", "y"))
    assert str(refusal.value) == (
        "this plan costs 2 requests, above the cap of 1; raise the cap to 2. The best plan within 1 is x: it costs 1 "
        "and makes 2 answers possible, compared with 2 with this plan"
    )
    with pytest.raises(CommongroundError, match="The best plan within 0 is empty: it costs 0 and makes 0"):
        plan_requests(project, "p", 0, None, ("z",))
    with pytest.raises(UnknownNameError, match=r"unknown request 'xx'.*did you mean x"):
        plan_requests(project, "p", None, None, ("z", "xx", "yy"))


@pytest.mark.parametrize(
    ("one_cost", "cap", "is_within"),
    [("0.1", 0.3, True), ("0.1", 0.3 - 1e-6, False), ("0.1", 0.2, False), ("411108.13", 1_233_324.39, True),
     ("411108.13", 1_233_324.38, False)],
)  # fmt: skip
def test_cap_is_the_sum_of_costs_without_its_rounding_error(
    project: Project, tmp_path: Path, one_cost: str, cap: float, is_within: bool
) -> None:
    """Three times 0.1 is 0.30000000000000004 as a sum, and costs 0.3."""
    path = costs(tmp_path / "given.yaml", f"unit: pounds\ndefault_cost: {one_cost}\n")
    if is_within:
        assert chosen(plan_requests(project, "p", cap, path, ("x", "y", "z"))) == ["x", "y", "z"]
        return
    total = {"0.1": "0.3", "411108.13": "1,233,324.39"}[one_cost]
    with pytest.raises(CommongroundError, match=rf"costs {total} pounds, above .*; raise the cap to {total}\. The"):
        plan_requests(project, "p", cap, path, ("x", "y", "z"))


@pytest.mark.parametrize(
    ("cost", "text"),
    [("4", "12"), ("0.1", "0.3"), ("0", "0"), ("50", "150"), ("1234567", "3,703,701"), ("0.0005", "0.0015")],
)
def test_costs_are_printed_in_full(project: Project, tmp_path: Path, cost: str, text: str) -> None:
    path = costs(tmp_path / "given.yaml", f"unit: pounds\ndefault_cost: {cost}\n")
    assert lines(plan_requests(project, "p", None, path))[0].endswith(f"together they cost {text} pounds")


def test_cheapest_set_makes_one_answer_possible(project: Project, tmp_path: Path) -> None:
    """x costs most and makes two answers possible; of the others, z answers for people."""
    path = costs(
        tmp_path / "given.yaml", "unit: days\ndefault_cost: 1\ncosts: [{data_owner: h x, cost: 3}]\nbudget: 0.5\n"
    )
    plan = plan_requests(project, "p", None, path)
    assert plan.least and plan.least.requests == ("z",)


def test_cheapest_set_is_stated_only_where_answers_wait(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "collect_gaps", lambda *_: open_gaps(gap("x", blocks=False)))
    plan = plan_requests(project, "p", 1, None)
    assert chosen(plan) == ["x"] and plan.answer_bundles.is_empty() and plan.least is None


def test_sentences_count_what_all_and_the_chosen_requests_unlock(project: Project) -> None:
    every = (
        "3 requests would close 6 gaps and make 5 answers possible (an answer is one place in one period); together "
        "they cost 3 requests"
    )
    assert lines(plan_requests(project, "p", None, None)) == [every]
    proven = "No set within the budget is better: proven by exact optimisation (HiGHS), gap 0"
    assert lines(plan_requests(project, "p", 1, None)) == [
        every,
        "Chosen within 1 requests: 1 requests for 1; they close 3 gaps and make 2 answers possible, for 200 people "
        "where the population is known",
        proven,
    ]
    named = lines(plan_requests(project, "p", None, None, ("z",)))
    assert named == [
        every,
        "Chosen: 1 requests for 1; they close 1 gaps and make 1 answers possible, for 7 people where the population "
        "is known",
    ]
    none = lines(plan_requests(project, "p", 0, None))
    assert none[2:] == [
        proven,
        "No answer is possible within the budget; the cheapest set that makes one possible costs 1 requests: x",
    ]


def test_search_that_stopped_states_its_gap(project: Project) -> None:
    plan = plan_requests(project, "p", 1, None)
    assert plan.chosen
    stopped = plan._replace(chosen=plan.chosen._replace(optimal=False, gap=0.125))
    assert lines(stopped)[-1] == "Not proven to be the best: the search stopped at a gap of 12.50%"


def test_table_has_the_main_columns_or_all_as_text(project: Project) -> None:
    plan, without = plan_requests(project, "p", 1, None), plan_requests(project, "p", None, None)
    brief = tabulate_plan(plan, in_full=False)
    assert brief.columns == [
        "request", "data_owner", "measure", "reason", "cells", "people", "answers_alone", "answers_waiting", "cost",
        "chosen",
    ]  # fmt: skip
    assert tabulate_plan(without, in_full=False).columns == brief.columns[:-1]
    whole = tabulate_plan(plan, in_full=True)
    assert whole["problems"].to_list() == ["p"] * 3 and "names" not in whole.columns
    assert set(brief.columns) <= set(whole.columns) and not [
        name for name, kind in whole.schema.items() if kind == pl.List
    ]
