"""Columns that a draft uses as measures, without limits, errors, or parts beside an estimate or count."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.geography.crosswalk import PlaceData
from pipelines.observations.column_figures import figure_columns
from pipelines.observations.column_role import candidate_measures, infer_column_role
from pipelines.observations.draft_measures import measure_names
from tests.breadth import cases
from tests.observations.test_draft import COUNCILS, HELD, PUBLISHED, ROOT, cells, drafted, place_data, source_of

__all__ = ("place_data",)  # a fixture
CASES = ROOT.parent / "shared" / "cases"
HAVE_CASES = pytest.mark.skipif(not CASES.is_dir(), reason=f"no cases at {CASES}")
NO_FIGURES = re.compile(r"lci|uci|lower|upper|95%|confidence|percent|%|^sex code$|^ageband$", re.I)


def columns_of(said: dict[str, object]) -> list[str]:
    """List the columns of a draft's measures, including the shared one."""
    shared = [said["measure_defaults"]["column"]] if "column" in said.get("measure_defaults", {}) else []
    return shared + [item["column"] for item in said["measures"].values() if "column" in item]


def unasked(text: str) -> Iterator[str]:
    """List the lines of a draft that name a column and have no TODO."""
    for line in text.split("\n"):
        if re.match(r"  (place|label|period): |  [^#]*\bcolumn: ", line) and "TODO" not in line:
            yield line


# Real files with limits, percentages or ranks beside the estimate, and the column of the estimate.
REAL = (
    ("ons_explore_local_statistics/employment-rate.csv.gz", ["observation"]),
    ("ons_explore_local_statistics/modelled-unemployment.csv.gz", ["observation"]),
    ("ons_explore_local_statistics/cigarette-smokers.csv.gz", ["observation"]),
    ("ons_explore_local_statistics/adult-obesity-prevalence.csv.gz", ["observation"]),
    ("ons_explore_local_statistics/gross-median-weekly-pay.csv.gz", ["observation"]),
    ("vacancies/north_modelled_unemployment_els.csv", ["observation"]),
    ("claimant_count/ons_els_claimant_rate_release_2024-11-15.csv", ["Observation"]),
    ("deprivation_health/life_expectancy_pcon24_2022.csv", ["Life expectancy (years)"]),
    ("claimant_count/pcon10_monthly/claimants_pcon_fetched_2025-01-16.csv", ["Claimant count"]),
    ("deprivation_health/iod2025_england_lad.csv", ["average_score"]),
    ("covid_cases_testing/phe_coronavirus_cases_latest_2020-07-01.csv", ["Daily lab-confirmed cases"]),
)


@HELD
@pytest.mark.parametrize(("file", "figures"), cases([*REAL[1::2]], wide=REAL))
def test_draft_of_a_real_file_uses_the_estimate_and_asks_about_each_column(
    file: str, figures: list[str], place_data: PlaceData
) -> None:
    text, said = drafted((PUBLISHED / file).read_bytes(), Path(file).name, place_data)
    assert columns_of(said) == figures
    assert said["measures"] and list(unasked(text)) == []
    assert not any(NO_FIGURES.search(item) for item in columns_of(said))


@HELD
def test_mostly_suppressed_column_is_a_measure_with_its_limits(place_data: PlaceData) -> None:
    file = PUBLISHED / "furlough" / "brc_local_authority_stats_2020-09-21.csv"
    text, said = drafted(file.read_bytes(), file.name, place_data)
    assert columns_of(said)[:2] == ["Latest infection rate", "Mean infection rate over last 3 weeks"]
    assert not any(NO_FIGURES.search(item) for item in columns_of(said))
    assert "left out: upper, an upper limit" in text and "left out: lower, a lower limit" in text


