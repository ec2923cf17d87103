"""First sentence of a page, and the places that are not compared: whole sentences."""

from datetime import date
from typing import Any

import pytest

from pipelines.core.reasons import REASONS
from pipelines.declarations.problem import Answer, Need
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.answer_ranking import End, RankedPlace, Ranking
from pipelines.outputs.answer_sentence import (
    add_preposition,
    count_places,
    period_of_groups,
    place_noun,
    sentence_values,
    state_answer,
    state_uncompared,
    state_unpublished,
)
from pipelines.outputs.report_model import Report
from tests.gaps.plain import measure_of
from tests.outputs.test_answer_rules import Y2024, Y2025, answer_of
from tests.report_sample import sample

NAMED = ("Ash", "Bow", "Cam", "Dee", "Eye", "Fal")
FIGURES: list[dict[str, Any]] = [{"place_name": name, "value": float(9 - number)} for number, name in enumerate(NAMED)]


def end_of(order: str = "highest", leaders: int = 1, *, is_equal: bool = False, why: str = "", first: int = 0) -> End:
    rows = [RankedPlace(f"p{number}", NAMED[number], 9.0 - number, f"{9 - number}", "") for number in range(6)]
    return End(order, tuple(rows[first:] if order == "highest" else rows[::-1]), leaders, is_equal, why)


def ranking_of(highest: End, group: str = "") -> Ranking:
    return Ranking(group, 6, highest, end_of("lowest"))


def lead(highest: End, *figures: dict[str, Any], **said: Any) -> str:
    answer = answer_of(*(figures or FIGURES), **said)
    return state_answer(sample(), answer, [ranking_of(highest)])


@pytest.mark.parametrize(("geography", "nouns"), [
    ("lad_2023", ("council", "councils")), ("county_2021", ("county", "counties")), ("soil_2021", ("place", "places")),
    ("health_board_2019", ("health board", "health boards")),
])  # fmt: skip
def test_places_have_the_noun_of_their_kind(geography: str, nouns: tuple[str, str]) -> None:
    report = sample()
    report = report._replace(header=report.header.model_copy(update={"geography": geography}))
    assert (place_noun(report, 1), place_noun(report, 0), place_noun(report, 2)) == (nouns[0], nouns[1], nouns[1])
    assert count_places(report, 1) == f"1 {nouns[0]}" and count_places(report, 1234) == f"1,234 {nouns[1]}"


def test_leading_place_is_named_with_its_figure_and_period() -> None:
    old = [{**row, **(Y2024 if row["place_name"] == "Bow" else Y2025)} for row in FIGURES]
    assert lead(end_of(), *old) == "Title: highest in Ash, 9 % in 2025; 6 of 6 councils can be compared."
    assert lead(end_of(first=1), *old, unit="") == "Title: highest in Bow, 8 in 2024; 6 of 6 councils can be compared."


def test_lowest_end_is_named_where_the_answer_asks_for_it() -> None:
    assert lead(end_of(), order="lowest") == "Title: lowest in Fal, 4 % in 2025; 6 of 6 councils can be compared."
    fewer = [{**row, "state": "missing" if row["place_name"] in "BowCam" else "comparable"} for row in FIGURES]
    assert lead(end_of(), *fewer).endswith("; 4 of 6 councils can be compared.")


def test_equal_leaders_are_named_up_to_three() -> None:
    named = [lead(end_of(leaders=number, is_equal=True)).split(" in 2025")[0] for number in (2, 3, 4, 6)]
    assert named == [
        "Title: highest in Ash and Bow, 9 %", "Title: highest in Ash, Bow and Cam, 9 %",
        "Title: highest in Ash, Bow and 2 others, 9 %", "Title: highest in Ash, Bow and 4 others, 9 %",
    ]  # fmt: skip


def test_similar_leaders_are_counted_and_an_unknown_order_says_why() -> None:
    ending = "6 of 6 councils can be compared."
    assert lead(end_of(leaders=2)) == (
        f"Title: among the highest in Ash, 9 % in 2025, statistically similar to 1 other; {ending}"
    )
    assert lead(end_of(leaders=3)) == (
        f"Title: among the highest in Ash, 9 % in 2025, statistically similar to 2 others; {ending}"
    )
    assert lead(end_of(why="noise")) == (
        f"Title: among the highest in Ash, 9 % in 2025 (the order is uncertain: noise); {ending}"
    )


