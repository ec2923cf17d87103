"""The closing plan: what to ask for, what it unlocks, the best set within a budget, and the letters."""

import csv
import io
import itertools
import math
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import CommongroundError, DeclarationError, UnknownNameError
from pipelines.declarations.project import Project
from pipelines.gaps.costs import Costs, Priced, priced, read_costs
from pipelines.gaps.optimise import best_within, least_for, worth
from pipelines.gaps.plan import plan_requests, told
from pipelines.gaps.requests import Gaps, bundles, ranked, request_id
from pipelines.outputs.letters import file_name, letters, plain, write_letters
from tests.app.test_cli import ROOT, run
from tests.report_sample import HARM


def requests_of(costs: list[int], cells: list[int]) -> pl.DataFrame:
    names = [f"r{n}" for n in range(len(costs))]
    return pl.DataFrame({"request": names, "cost": [float(c) for c in costs], "cells": cells})


def bundled_of(rows: list[tuple[set[int], int, int]]) -> pl.DataFrame:
    schema = {"requests": pl.List(pl.String), "answers": pl.Int64, "people": pl.Float64}
    return pl.DataFrame([([f"r{n}" for n in sorted(w)], a, float(p)) for w, a, p in rows], schema=schema, orient="row")


SETS = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 9), min_size=n, max_size=n),
        st.lists(st.integers(1, 50), min_size=n, max_size=n),
        st.lists(
            st.tuples(
                st.sets(st.integers(0, n - 1), min_size=1, max_size=4), st.integers(1, 9), st.integers(0, 70_000_000)
            ),
            max_size=8,
        ),
        st.integers(0, 30),
    )
)


def aims(found: tuple[object, ...]) -> tuple[float, ...]:
    _, cost, people, answers, cells, *_ = found
    return (float(people), float(answers), float(cells), -float(cost))  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(SETS)
def test_the_set_chosen_is_as_good_as_the_best_of_all_sets_tried_one_by_one(
    case: tuple[list[int], list[int], list[tuple[set[int], int, int]], int],
) -> None:
    costs, cells, rows, budget = case
    requests, bundled = requests_of(costs, cells), bundled_of(rows)
    names = requests["request"].to_list()
    every = (set(some) for k in range(len(names) + 1) for some in itertools.combinations(names, k))
    within = [found for some in every if (found := worth(requests, bundled, some)).cost <= budget]
    best = max(within, key=aims)
    found = best_within(requests, bundled, budget)
    assert found.optimal and found.gap == 0
    assert found.cost <= budget
    assert aims(found) == pytest.approx(aims(best), rel=1e-8, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(SETS, st.integers(1, 5))
def test_the_least_cost_of_some_answers_is_that_of_the_cheapest_set_of_all(
    case: tuple[list[int], list[int], list[tuple[set[int], int, int]], int], answers: int
) -> None:
    costs, cells, rows, _ = case
    requests, bundled = requests_of(costs, cells), bundled_of(rows)
    names = requests["request"].to_list()
    every = (set(some) for k in range(len(names) + 1) for some in itertools.combinations(names, k))
    enough = [each.cost for some in every if (each := worth(requests, bundled, some)).answers >= answers]
    found = least_for(requests, bundled, answers)
    assert (found is None) == (not enough)
    assert found is None or (found.answers >= answers and found.cost == pytest.approx(min(enough)))


def test_two_that_are_worth_something_only_together_are_taken_together() -> None:
    requests = requests_of([2, 2, 3], [1, 1, 50])
    bundled = bundled_of([({0, 1}, 1, 1000), ({2}, 1, 900)])
    assert best_within(requests, bundled, 4).requests == ("r0", "r1")
    assert best_within(requests, bundled, 3).requests == ("r2",)
    assert best_within(requests, bundled, 1).requests == ()


GAP = {"problem": "p", "measure": "m", "place_code": "a", "place_name": "A", "period_start": None, "holder": "h",
       "reason": "late", "remedy": "ask", "evidence": "e", "request": "x", "blocks": True}  # fmt: skip
PEOPLE = pl.DataFrame({"place_code": ["a", "b"], "people": [100.0, 10.0]})


def gaps(*changes: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**GAP, **change} for change in changes]).with_columns(pl.col("period_start").cast(pl.Date))


