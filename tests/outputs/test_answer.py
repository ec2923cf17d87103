"""The answer of a page: its sentence, the places compared, both ends of the order, and the map of values."""

from datetime import date
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.declarations.problem import Answer, Need
from pipelines.declarations.problem_sql import parse_select
from pipelines.outputs.answer import PageAnswer, add_unit, choose_answer_column, find_answer
from pipelines.outputs.answer_ranking import rank_answer
from pipelines.outputs.answer_sentence import add_preposition, sentence_values, state_answer, state_uncompared
from pipelines.outputs.report import render_html
from pipelines.outputs.report_model import Report
from pipelines.outputs.value_map import _class_text, build_value_map, classify, cut_classes
from tests.report_sample import HARM, MEASURES, of_estimates, sample


def answer_of(report: Report) -> PageAnswer:
    answer = find_answer(report)
    assert answer is not None
    return answer


def lead(report: Report) -> str:
    answer = answer_of(report)
    return state_answer(report, answer, rank_answer(report, answer))


def with_cells(report: Report, code: str, **new: Any) -> Report:
    is_meant = (pl.col("place_code") == code) & (pl.col("measure") == "claimant_rate")
    changed = [pl.when(is_meant).then(pl.lit(v)).otherwise(name).alias(name) for name, v in new.items()]
    return report._replace(cells=report.cells.with_columns(changed))


def test_sentence_states_figure_place_period_and_number_compared() -> None:
    assert lead(sample()) == ("Claimant rate: highest in Ynys Môn, 6.5 % in 2025; 5 of 5 councils can be compared.")


def test_figure_of_a_day_is_of_a_day_and_not_in_it() -> None:
    report = sample()
    day = [pl.lit(date(2025, 2, 28)).alias(f"reference_{end}") for end in ("start", "end")]
    assert "6.5 % on 28 February 2025;" in lead(report._replace(cells=report.cells.with_columns(day)))


def test_declared_subject_unit_and_order_are_in_the_sentence() -> None:
    said = Answer(column="claimant_rate", order="lowest", subject="Claimants", unit="% of residents")
    report = sample()._replace(header=sample().header.model_copy(update={"answer": said}))
    assert lead(report).startswith("Claimants were lowest in Hartlepool, 2.5 % of residents in 2025;")


def test_overlapping_intervals_make_a_place_one_among_the_highest() -> None:
    wide = of_estimates()
    cells = wide.cells.with_columns(pl.col("interval_upper") + 0.5)
    report = wide._replace(cells=cells)
    assert "among the highest in Ynys Môn, 6.5 %" in lead(report)
    assert "statistically similar to 1 other" in lead(report)
    end = rank_answer(report, answer_of(report))[0].highest
    assert end.leaders == 2 and not end.is_certain


@pytest.mark.parametrize(("second", "leaders"), [(6.5, 2), (6.4, 1)])
def test_leaders_with_noise_are_those_with_equal_figures(second: float, leaders: int) -> None:
    noisy = MEASURES["claimant_rate"].model_copy(update={"uncertainty": "perturbed"})
    report = with_cells(sample(), "E09000001", value=second)._replace(measures={**MEASURES, "claimant_rate": noisy})
    end = rank_answer(report, answer_of(report))[0].highest
    assert (end.leaders, end.is_equal, end.is_certain) == (leaders, leaders == 2, False)


def test_estimate_without_an_interval_is_never_the_highest() -> None:
    report = sample()
    bare = MEASURES["claimant_rate"].model_copy(update={"uncertainty": "estimate"})
    report = report._replace(measures={**MEASURES, "claimant_rate": bare})
    cells = report.cells.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("lower_bound", "upper_bound"))
    assert "among the highest" in lead(report._replace(cells=cells))
    assert "the order is uncertain: no interval published" in lead(report._replace(cells=cells))


@pytest.mark.parametrize(
    ("change", "why"),
    [({"caveats": "implausible"}, "figure in doubt"), ({"proxy_measure": "households"}, "proxy only"),
     ({"reference_start": date(2024, 1, 1), "reference_end": date(2024, 12, 31)},
      "figure of another period: Ynys Môn, 6.5 in 2024")],
)  # fmt: skip
def test_doubted_figure_proxy_and_other_period_are_never_a_finding(change: dict[str, Any], why: str) -> None:
    report = with_cells(sample(), "W06000001", **change)
    assert "Ynys Môn" not in lead(report) and "4 of 5 councils" in lead(report)
    assert state_uncompared(report, answer_of(report)) == f"1 council ({why})"
    answer = answer_of(report)
    shape = build_value_map(answer, rank_answer(report, answer)).shapes["W06000001"]
    assert shape.style == "apart" and "not compared" in shape.title