def test_declared_subject_begins_the_sentence() -> None:
    report = sample()
    header = report.header.model_copy(update={"answer": Answer(column="c", subject="Jobs")})
    said = state_answer(report._replace(header=header), answer_of(*FIGURES), [ranking_of(end_of())])
    assert said == "Jobs were highest in Ash, 9 % in 2025; 6 of 6 councils can be compared."
    bare = report.header.model_copy(update={"answer": Answer(column="c")})
    said = state_answer(report._replace(header=bare), answer_of(*FIGURES), [ranking_of(end_of())])
    assert said.startswith("Title: highest in Ash")


def test_only_figure_is_neither_highest_nor_lowest() -> None:
    day = {"reference_start": date(2025, 3, 1), "reference_end": date(2025, 3, 1)}
    rows = [{**FIGURES[0], "state": "missing"}, {**FIGURES[1], **day}]
    assert lead(end_of(), *rows) == (
        "Title: 8 % in Bow on 1 March 2025; Bow is the only one of 2 councils that can be compared."
    )


def test_groups_are_compared_within_their_nation() -> None:
    rankings = [ranking_of(end_of(), "England"), ranking_of(end_of(first=3), "Wales")]
    report, answer = sample(), answer_of(*FIGURES)
    ending = "6 of 6 councils can be compared, each within its nation."
    assert state_answer(report, answer, rankings) == (
        f"Title: highest of their own nation in Ash (England, 9 % in 2025) and Dee (Wales, 6 % in 2025); {ending}"
    )
    lowest = state_answer(report, answer._replace(order="lowest", unit=""), rankings)
    assert lowest == (
        f"Title: lowest of their own nation in Fal (England, 4 in 2025) and Fal (Wales, 4 in 2025); {ending}"
    )
    unsure = [rankings[0], ranking_of(end_of(leaders=2), "Wales"), rankings[1]]
    assert state_answer(report, answer, unsure) == (
        "Title: among the highest of their own nation in Ash (England, 9 % in 2025), Ash (Wales, 9 % in 2025) and "
        f"Dee (Wales, 6 % in 2025); {ending}"
    )


def test_prepositions_are_of_a_day_a_period_and_a_span() -> None:
    assert add_preposition(date(2025, 1, 1), date(2025, 1, 31)) == "in January 2025"
    assert add_preposition(date(2025, 1, 1), date(2025, 2, 28)) == "from January 2025 to February 2025"
    assert add_preposition(date(2025, 1, 1), date(2025, 1, 1)) == "on 1 January 2025"


def test_periods_of_groups_are_in_order_and_named_once() -> None:
    rows = [{**Y2025, "group": "a"}, {**Y2024, "group": "b"}, {**Y2025, "group": "c"}]
    assert period_of_groups(answer_of(*rows)) == "2024 and 2025" and period_of_groups(answer_of(Y2024)) == "2024"
    half = {**Y2025, "reference_start": date(2025, 7, 1)}
    for _ in range(5):
        assert period_of_groups(answer_of(half, Y2025)) == "2025 and July 2025 to December 2025"
    assert period_of_groups(answer_of(*rows, {**Y2024, "reference_end": date(2024, 6, 30)}, Y2025)) == (
        "January 2024 to June 2024, 2024 and 2025"
    )


def nothing(*reasons: str | None, title: str = "Jobs", **said: Any) -> str:
    rows = [{"state": "missing", "reason": reason} for reason in reasons]
    return state_answer(sample(), answer_of(*rows, title=title, **said), [])


def test_page_without_a_figure_says_why_by_the_most_frequent_reason() -> None:
    assert nothing("not_collected", "suppressed", "not_collected") == (
        "No publisher gives this figure for these 5 councils: jobs. No body is known to collect it."
    )
    assert nothing("not_open", None, None, title="NHS jobs") == (
        "No publisher gives this figure for these 5 councils: NHS jobs. It is collected, but not open."
    )
    suppressed = REASONS["suppressed"].title.lower()
    assert nothing("suppressed", "not_open", "suppressed") == (
        f"No figure can be compared in these 5 councils: jobs ({suppressed})."
    )
    # Of reasons with equally many places, the first by name is stated.
    assert nothing("suppressed", "not_open").endswith("It is collected, but not open.")
    assert nothing(None) == nothing() == "No figure can be compared in these 5 councils: jobs."
    doubted = answer_of({"state": "doubted", "reason": "not_open"}, title="Jobs")
    assert state_answer(sample(), doubted, []) == "No figure can be compared in these 5 councils: jobs."
    assert state_answer(sample(), None, [ranking_of(end_of())]) == (
        "No figure can be compared in these 5 councils: claimant rate."
    )


