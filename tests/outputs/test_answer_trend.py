"""The answer over time: values of the history, gaps as gaps, the band, and the context of a rate."""

import re
from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.periods import ReferencePeriod
from pipelines.core.schema import table_from_records
from pipelines.declarations.problem import Need
from pipelines.gaps import HISTORY
from pipelines.outputs import answer_trend
from pipelines.outputs.answer import PageAnswer, find_answer
from pipelines.outputs.answer_ranking import rank_answer
from pipelines.outputs.answer_trend import _find_band, describe_answer_trend
from pipelines.outputs.report import render_html
from pipelines.outputs.report_model import Report
from pipelines.outputs.trend_chart import NO_BAND, TrendBand
from tests.report_sample import NAMES, sample

YEARS = range(2019, 2026)
MONTHS = [(date(2025, 1, 1), date(2025, 1, 31)), (date(2025, 2, 1), date(2025, 2, 28)),
          (date(2025, 3, 1), date(2025, 3, 31))]  # fmt: skip


def row(code: str, level: str, year: int, value: float | None, months: int = 12) -> dict[str, Any]:
    return {"measure": "claimant_rate", "level": level, "place_code": code, "period_start": date(year, 1, 1),
            "period_end": date(year, months, 31), "value": value, "obs_status": "normal",
            "reason": None if value is not None else "suppressed"}  # fmt: skip


def over_time(missing: dict[tuple[str, int], None] | None = None, without: int | None = None) -> Report:
    """Return the sample with yearly figures; `missing` names gaps, and no place has a row of the year `without`."""
    gaps = missing or {}
    rows = [
        row(code, "place", year, None if (code, year) in gaps else 1.0 + n + (year - 2019) / 10)
        for n, code in enumerate(NAMES) for year in YEARS if year != without
    ]  # fmt: skip
    rows += [row("E92000001", "nation", year, 4.0) for year in YEARS]
    rows += [row("W06000001", "place", 2025, 99.0, months=1)]
    return sample()._replace(over_time=table_from_records(rows, HISTORY))


def trend(report: Report) -> dict[str, Any]:
    answer = find_answer(report)
    assert answer
    return describe_answer_trend(report, answer, rank_answer(report, answer))


def lines(svg: str) -> dict[str, list[str]]:
    return {name: values.split() for name, values in re.findall(r'data-name="([^"]+)"[^>]*data-values="([^"]+)"', svg)}


def test_values_drawn_are_those_of_the_history() -> None:
    report = over_time()
    drawn = lines(trend(report)["svg"])
    figures = report.over_time.filter(pl.col("place_code") == "W06000001", pl.col("value") < 90)["value"].to_list()
    assert drawn["Ynys Môn"] == [repr(value) for value in figures]


def test_a_gap_and_an_omitted_period_end_the_line() -> None:
    gap = trend(over_time({("W06000001", 2022): None}))["svg"]
    assert lines(gap)["Ynys Môn"][3] == "-"
    own = re.search(r'<g class="own" data-name="Ynys Môn"[^>]*><path d="([^"]+)"', gap)
    assert own and own[1].count("M") == 2
    omitted = trend(over_time(without=2022))["svg"]
    own = re.search(r'<g class="own" data-name="Ynys Môn"[^>]*><path d="([^"]+)"', omitted)
    assert own and own[1].count("M") == 2


def test_a_month_is_never_joined_to_years() -> None:
    assert "99.0" not in trend(over_time())["svg"]


def test_band_has_a_gap_where_few_places_have_figures() -> None:
    few = {(code, 2021): None for code in list(NAMES)[:4]}
    svg = trend(over_time(few))["svg"]
    areas = re.search(r'data-low="([^"]+)" data-high="([^"]+)"><path class="band" d="([^"]+)"', svg)
    assert areas and areas[1].split()[2] == areas[2].split()[2] == "-"
    assert areas[3].count("M") == 2