def test_equal_highest_figures_are_named_together() -> None:
    same = with_cells(sample(), "E09000001", value=6.5, lower_bound=6.5, upper_bound=6.5)
    assert "highest in City of London and Ynys Môn, 6.5 %" in lead(same)


def test_page_without_a_figure_says_that_no_publisher_gives_it() -> None:
    nothing = [pl.lit(None, pl.Float64).alias("value"), pl.lit("not_collected").alias("reason")]
    report = sample()._replace(cells=sample().cells.with_columns(nothing))
    text = sentence_values(report, find_answer(report), [])["lead"]
    assert text.startswith("No publisher gives this figure for these 5 councils: claimant rate.")
    assert text in render_html(report)


def test_default_is_a_known_rate_and_never_a_need_with_several_measures() -> None:
    report = sample()
    needs = {"households": Need(), "claimant_rate": Need()}
    assert choose_answer_column(report._replace(header=report.header.model_copy(update={"needs": needs}))) == (
        "claimant_rate"
    )
    several = {"either": Need(one_of=("claimant_rate", "households"))}
    assert choose_answer_column(report._replace(header=report.header.model_copy(update={"needs": several}))) is None


def test_default_is_yes_or_no_only_where_nothing_else_is_known() -> None:
    report = sample()
    measures = {**report.measures, "claimant_rate": report.measures["claimant_rate"].model_copy(
        update={"unit": "yes or no"})}  # fmt: skip
    needs = {"claimant_rate": Need(), "households": Need(essential=False)}
    header = report.header.model_copy(update={"needs": needs})
    asked = report._replace(measures=measures, header=header)
    assert choose_answer_column(asked) == "households"
    alone = report.cells.filter(pl.col("measure") == "claimant_rate")
    assert choose_answer_column(asked._replace(cells=alone)) == "claimant_rate"


def by_nation() -> Report:
    """Return the sample with a need that one measure answers in England, and another in Wales."""
    report = sample()
    is_wales = pl.col("place_code").str.starts_with("W")
    own = ((pl.col("measure") == "claimant_rate") & ~is_wales) | ((pl.col("measure") == "households") & is_wales)
    needs = {"either": Need(one_of=("claimant_rate", "households"))}
    header = report.header.model_copy(update={"needs": needs, "answer": Answer(column="rate")})
    view = report.cells.filter(own).select("place_code", pl.col("value").alias("rate"))
    return report._replace(
        cells=report.cells.filter(own), view=view, header=header,
        select=parse_select(
            "select either.value as rate from lad_2023.place join lad_2023.either using (place_code)", "sample.sql"
        ),
    )  # fmt: skip


def test_measures_of_one_need_are_compared_within_their_nation_only() -> None:
    report = by_nation()
    answer = answer_of(report)
    assert [(r.group, r.places) for r in rank_answer(report, answer)] == [("England", 4), ("Wales", 1)]
    assert "highest of their own nation in City of London (England, 5.5 in 2025)" in lead(report)
    styles = {code: shape.style for code, shape in build_value_map(answer, rank_answer(report, answer)).shapes.items()}
    assert styles["W06000001"] == "c3" and styles["E09000001"] == "c5"


def test_legend_names_a_part_of_the_places_only_where_every_nation_has_as_many_parts() -> None:
    """The lowest fifth of one nation has the colour of the lowest third of another."""
    figures = pl.DataFrame({"group": ["e", "w"]})
    answer: Any = SimpleNamespace(format=repr, comparable=figures)
    fifths, thirds = cut_classes([1.0, 2.0, 3.0, 4.0, 5.0]), cut_classes([6.0, 7.0, 8.0])
    assert _class_text(answer, [("England", fifths, 0), ("Wales", fifths, 0)]) == (
        "lowest fifth of its nation: England 1.0; Wales 1.0"
    )
    assert _class_text(answer, [("England", fifths, 0), ("Wales", thirds, 0)]) == "England 1.0; Wales 6.0"
    assert _class_text(answer, [("Wales", thirds, 1)]) == "middle third of its nation: Wales 7.0"
    answer.comparable = figures.head(1)
    assert _class_text(answer, [("", fifths, 1)]) == "2.0"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(1, 5))
