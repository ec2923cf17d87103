"""Choice of the answer of a page, and which of its figures can be compared: both sides of each rule."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.declarations.problem import Answer, Need
from pipelines.declarations.problem_sql import ParsedSelect
from pipelines.outputs.answer import (
    ANSWER_FIGURE,
    PageAnswer,
    _mark_other_periods,
    _newest_full_period,
    add_unit,
    choose_answer_column,
    column_inputs,
    find_answer,
)
from pipelines.outputs.report_model import Report
from tests.gaps.plain import measure_of
from tests.report_sample import MEASURES, NAMES, sample

Y2023, Y2024, Y2025 = ({"reference_start": date(year, 1, 1), "reference_end": date(year, 12, 31)}
                       for year in (2023, 2024, 2025))  # fmt: skip


def figures_of(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"place_name": "n", "nation": "England", "group": "", "state": "comparable", **Y2025}
    said = [{**usual, "place_code": f"p{number}", **row} for number, row in enumerate(rows)]
    return pl.DataFrame(said, schema=ANSWER_FIGURE)


def answer_of(*rows: dict[str, Any], **said: Any) -> PageAnswer:
    made = PageAnswer("c", "Title", "%", "%", "highest", None, ("c",), date(2025, 1, 1), figures_of(*rows))
    return made._replace(**said)


def states(*rows: dict[str, Any]) -> list[str]:
    """Return the states of figures after the check of their periods, which no order of rows changes."""
    figures = figures_of(*rows)
    marked = _mark_other_periods(figures)
    assert marked.drop("state").equals(figures.drop("state")) and marked.schema == ANSWER_FIGURE
    assert _mark_other_periods(figures.reverse()).reverse().equals(marked)
    return marked["state"].to_list()


def test_figures_of_another_period_than_most_of_their_group_are_marked() -> None:
    assert states() == [] and states(Y2024) == ["comparable"]
    assert states(Y2025, Y2024, Y2025) == ["comparable", "other_period", "comparable"]
    assert states(Y2024, Y2024, Y2025) == ["comparable", "comparable", "other_period"]
    half = {**Y2025, "reference_start": date(2025, 7, 1)}
    short = {**Y2025, "reference_end": date(2025, 6, 30)}
    assert states(Y2025, Y2025, half, short) == ["comparable", "comparable", "other_period", "other_period"]
    groups = ({**Y2024, "group": "a"}, {**Y2025, "group": "b"}, {**Y2025, "group": "b"}, {**Y2023, "group": "b"})
    assert states(*groups) == ["comparable", "comparable", "comparable", "other_period"]
    assert states({**Y2024, "group": "a"}, {**Y2025, "group": "b"}) == ["comparable", "comparable"]


def test_of_periods_with_equally_many_figures_the_latest_is_compared() -> None:
    assert states(Y2024, Y2025) == ["other_period", "comparable"]
    half = {**Y2025, "reference_start": date(2025, 7, 1)}
    for _ in range(5):
        assert states(Y2025, half) == ["other_period", "comparable"]
        assert states(half, Y2025, half, Y2025) == ["comparable", "other_period"] * 2


def test_only_comparable_figures_count_for_the_usual_period_and_others_keep_their_state() -> None:
    missing, proxy = {**Y2024, "state": "missing"}, {**Y2024, "state": "proxy"}
    assert states(missing, proxy, proxy, Y2024, Y2025, Y2025) == [
        "missing", "proxy", "proxy", "other_period", "comparable", "comparable",
    ]  # fmt: skip
    none = {"reference_start": None, "reference_end": None, "state": "missing"}
    assert states(none, Y2024, Y2025) == ["missing", "other_period", "comparable"]


def test_groups_are_those_of_comparable_figures() -> None:
    two = answer_of({"group": "a"}, {"group": "b"}, {"group": "c", "state": "missing"})
    assert two.is_by_group and two.comparable["place_code"].to_list() == ["p0", "p1"]
    assert not answer_of({"group": "a"}, {"group": "b", "state": "proxy"}).is_by_group


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([], 0), ([None], 0), ([3.0, -4.0], 0), ([3.0, 0.5], 1), ([0.25], 2), ([1 / 3, 2.0], 2), ([0.1, None], 1)],
)
def test_figures_of_a_column_share_the_decimals_that_they_need(values: list[float | None], decimals: int) -> None:
    answer = answer_of(*({"value": value} for value in values))
    assert answer.decimals == decimals
    assert answer.format(-1234.5678) == ("-1,235", "-1,234.6", "-1,234.57")[decimals]
    assert answer.format(-0.0) == ("0", "0.0", "0.00")[decimals]


def test_figures_of_a_measure_have_its_decimals() -> None:
    assert answer_of({"value": 0.25}, measure=measure_of(rounding=0.1)).format(1234.25) == "1,234.2"
    assert [answer_of({"value": 0.25}).format(value) for value in (1234.5, 1.0, -0.001)] == ["1,234.50", "1.00", "0.00"]


def test_heading_repeats_no_words_of_the_title() -> None:
    assert answer_of(own_unit="jobs", unit="of ten").heading == "Title, jobs"
    assert add_unit("Jobs", "JOBS") == "Jobs" and add_unit("Rate per head", "jobs per head") == "Rate per head, jobs"
    assert add_unit("Rate", "jobs per head") == "Rate, jobs per head" and add_unit("Score by head", "per head") == (
        "Score by head, per head"
    )
    assert add_unit("Jobs per head", "jobs per head") == "Jobs per head"
    # Without the word per, the end of the title is no base.
    assert add_unit("Rate", "") == "Rate" and add_unit("", "%") == ", %"


def with_needs(report: Report, needs: dict[str, Need], unknowns: tuple[str, ...] = ("vacancies",)) -> Report:
    header = report.header.model_copy(update={"needs": needs, "unknowns": unknowns})
    return report._replace(header=header)


def test_default_is_the_first_known_essential_rate() -> None:
    report, aside = sample(), Need(essential=False)
    stock, rate = "households", "claimant_rate"
    assert choose_answer_column(with_needs(report, {stock: Need(), rate: Need()})) == rate
    assert choose_answer_column(with_needs(report, {stock: Need(), rate: aside})) == stock
    assert choose_answer_column(with_needs(report, {"vacancies": Need(), stock: aside}, ())) == stock
    assert choose_answer_column(with_needs(report, {"vacancies": Need()}, ())) == "vacancies"
    assert choose_answer_column(with_needs(report, {})) == "vacancies"
    assert choose_answer_column(with_needs(report, {}, ())) is None
    residents = report._replace(measures={"residents": measure_of(), **MEASURES})
    assert choose_answer_column(with_needs(residents, {"residents": Need()})) is None
    assert choose_answer_column(with_needs(residents, {"residents": Need(), "vacancies": aside}, ())) == "vacancies"
    assert find_answer(with_needs(report, {}, ())) is None


def test_inputs_of_a_column_are_the_alternatives_of_its_needs() -> None:
    report = with_needs(sample(), {"either": Need(one_of=("claimant_rate", "households"))})
    select = ParsedSelect("", (), {"a": ("either", "households"), "b": ("vacancies",), "c": ()})
    assert column_inputs(report._replace(select=select)) == {
        "a": ("claimant_rate", "households"), "b": ("vacancies",), "c": (),
    }  # fmt: skip


def test_answer_of_a_measure_has_its_title_unit_and_states() -> None:
    report = sample()
    changes = {"E06000001": ("value", None), "E06000002": ("proxy_measure", "households"),
               "E07000008": ("caveats", "rounded,flagged"), "E09000001": ("caveats", None)}  # fmt: skip
    cells = report.cells
    for code, (column, entry) in changes.items():
        is_meant = (pl.col("place_code") == code) & (pl.col("measure") == "claimant_rate")
        cells = cells.with_columns(pl.when(is_meant).then(pl.lit(entry)).otherwise(column).alias(column))
    answer = find_answer(report._replace(cells=cells.reverse()))
    assert answer and answer[:8] == (
        "claimant_rate", "Claimant rate", "%", "%", "highest", MEASURES["claimant_rate"], ("claimant_rate",),
        cells["period_start"][0],
    )  # fmt: skip
    assert answer.figures.select("place_code", "place_name", "state", "value").rows() == [
        ("E06000001", "Hartlepool", "missing", None), ("E06000002", NAMES["E06000002"], "proxy", 3.5),
        ("E07000008", NAMES["E07000008"], "doubted", 4.5), ("E09000001", "City of London", "comparable", 5.5),
        ("W06000001", "Ynys Môn", "comparable", 6.5),
    ]  # fmt: skip


def test_declared_answer_may_have_another_unit_in_its_sentence() -> None:
    report = sample()
    for unit, expected in (("of a hundred", "of a hundred"), (None, "%")):
        said = Answer(column="claimant_rate", order="lowest", unit=unit)
        answer = find_answer(report._replace(header=report.header.model_copy(update={"answer": said})))
        assert answer and (answer.unit, answer.own_unit, answer.order) == (expected, "%", "lowest")


def month_counts(*counts: tuple[int, int]) -> pl.DataFrame:
    """Return cells of months, each with a number of known figures and one of gaps."""
    rows = [
        (date(2025, month, 1), value)
        for month, (known, gaps) in enumerate(counts, 1) for value in [1.0] * known + [None] * gaps
    ]  # fmt: skip
    schema = {"period_start": pl.Date, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").sample(fraction=1, shuffle=True, seed=1)


def test_newest_period_with_half_as_many_figures_as_any_is_shown() -> None:
    assert _newest_full_period(month_counts((2, 0), (4, 0), (2, 2), (1, 3))) == date(2025, 3, 1)
    assert _newest_full_period(month_counts((5, 0), (2, 3))) == date(2025, 1, 1)
    assert _newest_full_period(month_counts((4, 0), (1, 3))) == date(2025, 1, 1)
    assert _newest_full_period(month_counts((0, 4), (0, 4))) == date(2025, 2, 1)
    assert _newest_full_period(month_counts()) is None


def of_column(
    column: str = "per_head", inputs: tuple[str, ...] = ("claimant_rate", "households"), **said: Any
) -> Report:
    """Return the sample with a computed column as its answer; its view has no row of the last place."""
    report = sample()
    values = [7.0, None, 3.25, -1.0]
    view = pl.DataFrame({"place_code": list(NAMES)[:4], column: values})
    header = report.header.model_copy(update={"answer": Answer(column=column)})
    return report._replace(view=view, header=header, select=ParsedSelect("", (), {column: inputs}), **said)


def changed(report: Report, code: str, measure: str, **new: Any) -> Report:
    is_meant = (pl.col("place_code") == code) & (pl.col("measure") == measure)
    entries = [pl.when(is_meant).then(pl.lit(value)).otherwise(name).alias(name) for name, value in new.items()]
    return report._replace(cells=report.cells.with_columns(entries))


def test_computed_column_has_the_doubts_caveats_and_periods_of_its_inputs() -> None:
    report = changed(of_column(), "E06000001", "claimant_rate", caveats="rounded", reference_end=date(2025, 6, 30))
    report = changed(report, "E06000001", "households", caveats="rounded,estimated", reference_start=date(2025, 7, 1))
    report = changed(report, "E06000002", "claimant_rate", reason="not_returned", value=None)
    report = changed(report, "E07000008", "households", caveats="flagged")
    report = changed(report, "E09000001", "households", value=1.0, reason=None, caveats=None)
    answer = find_answer(report)
    assert answer and answer[:8] == (
        "per_head",
        "Per head",
        "",
        "",
        "highest",
        None,
        ("claimant_rate", "households"),
        report.cells["period_start"][0],
    )
    rows = answer.figures.select("place_code", "nation", "group", "state", "value", "reason", "caveats").rows()
    assert rows == [
        ("E06000001", "England", "", "comparable", 7.0, None, "rounded,estimated"),
        ("E06000002", "England", "", "missing", None, "not_returned", "rounded,provisional"),
        ("E07000008", "England", "", "doubted", 3.25, None, "rounded,provisional,flagged"),
        ("E09000001", "England", "", "other_period", -1.0, None, "rounded,provisional"),
    ]
    both = find_answer(changed(report, "E07000008", "claimant_rate", proxy_measure="vacancies"))
    assert both and both.figures["state"].to_list()[2] == "proxy"
    spans = answer.figures.select("reference_start", "reference_end").row(0)
    assert spans == (date(2025, 7, 1), date(2025, 12, 31))


def test_period_of_a_column_is_of_its_inputs_other_than_residents() -> None:
    report = of_column("jobs_share_of_all", ("claimant_rate", "residents"))
    own = report.cells.with_columns(pl.col("measure").replace("households", "residents"))
    old = changed(report._replace(cells=own), "E06000001", "residents", reference_start=date(2030, 1, 1),
                  reference_end=date(2030, 12, 31))  # fmt: skip
    measures = {"claimant_rate": MEASURES["claimant_rate"], "residents": measure_of(unit="people")}
    answer = find_answer(old._replace(measures=measures))
    assert answer and set(answer.figures["reference_end"]) == {date(2025, 12, 31)}
    # A column of shares is in per cent, whatever its inputs.
    assert answer.unit == "%"
    # A place without a cell of them keeps its row.
    is_kept = (pl.col("measure") == "residents") | (pl.col("place_code") != "E06000001")
    fewer = find_answer(old._replace(measures=measures, cells=old.cells.filter(is_kept)))
    assert fewer and fewer.figures["place_code"].to_list() == list(NAMES)[:4]
    alone = old._replace(select=ParsedSelect("", (), {"jobs_share_of_all": ("residents",)}), measures=measures)
    of_residents = find_answer(alone)
    assert of_residents and of_residents.figures["reference_end"][0] == date(2030, 12, 31)
    assert of_residents.title == "t"


@pytest.mark.parametrize(
    ("column", "inputs", "unit"),
    [("twice", ("claimant_rate",), "%"), ("twice", ("claimant_rate", "households"), ""),
     ("one_per_two", ("claimant_rate",), ""), ("shares", ("claimant_rate",), "%"), ("shared", ("households",),
     "households"), ("share_of_it_all", ("claimant_rate", "households"), "%")],
)  # fmt: skip
def test_unit_of_a_column_is_what_its_inputs_share(column: str, inputs: tuple[str, ...], unit: str) -> None:
    answer = find_answer(of_column(column, inputs))
    assert answer and answer.unit == answer.own_unit == unit


def test_column_of_a_need_with_several_measures_is_grouped_by_the_measure_behind_it() -> None:
    report = of_column("rate", ("either",))
    needs = {"either": Need(one_of=("claimant_rate", "households"))}
    is_wales = pl.col("place_code") == "E09000001"
    kept = ((pl.col("measure") == "claimant_rate") & ~is_wales) | ((pl.col("measure") == "households") & is_wales)
    header = report.header.model_copy(update={"needs": needs})
    cells = changed(report, "E09000001", "households", value=1.0, reason=None).cells
    both = find_answer(report._replace(header=header, cells=cells))
    apart = find_answer(report._replace(header=header, cells=cells.filter(kept)))
    assert both and apart and apart.inputs == ("claimant_rate", "households")
    assert both.figures["group"].to_list() == [
        "claimant_rate+households", "claimant_rate", "claimant_rate+households", "claimant_rate+households",
    ]  # fmt: skip
    assert apart.figures["group"].to_list() == ["claimant_rate"] * 3 + ["households"]


def test_column_by_period_shows_the_newest_full_one() -> None:
    report = sample("month")
    months = [date(2025, month, 1) for month in (1, 2, 3)]
    view = pl.DataFrame([{"place_code": code, "period_start": month, "per_head": float(month.month)}
                         for code in NAMES for month in months])  # fmt: skip
    header = report.header.model_copy(update={"answer": Answer(column="per_head")})
    late = pl.col("period_start") == months[2]
    cells = report.cells.with_columns(pl.when(~late).then("value").alias("value"))
    made = report._replace(view=view, header=header, select=ParsedSelect("", (), {"per_head": ("claimant_rate",)}))
    newest, full = find_answer(made), find_answer(made._replace(cells=cells))
    assert newest and newest.period_start == months[2] and newest.figures["value"].to_list() == [3.0] * 5
    assert full and full.period_start == months[1] and full.figures["value"].to_list() == [2.0] * 5