@HELD
def test_figures_of_a_drafted_file_with_limits_are_its_estimates(place_data: PlaceData) -> None:
    file = PUBLISHED / "ons_explore_local_statistics" / "employment-rate.csv.gz"
    _, said = drafted(file.read_bytes(), file.name, place_data)
    read = cells(source_of(said), file.read_bytes(), file.name, place_data).filter(pl.col("fault").is_null())
    published = pl.read_csv(gzip.decompress(file.read_bytes()), infer_schema_length=0, encoding="utf8-lossy")
    printed = published.filter(pl.col("observation").cast(pl.Float64, strict=False).is_not_null())
    assert read["value"].count() > 1_000
    assert set(read["value"].drop_nulls()) <= set(printed["observation"].cast(pl.Float64))
    intervals = [item["uncertainty"] for item in said["measures"].values()]
    assert intervals == [{"lower": "lci_95", "upper": "uci_95", "level": 95}] * 2


@HELD
def test_limits_beside_an_estimate_are_drafted_as_its_interval(place_data: PlaceData) -> None:
    file = PUBLISHED / "deprivation_health" / "life_expectancy_pcon24_2022.csv"
    _, said = drafted(file.read_bytes(), file.name, place_data)
    assert said["measures"]["src_life_expectancy_years"]["uncertainty"] == {
        "lower": "Lower 95% confidence interval", "upper": "Upper 95% confidence interval", "level": 95,
    }  # fmt: skip
    assert source_of(said).measures["src_life_expectancy_years"].interval is not None


def test_level_of_limits_is_left_to_a_person_where_unnamed(place_data: PlaceData) -> None:
    lines = [f"{code},2023,{6 * n},{3 * n},{9 * n}" for n, (code, _) in enumerate(COUNCILS, 1)]
    _, said = drafted("\n".join(["code,year,rate,lower,upper", *lines]).encode(), "a.csv", place_data)
    assert said["measures"]["src_rate"]["uncertainty"] == {"lower": "lower", "upper": "upper", "level": "TODO"}


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("lci_95", "lower limit"), ("uci_95", "upper limit"), ("Lower 95% confidence interval", "lower limit"),
        ("Upper Confidence Interval (95%)", "upper limit"), ("LowerCI95", "lower limit"), 
        ("95% CI upper", "upper limit"),
        ("ci_low", "lower limit"), ("97.5%", "upper limit"), ("Median lower limit", "lower limit"),
        ("upper", "upper limit"),
        ("SE", "error"), ("Standard error of rate", "error"), ("CV (%)", "error"), ("Margin of error", "error"),
        ("95% CI", "error"), ("Numerator", "numerator"), ("denominator", "denominator"), ("Sample size", "denominator"),
        ("Claimants percentage", "percentage"), ("% Occupied / Total", "percentage"), ("share_of_all", "percentage"),
        ("rank_proportion_bottom_decile", "rank"), ("IMD_decile", "rank"), ("Sex code", "code"), ("LAD23CD", "code"),
        ("Ageband", "label"), ("Notes", "notes"), ("Polarity", "notes"), ("week", "period"),
        ("Financial year", "period"),
        ("Observation", "estimate"), ("Value", "estimate"), ("rate_per_100000", "rate"), ("Claimant count", "count"),
        ("Population estimate", "population"), ("lat", "coordinate"),
        ("Lower quartile", "figure"), ("People receiving Section 95 support", "figure"), ("Maximum beds", "figure"),
        ("Children in low income", "figure"), ("Life expectancy (years)", "figure"), ("Weeks waited", "figure"),
    ],
)  # fmt: skip
def test_heading_indicates_the_role_of_its_column(heading: str, role: str) -> None:
    assert infer_column_role(heading).name == role


def test_limits_and_errors_alone_ask_for_the_estimate(place_data: PlaceData) -> None:
    lines = [f"{code},2023,{3 * n},{7 * n},0.5" for n, (code, _) in enumerate(COUNCILS, 1)]
    text, said = drafted("\n".join(["code,year,lower,upper,SE", *lines]).encode(), "a.csv", place_data)
    assert columns_of(said) == ["TODO"]
    assert "left out: lower, a lower limit (its heading says 'lower')" in text