def test_places_not_compared_are_counted_by_reason_most_first() -> None:
    report, suppressed = sample(), REASONS["suppressed"].title.lower()
    rows: list[dict[str, Any]] = [
        {"place_name": "Cam", "state": "other_period", "value": 1.0, **Y2024}, {"state": "doubted"},
        {"place_name": "Ash", "state": "other_period", "value": -2.0, **Y2025},
        *[{"state": "missing", "reason": "suppressed"}] * 4, {"state": "missing", "reason": None}, {"value": 3.0},
        *[{"state": "proxy"}] * 3,
    ]  # fmt: skip
    assert state_uncompared(report, answer_of(*rows)) == (
        f"4 councils ({suppressed}), 3 (proxy only), 2 (figure of another period: Ash, -2 in 2025; Cam, 1 in 2024) and "
        "1 (figure in doubt)"
    )
    assert state_uncompared(report, answer_of({}, {})) == "" and state_uncompared(report, answer_of()) == ""
    assert state_uncompared(report, answer_of({"state": "proxy"}, {})) == "1 council (proxy only)"


@pytest.mark.parametrize(("number", "is_named"), [(1, True), (3, True), (4, False)])
def test_a_few_places_of_another_period_are_named(number: int, is_named: bool) -> None:
    rows = [{"state": "other_period", "value": 2.0, "place_name": name, **Y2024} for name in NAMED[:number]]
    noun = "council" if number == 1 else "councils"
    names = ": " + "; ".join(f"{name}, 2 in 2024" for name in NAMED[:number]) if is_named else ""
    assert state_uncompared(sample(), answer_of(*rows[::-1])) == f"{number} {noun} (figure of another period{names})"


def test_needs_without_any_figure_are_stated_where_another_figure_is_shown() -> None:
    def unpublished(**needs: Need) -> str:
        report = sample()
        return state_unpublished(report._replace(header=report.header.model_copy(update={"needs": needs})))

    aside = Need(essential=False)
    assert unpublished(vacancies=Need(), households=aside) == (
        "No figure of what the question needs is known for any place: unfilled vacancies."
    )
    assert unpublished(vacancies=Need(), households=Need()) == unpublished(households=Need()) == ""
    assert unpublished(vacancies=aside) == unpublished() == ""


def head(report: Report, answer: PageAnswer | None, rankings: list[Ranking]) -> dict[str, Any]:
    return sentence_values(report, answer, rankings)


def test_head_of_a_page_has_its_sentence_and_says_whether_figures_are_counts() -> None:
    rows: list[dict[str, Any]] = [*FIGURES, {"state": "proxy"}]
    plain = {"nouns": "councils", "is_count": False, "uncompared": "1 council (proxy only)"}
    sentence = "Title: highest in Ash, 9 % in 2025; 6 of 7 councils can be compared."
    rankings = [ranking_of(end_of())]
    assert head(sample(), answer_of(*rows), rankings) == {**plain, "lead": sentence}
    assert head(sample(), answer_of(*rows, measure=measure_of("rate")), rankings)["is_count"] is False
    assert head(sample(), answer_of(*rows, measure=measure_of("stock")), rankings)["is_count"] is True
    assert head(sample(), answer_of({"state": "proxy"}, measure=measure_of("stock")), []) == {
        "nouns": "councils", "is_count": False, "uncompared": "",
        "lead": "No figure can be compared in these 5 councils: title.",
    }  # fmt: skip
    assert head(sample(), None, [])["uncompared"] == ""


def test_head_says_first_that_no_figure_of_the_needs_is_known() -> None:
    report = sample()
    needs = {"vacancies": Need(), "households": Need(essential=False)}
    apart = report._replace(header=report.header.model_copy(update={"needs": needs}))
    sentence = "No figure of what the question needs is known for any place: unfilled vacancies."
    assert head(apart, answer_of(*FIGURES), [ranking_of(end_of())])["lead"] == (
        f"{sentence} Title: highest in Ash, 9 % in 2025; 6 of 6 councils can be compared."
    )
    assert sentence not in head(apart, None, [])["lead"]