def test_each_figure_is_in_one_class_and_classes_do_not_overlap(values: list[float], most: int) -> None:
    ranges = cut_classes(values, most)
    assert len(ranges) <= most and sum(cut.places for cut in ranges) == len(values)
    assert all(before.high < after.low for before, after in pairwise(ranges))
    numbers = [classify(value, ranges) for value in values]
    assert [numbers.count(n) for n in range(len(ranges))] == [cut.places for cut in ranges]


def test_map_has_the_values_of_the_view_and_the_colour_of_their_class() -> None:
    html = render_html(sample())
    figures = dict(sample().view.select("place_code", "claimant_rate").iter_rows())
    for code, value in figures.items():
        assert f'data-place="{code}" data-value="{value!r}"' in html
    assert 'class="c1" data-place="E06000001"' in html and 'class="c5" data-place="W06000001"' in html


def test_map_hatches_a_place_without_a_figure() -> None:
    gap = with_cells(sample(), "E06000001", value=None, reason="suppressed")
    html = render_html(gap)
    assert 'class="none" data-place="E06000001" data-value=""' in html
    assert "Hartlepool: suppressed" in html


def test_page_has_one_count_of_verdicts_and_no_harm() -> None:
    html = render_html(sample())
    assert html.count("places: answerable;") == 1 and HARM not in html
    assert html.index('id="answer"') < html.index('id="places"') < html.index('id="missing"') < html.index('id="built"')


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (date(2025, 1, 1), date(2025, 12, 31), "in 2025"),
        (date(2025, 2, 28), date(2025, 2, 28), "on 28 February 2025"),
        (date(2025, 4, 1), date(2026, 3, 31), "from April 2025 to March 2026"),
        (date(2020, 3, 9), date(2022, 2, 27), "from 9 March 2020 to 27 February 2022"),
    ],
)
def test_period_has_the_preposition_of_its_kind(start: date, end: date, text: str) -> None:
    assert add_preposition(start, end) == text


def test_only_comparable_figure_is_neither_highest_nor_lowest() -> None:
    report, (first, *others) = sample(), list(dict.fromkeys(sample().places["place_code"]))
    for code in others:
        report = with_cells(report, code, reference_start=date(2024, 1, 1), reference_end=date(2024, 12, 31))
    report = report._replace(cells=report.cells.filter(pl.col("place_code").is_in([first, *others[:2]])))
    answer = answer_of(report)
    alone = answer._replace(figures=answer.figures.with_columns(
        pl.when(pl.col("place_code") == first).then(pl.lit("comparable")).otherwise(pl.lit("other_period"))
        .alias("state")
    ))  # fmt: skip
    name = alone.comparable["place_name"].item()
    lead_text = state_answer(report, alone, rank_answer(report, alone))
    assert (
        lead_text.startswith("Claimant rate: ")
        and f"in {name} in 2025; {name} is the only one of 3 councils" in lead_text
    )
    assert "highest" not in lead_text
    uncompared = state_uncompared(report, alone)
    assert uncompared.startswith("2 councils (figure of another period: ") and uncompared.count("in 2024") == 2


def test_unit_that_the_title_has_is_not_repeated() -> None:
    assert add_unit("Deaths registered in the year", "deaths") == "Deaths registered in the year"
    assert add_unit("Emissions per resident", "tonnes per resident") == "Emissions per resident, tonnes"
    assert add_unit("Claimant rate", "%") == "Claimant rate, %" and add_unit("Score", "") == "Score"


def test_classes_do_not_share_a_figure_as_shown() -> None:
    values = [n / 40 for n in range(400)]
    ranges = cut_classes(values, 5, lambda value: f"{value:.1f}")
    ends = [(f"{cut.low:.1f}", f"{cut.high:.1f}") for cut in ranges]
    assert len(ranges) == 5 and sum(cut.places for cut in ranges) == 400
    assert all(one[1] != other[0] for one, other in pairwise(ends))