def waiting(*places: str) -> pl.DataFrame:
    rows = [("p", place, None, 1.0, {"a": 100.0, "b": 10.0}.get(place)) for place in places]
    schema = {"problem": pl.String, "place_code": pl.String, "period_start": pl.Date, "share": pl.Float64,
              "people": pl.Float64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def with_days(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.date(2026, 1, 1).alias("period_start"))


def test_a_request_is_ranked_by_what_it_unlocks_alone() -> None:
    found = gaps({"request": "x"}, {"request": "y", "place_code": "b"}, {"request": "z", "place_code": "b"})
    held = Gaps(with_days(found), with_days(waiting("a", "b")), PEOPLE)
    rows = {row["request"]: row for row in ranked(held).to_dicts()}
    assert ranked(held)["request"].to_list()[0] == "x"
    assert (rows["x"]["answers_alone"], rows["x"]["people_alone"]) == (1, 100.0)
    assert (rows["y"]["answers_alone"], rows["y"]["answers_waiting"], rows["y"]["people"]) == (0, 1, 10.0)


def test_people_that_are_not_known_are_not_counted_as_nobody() -> None:
    held = Gaps(with_days(gaps({"place_code": "c"})), with_days(waiting("c")), PEOPLE)
    assert ranked(held)["people"].to_list() == [None]
    assert ranked(held)["answers_alone"].to_list() == [1]


def test_an_answer_that_waits_for_what_nobody_is_asked_for_is_not_promised() -> None:
    found = with_days(gaps({"request": "x"}, {"request": None, "reason": "not_due"}))
    held = Gaps(found, with_days(waiting("a")), PEOPLE)
    assert bundles(held).is_empty()
    assert ranked(held)["answers_alone"].to_list() == [0]


def test_a_request_keeps_its_name_and_two_have_never_the_same() -> None:
    assert request_id("h", "m", "late") == request_id("h", "m", "late") != request_id("h m", "", "late")


def cost_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "costs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_line_that_fits_gives_the_cost(tmp_path: Path) -> None:
    said = read_costs(
        cost_file(
            tmp_path, "unit: days\ncosts: [{holder: h, reason: late, cost: 5}, {holder: h, cost: 2}]\notherwise: 9"
        )
    )
    asked = pl.DataFrame({"holder": ["h", "h", "i"], "measure": ["m"] * 3, "reason": ["late", "stale", "late"]})
    assert priced(asked, said)["cost"].to_list() == [5, 2, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("costs: []", "unit"),
        ("unit: days\ncost: []", r":2: .*cost"),
        ("unit: days\ncosts: [{holder: h, cost: -1}]", r":2: .*greater than or equal to 0"),
        ("unit: days\ncosts: [{holder: h, cost: .nan}]", r":2: .*finite|greater than or equal to 0"),
    ],
)
def test_costs_that_can_not_be_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        read_costs(cost_file(tmp_path, text))


def test_a_request_without_a_cost_and_a_cost_without_a_request_are_refused() -> None:
    asked = pl.DataFrame({"holder": ["The holder"], "measure": ["m"], "reason": ["late"]})
    with pytest.raises(CommongroundError, match="no line fits the request to The holder for m"):
        priced(asked, Priced(Costs(unit="days"), Path("c.yaml")))
    said = Costs.model_validate({"unit": "d", "otherwise": 1.0, "costs": ({"holder": "The holde", "cost": 1.0},)})
    with pytest.raises(CommongroundError, match="did you mean The holder"):
        priced(asked, Priced(said, Path("c.yaml")))


def test_the_starter_edition_can_be_planned_and_the_plan_says_that_it_is_proven(starter: Project) -> None:
    made = plan_requests(starter, "jobs_recovery", 2, None)
    assert made.chosen and made.chosen.optimal and len(made.chosen.requests) == 2
    # Eleven districts wait for Northern Ireland's own count, six for the parts of a rate.
    assert made.chosen.answers == 17
    assert made.requests.filter(pl.col("measure") == "vacancies")["places"].to_list() == [361]
    assert any("proven by exact optimisation (HiGHS), gap 0" in line for line in told(made))