def test_band_leaves_out_a_tenth_of_the_places_at_each_end() -> None:
    """The tenth is a whole number: one of 10 to 19 places, two of 20, and none of 9."""
    periods = [ReferencePeriod(date(year, 1, 1), date(year, 12, 31)) for year in (2019, 2020, 2021, 2022)]
    rows = [
        {**row(f"p{n}", "place", period.start.year, float(n + 1)), "mark": "break" if n < 10 + number - 19 else ""}
        for period, number in zip(periods, (20, 19, 10, 9), strict=True) for n in range(number)
    ]  # fmt: skip
    others = [{**row("E12000007", "region", 2019, 99.0), "mark": ""}, {**row("p50", "place", 2019, None), "mark": ""}]
    history = pl.DataFrame([*rows[::-1], *others], infer_schema_length=None)
    band = _find_band(history, periods, "districts")
    assert band.name == "eight in ten districts"
    assert [(point.low, point.high, point.mark) for point in band.points] == [
        (3.0, 18.0, "break"), (2.0, 18.0, "break"), (2.0, 9.0, ""), (None, None, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "most", "has_band"), [
    ("rate", 99, True), ("rate", 1, True), ("stock", 99, True), ("stock", 1, False),
])  # fmt: skip
def test_small_charts_of_a_count_have_the_band_of_places_only_where_they_are_of_places(
    kind: str, most: int, has_band: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regions have sums of many places, which are never near the band."""
    bands: list[TrendBand] = []
    monkeypatch.setattr(answer_trend, "MAX_PANELS", most)
    monkeypatch.setattr(answer_trend, "draw_small_multiples", lambda _, band, __: bands.append(band) or [])
    report = over_time()
    measure = report.measures["claimant_rate"].model_copy(update={"kind": kind})
    drawn = trend(report._replace(measures={**report.measures, "claimant_rate": measure}))
    assert drawn["svg"] and drawn["band"].points
    assert bands == [drawn["band"] if has_band else NO_BAND]


def test_rate_has_its_nation_as_context_and_a_count_has_none() -> None:
    report = over_time()
    places = report.places.with_columns(pl.lit("England").alias("nation"))
    assert lines(trend(report._replace(places=places))["svg"])["England"] == ["4.0"] * 7
    stock = report.measures["claimant_rate"].model_copy(update={"kind": "stock"})
    counted = report._replace(places=places, measures={**report.measures, "claimant_rate": stock})
    assert "England" not in lines(trend(counted)["svg"])


def test_page_without_two_periods_says_so() -> None:
    report = over_time()
    one = report._replace(over_time=report.over_time.filter(pl.col("period_start") == date(2025, 1, 1)))
    assert "Only one period of this figure is stored" in render_html(one)
    assert "Over time" in render_html(report)


def test_two_periods_are_drawn_over_time() -> None:
    report = over_time()
    two = report._replace(over_time=report.over_time.filter(pl.col("period_start") >= date(2024, 1, 1)))
    assert lines(trend(two)["svg"])["Ynys Môn"] == ["5.5", "5.6"] and not trend(two)["why"]


def test_page_without_figures_over_time_does_not_say_that_one_period_is_stored() -> None:
    without = sample()
    answer = find_answer(without)
    assert answer and without.over_time.is_empty()
    computed = answer._replace(inputs=("claimant_rate", "households"))
    for shown in (answer, computed):
        why = describe_answer_trend(without, shown, rank_answer(without, shown))["why"]
        assert why.startswith("No figures over time are kept for this page. A geography of more than 2,000 places")


def test_decision_of_the_past_shows_no_later_period() -> None:
    report = over_time()
    header = report.header.model_copy(update={"decision_date": date(2022, 12, 31)})
    assert len(lines(trend(report._replace(header=header))["svg"])["Ynys Môn"]) == 4


def test_doubted_figure_is_a_gap_over_time() -> None:
    report = over_time()
    is_one = (pl.col("place_code") == "W06000001") & (pl.col("period_start") == date(2022, 1, 1))
    caveat = pl.when(is_one).then(pl.lit("rounded,implausible")).alias("caveats")
    doubted = report._replace(over_time=report.over_time.with_columns(caveat))
    assert lines(trend(doubted)["svg"])["Ynys Môn"][3] == "-"


def test_february_is_as_long_as_other_months() -> None:
    rows = [row(code, "place", 2025, float(month)) | {"period_start": first, "period_end": last}
            for code in NAMES for month, (first, last) in enumerate(MONTHS, 1)]  # fmt: skip
    report = sample()._replace(over_time=table_from_records(rows, HISTORY))
    first, last = (pl.lit(day) for day in MONTHS[1])
    cells = report.cells.with_columns(first.alias("reference_start"), last.alias("reference_end"))
    drawn = lines(trend(report._replace(cells=cells))["svg"])
    assert drawn["Ynys Môn"] == ["1.0", "2.0", "3.0"]


def test_figure_from_shorter_periods_is_drawn_from_the_cells() -> None:
    report = sample("month")
    of_its_row = [pl.col(f"period_{end}").alias(f"reference_{end}") for end in ("start", "end")]
    needs = {**report.header.needs, "claimant_rate": Need(over_time="max")}
    header = report.header.model_copy(update={"needs": needs})
    report = report._replace(header=header, cells=report.cells.with_columns(of_its_row))
    assert report.over_time.is_empty()
    own = report.cells.filter(pl.col("measure") == "claimant_rate", pl.col("place_code") == "W06000001")
    drawn = lines(trend(report)["svg"])
    assert drawn["Ynys Môn"] == [repr(value) for value in own.sort("period_start")["value"]] and own.height == 3


def computed() -> tuple[Report, PageAnswer]:
    """Return the sample by month with an answer of two measures, and one period that has no figure in one place."""
    report = sample("month")
    answer = find_answer(report)
    assert answer
    rate = report.cells.filter(pl.col("measure") == "claimant_rate")
    gap = (pl.col("place_code") == "E06000001") & (pl.col("period_start") == date(2025, 2, 1))
    value = pl.when(~gap).then("value").alias("claimant_rate")
    view = rate.select("place_code", "period_start", value, pl.col("obs_status").alias("claimant_rate_status"))
    figures = answer.figures.with_columns(
        pl.lit(day).alias(f"reference_{end}") for end, day in (("start", date(2025, 3, 1)), ("end", date(2025, 3, 28)))
    )
    return report._replace(view=view), answer._replace(
        inputs=("claimant_rate", "households"), measure=None, figures=figures
    )


def test_small_charts_begin_with_places_of_england_by_name() -> None:
    report = over_time()
    renamed = report.places.with_columns(pl.col("place_name").replace("Ynys Môn", "Anglesey"))
    panels = trend(report._replace(places=renamed))["panels"]
    assert [panel.name for panel in panels] == [
        *sorted(name for code, name in NAMES.items() if code[0] == "E"), "Anglesey",
    ]  # fmt: skip


def test_computed_column_has_the_trend_of_its_view() -> None:
    report, answer = computed()
    made = describe_answer_trend(report, answer, rank_answer(report, answer))
    own = report.view.filter(pl.col("place_code") == "W06000001").sort("period_start")["claimant_rate"]
    assert lines(made["svg"])["Ynys Môn"] == [repr(value) for value in own]
    of_places = {panel.name: lines(panel.svg) for panel in made["panels"]}
    assert of_places["Hartlepool"]["Hartlepool"][1] == "-" and made["by"] == "council"


def test_computed_column_of_latest_figures_states_why_it_has_no_trend() -> None:
    latest, (_, answer) = over_time(), computed()

    def why(report: Report) -> str:
        return str(describe_answer_trend(report, answer, [])["why"])

    one = latest.over_time.filter(pl.col("period_end") == date(2025, 12, 31))
    assert "Only one period of each figure behind it is stored" in why(latest._replace(over_time=one))
    of_nation = latest.over_time.filter(pl.col("level") == "nation")
    assert "Only one period of each figure" in why(latest._replace(over_time=pl.concat([one, of_nation]).unique()))
    years = latest.over_time.filter(pl.col("value") < 90)
    assert "earlier values are not computed" in why(latest._replace(over_time=years))
    longer = pl.when(pl.col("period_start") == date(2019, 1, 1)).then(date(2018, 1, 1)).otherwise("period_start")
    assert "periods of different lengths" in why(
        latest._replace(over_time=years.with_columns(longer.alias("period_start")))
    )


def test_chart_that_goes_on_after_the_sentence_says_so() -> None:
    report = over_time()
    assert trend(report)["notes"] == [] and trend(report)["span"] == "2019 to 2025"
    later = [row(code, "place", 2026, 9.0) for code in NAMES]
    newer = report._replace(over_time=pl.concat([report.over_time, table_from_records(later, HISTORY)]))
    (note,) = trend(newer)["notes"]
    assert note.startswith("The first sentence and the order are of 2025, the newest period with enough figures")
    assert note.endswith("The chart goes on to 2026.")


def test_line_with_few_figures_is_counted() -> None:
    gaps = {("W06000001", year): None for year in range(2019, 2024)}
    assert "Ynys Môn has a figure in 2 of 7 periods of this chart." in trend(over_time(gaps))["notes"]


def test_break_in_definitions_ends_the_line_and_the_band() -> None:
    report = over_time()
    later = pl.col("period_start") >= date(2023, 1, 1)
    caveat = pl.when(later).then(pl.lit("definition_break")).alias("caveats")
    made = trend(report._replace(over_time=report.over_time.with_columns(caveat)))
    own = re.search(r'<g class="own"[^>]*data-name="Ynys Môn".*?<path d="([^"]+)"/>', made["svg"])
    assert own and own[1].count("M") == 2 and made["svg"].count("break in the series") == 2
    assert [point.mark for point in made["band"].points] == ["", "", "", "", "break", "", ""]
    area = re.search(r'data-low[^>]*><path class="band" d="([^"]+)"', made["svg"])
    assert area and area[1].count("M") == 2


def test_table_of_the_charts_has_the_lines_and_the_small_charts() -> None:
    made = trend(over_time())
    assert {line.name for line in made["table"] if line.role == "panel"} == set(NAMES.values())
    assert [line.name for line in made["table"]][:1] == ["Ynys Môn"]