def test_list_with_coordinates_is_drafted_to_count_rows(place_data: PlaceData) -> None:
    lines = [f"Hub {n},{code},{53 + n / 7:.4f},{n / 9 - 2:.4f}" for n, (code, _) in enumerate(COUNCILS * 2, 1)]
    _, said = drafted("\n".join(["hub,area_code,lat,lon", *lines]).encode(), "a.csv", place_data)
    assert [item.get("count_rows") for item in said["measures"].values()] == [True]


def test_percentages_are_measures_alone_and_comments_beside_a_count(place_data: PlaceData) -> None:
    lines = [f"{code},2023,{3 * n},{7 * n}" for n, (code, _) in enumerate(COUNCILS, 1)]
    alone = drafted("\n".join(["code,year,% damp,% cold", *lines]).encode(), "a.csv", place_data)[1]
    text, beside = drafted("\n".join(["code,year,homes,% cold", *lines]).encode(), "a.csv", place_data)
    assert columns_of(alone) == ["% damp", "% cold"]
    assert columns_of(beside) == ["homes"]
    assert '#   src_cold: {kind: index, column: "% cold"} # with a title and a unit' in text


@HAVE_CASES
def test_codes_converted_to_numbers_are_reported_and_not_measures(place_data: PlaceData) -> None:
    text, said = drafted((CASES / "10-ods-codes-excel" / "sub_icb.csv").read_bytes(), "sub_icb.csv", place_data)
    assert columns_of(said) == ["Items"] and len(said["measures"]) == 1
    assert "# TODO Sub ICB: a spreadsheet has converted codes to numbers,\n# such as 0.00E+00, 1E+01;" in text


@HAVE_CASES
@pytest.mark.parametrize("file", ["deaths_by_week.csv", "deaths_weeks_1_12.csv"])
def test_weeks_are_never_drafted_as_months_or_figures(file: str, place_data: PlaceData) -> None:
    text, said = drafted((CASES / "15-week-yyyyww" / file).read_bytes(), file, place_data)
    assert said["period_kind"] == "week" and said["columns"]["period"] == "week"
    assert columns_of(said) == ["deaths"]
    assert "TODO read as ISO 8601 weeks, Monday to Sunday: confirm" in text


@HAVE_CASES
def test_mixed_kinds_of_period_are_drafted_together(place_data: PlaceData) -> None:
    lines = [
        f"{code},{text},{n}" for n, (code, _) in enumerate(COUNCILS, 1) for text in ("2021 - 23", "2024", "2023/24 Q4")
    ]
    _, said = drafted("\n".join(["code,period,deaths", *lines]).encode(), "a.csv", place_data)
    assert sorted(said["period_kind"]) == ["quarter", "span", "year"]
    spans = drafted((CASES / "17-mixed-periods" / "indicator.csv").read_bytes(), "indicator.csv", place_data)[1]
    assert spans["period_kind"] == ["span", "financial_year", "quarter"]


def test_week_headings_are_drafted_as_weeks(place_data: PlaceData) -> None:
    weeks = [f"2025{n:02}" for n in (9, 10, 11, 12, 13)]
    lines = [",".join([code, *("5" for _ in weeks)]) for code, _ in COUNCILS]
    _, said = drafted("\n".join([",".join(["code", *weeks]), *lines]).encode(), "a.csv", place_data)
    assert said["period_kind"] == "week"


@HAVE_CASES
def test_percentages_as_text_are_drafted_with_the_key_that_reads_them(place_data: PlaceData) -> None:
    text, said = drafted((CASES / "20-percent-text" / "uptake_2022.csv").read_bytes(), "uptake_2022.csv", place_data)
    assert columns_of(said) == ["Invited"] and said["footnotes"] == "%"
    taken = said["measures"] | {"src_uptake": said["measures"]["src_invited"] | {"column": "Uptake"}}
    assert "#   src_uptake: {kind: index, column: Uptake} # with a title and a unit" in text
    content = (CASES / "20-percent-text" / "uptake_2022.csv").read_bytes()
    read = cells(source_of(said | {"measures": taken}), content, "uptake_2022.csv", place_data)
    uptake = read.filter(pl.col("measure") == "src_uptake")
    assert uptake["value"].to_list() == [61.0, 50.0, 70.0, 55.5, 0.58] and "%" not in said.get("markers", {})