def test_a_plan_above_the_cap_is_refused_and_told_what_it_would_take(starter: Project) -> None:
    every = plan_requests(starter, "jobs_recovery", None, None).requests["request"].to_list()
    with pytest.raises(CommongroundError, match=r"costs 7 requests, and the cap is 2; it would take a cap of 7.*17"):
        plan_requests(starter, "jobs_recovery", 2, None, every)
    with pytest.raises(UnknownNameError, match="unknown request 'zzz'"):
        plan_requests(starter, "jobs_recovery", 2, None, ["zzz"])
    taken = plan_requests(starter, "jobs_recovery", 7, None, every)
    assert taken.chosen and taken.chosen.answers == 22 and not taken.chosen.optimal and math.isnan(taken.chosen.gap)


def test_a_budget_that_buys_no_answer_says_the_least_that_would(starter: Project, tmp_path: Path) -> None:
    path = cost_file(tmp_path, "unit: days\nbudget: 1\notherwise: 4")
    lines = list(told(plan_requests(starter, "jobs_recovery", None, path)))
    assert any("the least that makes one possible costs 4 days" in line for line in lines)


def test_the_letters_ask_each_holder_for_all_that_is_asked_of_them(starter: Project, tmp_path: Path) -> None:
    made = plan_requests(starter, None, None, None)
    files = write_letters(starter, made, tmp_path)
    assert len(files) == made.requests["holder"].n_unique()
    text = " ".join(" ".join(path.read_text(encoding="utf-8") for path in files).split())
    for row in made.requests.to_dicts():
        assert f"(request {row['request']})" in text and row["holder"] in text


def test_a_name_that_means_harm_stays_one_line_of_plain_text(starter: Project) -> None:
    bad = f"{HARM}\nBcc: all\x1b[2J\u202egnp.exe"
    row = plan_requests(starter, "jobs_recovery", None, None).requests.head(1).with_columns(
        pl.lit(bad).alias("holder"), pl.lit([bad]).alias("names"), pl.lit(bad).alias("evidence"),
    )  # fmt: skip
    text = letters(row, starter.catalogue.problems, starter.catalogue.measures)[bad]
    assert text.splitlines()[0].startswith("To: <script>") and "\x1b" not in text and "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith("Bcc")]
    assert plain("a\r\n\tb\x00") == "a b"
    assert "/" not in file_name("../../etc/passwd") and file_name("") != file_name("-")


def test_the_command_prints_a_plan_in_each_format(store: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("plan", "jobs_recovery", "--format", "csv", store=store).stdout)))
    assert len(rows) == 7 and {"request", "holder", "people", "cost", "chosen"} <= set(rows[0])
    said = run("plan", "jobs_recovery", "--budget", "1", "--letters", str(tmp_path / "l"), store=store)
    assert "proven" in said.stdout and len(list((tmp_path / "l").iterdir())) == 1
    refused = run("plan", "jobs_recovery", "--budget", "0", "--choose", rows[0]["request"], store=store)
    assert refused.returncode == 1 and "it would take a cap of 1" in refused.stderr


def test_costs_beside_a_problem_are_used_and_an_accepted_gap_is_not_asked_for(
    starter: Project, tmp_path: Path
) -> None:  # fmt: skip
    from pipelines.declarations.catalogue import load

    shutil.copytree(ROOT / "sources", tmp_path / "p" / "sources")
    shutil.copytree(ROOT / "pipelines" / "problems", tmp_path / "p" / "pipelines" / "problems")
    beside = tmp_path / "p" / "pipelines" / "problems"
    (beside / "jobs_recovery.costs.yaml").write_text("unit: days of work\nbudget: 6\notherwise: 3\n")
    (beside / "jobs_recovery.accepted.yaml").write_text(
        "accepted: [{measure: vacancies, reason: not_collected, who: o, why: y, when: 2026-01-01, until: 2027-01-01}]"
    )
    made = plan_requests(starter._replace(catalogue=load(tmp_path / "p")), "jobs_recovery", None, None)
    assert made.unit == "days of work" and made.chosen and made.chosen.cost == 6
    assert "vacancies" not in made.requests["measure"].to_list()
