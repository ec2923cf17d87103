"""The closing plan: what to ask for, what it unlocks, the best set within a budget, and the letters."""

import csv
import io
import math
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.errors import CommongroundError, DeclarationError, UnknownNameError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.costs import CostFile, Costs, add_costs, read_costs
from pipelines.gaps.plan import describe_plan, plan_requests
from pipelines.outputs.letters import draft_letters, letter_file_name, strip_control_characters, write_letters
from tests.command import AS_OF, run
from tests.report_sample import HARM


def cost_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "costs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_first_matching_line_gives_the_cost(tmp_path: Path) -> None:
    said = read_costs(
        cost_file(
            tmp_path,
            "unit: days\ncosts: [{data_owner: h, reason: late, cost: 5}, {data_owner: h, cost: 2}]\ndefault_cost: 9",
        )
    )
    asked = pl.DataFrame({"data_owner": ["h", "h", "i"], "measure": ["m"] * 3, "reason": ["late", "stale", "late"]})
    assert add_costs(asked, said)["cost"].to_list() == [5, 2, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("costs: []", "unit"),
        ("unit: days\ncost: []", r":2: .*cost"),
        ("unit: days\ncosts: [{data_owner: h, cost: -1}]", r":2: .*greater than or equal to 0"),
        ("unit: days\ncosts: [{data_owner: h, cost: .nan}]", r":2: .*finite|greater than or equal to 0"),
    ],
)
def test_costs_that_can_not_be_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        read_costs(cost_file(tmp_path, text))


def test_request_without_cost_and_cost_without_request_are_refused() -> None:
    asked = pl.DataFrame({"data_owner": ["The holder"], "measure": ["m"], "reason": ["late"]})
    with pytest.raises(CommongroundError, match="no line matches the request to The holder for m"):
        add_costs(asked, CostFile(Costs(unit="days"), Path("c.yaml")))
    said = Costs.model_validate(
        {"unit": "d", "default_cost": 1.0, "costs": ({"data_owner": "The holde", "cost": 1.0},)}
    )
    with pytest.raises(CommongroundError, match="did you mean The holder"):
        add_costs(asked, CostFile(said, Path("c.yaml")))


@pytest.fixture(scope="module")
def answered(built_small: Path) -> Project:
    """The small project as it was built."""
    return Project(load_catalogue(built_small / "project"), built_small / "store", date.fromisoformat(AS_OF))


def test_plan_of_a_project_is_proven_optimal(answered: Project) -> None:
    made = plan_requests(answered, "jobs_recovery", 2, None)
    assert made.chosen and made.chosen.optimal and len(made.chosen.requests) == 2
    # Eleven districts wait for Northern Ireland's own count, six for the parts of a rate.
    assert made.chosen.answers == 17
    assert made.requests.filter(pl.col("measure") == "vacancies")["places"].to_list() == [361]
    assert any("proven by exact optimisation (HiGHS), gap 0" in line for line in describe_plan(made))


def test_plan_above_the_cap_is_refused_with_the_cap_needed(answered: Project) -> None:
    every = plan_requests(answered, "jobs_recovery", None, None).requests["request"].to_list()
    with pytest.raises(CommongroundError, match=r"costs 7 requests, above the cap of 2; raise the cap to 7.*17"):
        plan_requests(answered, "jobs_recovery", 2, None, every)
    with pytest.raises(UnknownNameError, match="unknown request 'zzz'"):
        plan_requests(answered, "jobs_recovery", 2, None, ["zzz"])
    taken = plan_requests(answered, "jobs_recovery", 7, None, every)
    assert taken.chosen and taken.chosen.answers == 22 and not taken.chosen.optimal and math.isnan(taken.chosen.gap)


def test_budget_without_an_answer_states_the_cheapest_set(answered: Project, tmp_path: Path) -> None:
    path = cost_file(tmp_path, "unit: days\nbudget: 1\ndefault_cost: 4")
    lines = list(describe_plan(plan_requests(answered, "jobs_recovery", None, path)))
    assert any("the cheapest set that makes one possible costs 4 days" in line for line in lines)


def test_letters_ask_each_data_owner_for_all_its_requests(answered: Project, tmp_path: Path) -> None:
    made = plan_requests(answered, None, None, None)
    files = write_letters(answered, made, tmp_path)
    assert len(files) == made.requests["data_owner"].n_unique()
    text = " ".join(" ".join(path.read_text(encoding="utf-8") for path in files).split())
    for row in made.requests.to_dicts():
        assert f"(request {row['request']})" in text and row["data_owner"] in text


def test_a_name_that_means_harm_stays_one_line_of_plain_text(answered: Project) -> None:
    bad = f"{HARM}\nBcc: all\x1b[2J\u202egnp.exe"
    row = plan_requests(answered, "jobs_recovery", None, None).requests.head(1).with_columns(
        pl.lit(bad).alias("data_owner"), pl.lit([bad]).alias("names"), pl.lit(bad).alias("evidence"),
    )  # fmt: skip
    text = draft_letters(row, answered.catalogue.problems, answered.catalogue.measures)[bad]
    assert text.splitlines()[0].startswith("To: <script>") and "\x1b" not in text and "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith("Bcc")]
    assert strip_control_characters("a\r\n\tb\x00") == "a b"
    assert "/" not in letter_file_name("../../etc/passwd") and letter_file_name("") != letter_file_name("-")


def test_command_prints_a_plan_in_each_format(answered: Project, tmp_path: Path) -> None:
    on = {"store": answered.home, "project": answered.catalogue.root}
    rows = list(csv.DictReader(io.StringIO(run("plan", "jobs_recovery", "--format", "csv", **on).stdout)))
    assert len(rows) == 7 and {"request", "data_owner", "people", "cost", "chosen"} <= set(rows[0])
    said = run("plan", "jobs_recovery", "--budget", "1", "--letters", str(tmp_path / "l"), **on)
    assert "proven" in said.stdout and len(list((tmp_path / "l").iterdir())) == 1
    refused = run("plan", "jobs_recovery", "--budget", "0", "--choose", rows[0]["request"], **on)
    assert refused.returncode == 1 and "raise the cap to 1" in refused.stderr


def test_costs_beside_a_problem_apply_and_accepted_gaps_are_not_requested(
    answered: Project, tmp_path: Path
) -> None:  # fmt: skip
    shutil.copytree(answered.catalogue.root, tmp_path / "p")
    beside = tmp_path / "p" / "pipelines" / "problems"
    (beside / "jobs_recovery.costs.yaml").write_text("unit: days of work\nbudget: 6\ndefault_cost: 3\n")
    (beside / "jobs_recovery.accepted.yaml").write_text(
        "accepted: [{measure: vacancies, reason: not_collected, who: o, why: y, when: 2026-01-01, until: 2027-01-01}]"
    )
    made = plan_requests(answered._replace(catalogue=load_catalogue(tmp_path / "p")), "jobs_recovery", None, None)
    assert made.unit == "days of work" and made.chosen and made.chosen.cost == 6
    assert "vacancies" not in made.requests["measure"].to_list()