@HAVE_CASES
def test_marks_after_figures_are_drafted_as_marks(place_data: PlaceData) -> None:
    content = (CASES / "24-round-and-low" / "codes.csv").read_bytes()
    _, said = drafted(content, "codes.csv", place_data)
    assert columns_of(said) == ["people"]
    assert said["markers"] == {
        "[low]": "low", "[p]": "provisional", "[c]": "confidential", "[x]": "not_available", "[r]": "revised",
    }  # fmt: skip
    read = cells(source_of(said), content, "codes.csv", place_data)
    assert read["fault"].null_count() == read.height == 9
    assert read["value"].to_list() == [120.0, None, 0.0, 10.0, None, None, 230.0, 90.0, None]


@HAVE_CASES
def test_figures_in_an_unsupported_form_are_reported_and_not_markers(place_data: PlaceData) -> None:
    text, said = drafted((CASES / "13-csv-desktop" / "spend_1252.csv").read_bytes(), "spend_1252.csv", place_data)
    assert "TODO Net spend (£) has figures in an unsupported form, such as £1,234,500" in text
    assert set(said["markers"].values()) == {"TODO"}


_WORDS = st.sampled_from(
    ["count", "value", "rate", "lci", "uci", "lower", "upper", "95", "se", "percentage", "%", "numerator",
     "denominator", "rank", "homes", "people", "total", "of", "population", "code", "year", "a" * 70, "É", "2"]
)  # fmt: skip
_HEADINGS = st.lists(
    st.lists(_WORDS, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=10, unique_by=str.casefold
)
_SECOND = frozenset({"numerator", "percentage"})
_FIRST = frozenset({"estimate", "count", "rate", "figure", "population"})


@given(source=st.text(min_size=1, max_size=70), texts=st.lists(st.text(max_size=70), max_size=30))
def test_measure_names_are_unique_and_of_limited_length(source: str, texts: list[str]) -> None:
    names = measure_names(source, texts)
    assert len(set(names)) == len(names) == len(texts)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name) for name in names)


@pytest.fixture(scope="module")
def districts(place_data: PlaceData) -> PlaceData:
    """The register of districts alone: what a draft says of figures rests on no other place."""
    register = place_data.places.register.filter(pl.col("kind") == "lad")
    return PlaceData(place_data.places._replace(register=register))


@given(headings=_HEADINGS)
def test_draft_of_any_headings_has_unique_measures_and_no_limits(headings: list[str], districts: PlaceData) -> None:
    lines = [",".join([code, name, *(f"{7 * row + n}.5" for n, _ in enumerate(headings))])
             for row, (code, name) in enumerate(COUNCILS * 2)]  # fmt: skip
    content = "\n".join([",".join(["area", "council", *headings]), *lines]).encode()
    text, said = drafted(content, "a.csv", districts)
    keys = re.findall(r"^  ([a-z0-9_]+): ", text.partition("\nmeasures:\n")[2], re.M)
    columns = columns_of(said)
    assert len(keys) == len(set(keys)) == len(said["measures"]) > 0
    assert len(set(columns)) == len(columns)
    roles = [infer_column_role(item).name for item in columns if item in headings]
    assert not {"lower limit", "upper limit", "error", "code"} & set(roles)
    assert not (_SECOND & set(roles) and _FIRST & {infer_column_role(item).name for item in headings})


@given(headings=_HEADINGS)
def test_offered_measure_is_never_beside_its_parts(headings: list[str]) -> None:
    frame = pl.DataFrame({item: [f"{n}.5" for n in range(7)] for item in headings})
    roles = {item.name: item.role for item in figure_columns(frame, [])}
    given_roles = {roles[item].name for item in candidate_measures(roles)}
    assert len(roles) == len(headings)
    assert not (_SECOND & given_roles and _FIRST & {role.name for role in roles.values()})
