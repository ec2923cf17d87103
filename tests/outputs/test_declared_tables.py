"""Tables of declarations: what a problem asks, for whom, and what no publisher reports."""

from datetime import date

from pipelines.outputs.declared_tables import PROBLEM, problems_table
from tests.gaps.plain import catalogue_of, problem_of, source_of


def test_problem_has_a_row_with_its_needs_and_unknowns() -> None:
    needs = {"a": {}, "index": {"one_of": ["b", "c"]}, "d": {"essential": False}}
    asked = problem_of(needs=needs, unknowns=["e"], nations=["Wales", "England"], decision_date=date(2020, 12, 18))
    months = problem_of("month", {"a": {}}, periods={"start": "2020-03", "end": "2021-02"})._replace(name="m")
    catalogue = catalogue_of(a_source=source_of("a"))._replace(problems={"p": asked, "m": months})
    table = problems_table(catalogue, {})
    assert table.columns == list(PROBLEM)
    plain = dict.fromkeys(PROBLEM)
    about = {"question": "q", "decision": "d", "owner": "o", "geography": "lad_2023"}
    assert table.to_dicts() == [
        {**plain, **about, "problem": "m", "grain": "month", "first_period": "2020-03", "last_period": "2021-02",
         "essential_needs": "a"},
        {**plain, **about, "problem": "p", "grain": "latest", "decision_date": date(2020, 12, 18),
         "nations": "Wales, England", "essential_needs": "a, index (one of: b, c)", "optional_needs": "d",
         "unknowns": "e"},
    ]  # fmt: skip


def test_problem_without_an_answer_has_its_reason_and_an_excluded_one_nothing_else() -> None:
    catalogue = catalogue_of()._replace(problems={"p": problem_of()})
    rows = problems_table(catalogue, {"p": "refused", "a": "excluded"}).to_dicts()
    assert rows[0] == {**dict.fromkeys(PROBLEM), "problem": "a", "not_answered": "excluded"}
    assert (rows[1]["problem"], rows[1]["question"], rows[1]["not_answered"]) == ("p", "q", "refused")
    assert [row["not_answered"] for row in problems_table(catalogue, {}).to_dicts()] == [None]
