"""The contract of a source, judged in Polars, and shares judged by Great Expectations."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from checks.contract import judge_cells, judge_releases
from checks.rules import Rule, Verdict
from checks.shares import all_reach, problem_shares, total_shares
from pipelines.core.schema import CELL_COLUMNS, conform_table
from pipelines.declarations.source import Source
from pipelines.observations.conform import CELLS

SOURCE = Source.model_validate(
    {
        "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
        "columns": {"place": ("code",), "period": ("period",)},
        "measures": {
            "figure": {"title": "f", "unit": "u", "kind": "count", "column": ("figure",), "range": (0.0, 10.0)},
            "other": {"title": "o", "unit": "u", "kind": "count", "column": ("other",)},
        },
    }
)  # fmt: skip


def release(faults: list[str | None], value: float = 5.0, name: str = "r1") -> pl.DataFrame:
    rows = [
        {"source": "s", "release": name, "measure": "figure", "place_code": f"E{n:08}", "place_label": f"Place {n}",
         "period_start": date(2023, 1, 1), "obs_status": "normal", "value": value, "text": str(value), "fault": fault}
        for n, fault in enumerate(faults)
    ]  # fmt: skip
    return conform_table(pl.DataFrame(rows, schema_overrides={"fault": pl.String}), CELLS)


def test_sound_release_meets_every_expectation() -> None:
    result = judge_releases(SOURCE, [release([None] * 40)])
    assert result["met"].all() and result["tolerated"].all() and result["failing"].sum() == 0
    assert {"cells", "dated", "places_known", "no_retired_codes", "given_once", "in_range"} <= set(
        result["expectation"]
    )


def test_few_faults_are_tolerated_and_many_are_not() -> None:
    few = judge_releases(SOURCE, [release(["unmatched_place"] + [None] * 39)])
    row = few.filter(pl.col("expectation") == "places_known").row(0, named=True)
    assert (row["met"], row["tolerated"], row["failing"], row["cells"]) == (False, True, 1, 40)
    assert row["sample"] == "unmatched_place: Place 0 5.0"
    many = judge_releases(SOURCE, [release(["unmatched_place"] * 10 + [None] * 30)])
    assert many.filter(~pl.col("tolerated"))["expectation"].to_list() == ["places_known"]


def test_only_the_release_that_fails_is_refused() -> None:
    result = judge_releases(SOURCE, [release([None] * 40), release(["duplicate"] * 20 + [None] * 20, name="r2")])
    assert result.filter(~pl.col("tolerated")).select("release", "expectation").rows() == [("r2", "given_once")]


def test_figures_beyond_their_range_are_a_share_of_their_own_measure() -> None:
    result = judge_releases(SOURCE, [release([None] * 40, value=99.0)])
    row = result.filter(pl.col("measure") == "figure").row(0, named=True)
    assert (row["expectation"], row["tolerated"], row["failing"]) == ("in_range", False, 40)


def test_texts_of_one_measure_are_judged_among_its_cells() -> None:
    cells = release([None] * 3).with_columns(pl.Series("measure", ["figure", "other", "figure"]))
    rule = Rule("statuses_known", "in_set", "obs_status", ("estimated",), measure="figure")
    assert judge_cells(cells, [rule]) == [Verdict(2, 2, (0, 2), False)]


def test_release_without_cells_is_refused() -> None:
    result = judge_releases(SOURCE, [release([None]).clear()])
    assert result.filter(~pl.col("tolerated"))["expectation"].to_list() == ["cells"]


@pytest.mark.parametrize(
    "shares",
    [[0.95], [0.9499999999], [1.0, 0.5], [0.96, None], [None, 0.94], [None], [0.97, float("nan")], [float("nan")]],
    ids=str,
)
def test_shares_reach_the_least_share_as_great_expectations_judges_them(shares: list[float | None]) -> None:
    from checks.expectations import judge_shares

    frame = pl.DataFrame({"returns_complete": shares}, schema={"returns_complete": pl.Float64})
    assert judge_shares(frame, {"returns_complete": 0.95}) == {"returns_complete": all_reach(frame.to_series(), 0.95)}


def cells(known: set[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    people = {"A": 900.0, "B": 50.0, "C": 50.0}
    rows = [
        {"need": "needed", "measure": "figure", "place_code": code, "value": 1.0 if code in known else None,
         "reason": None if code in known else "not_returned", "period_start": date(2023, 1, 1)}
        for code in people
    ]  # fmt: skip
    table = pl.DataFrame({"place_code": list(people), "people": list(people.values())})
    return conform_table(pl.DataFrame(rows), CELL_COLUMNS), table


@pytest.mark.parametrize(("known", "share"), [({"A"}, 0.9), ({"B", "C"}, 0.1), ({"A", "B", "C"}, 1.0), (set(), 0.0)])
def test_coverage_is_of_people_and_not_of_places(known: set[str], share: float) -> None:
    assert problem_shares(*cells(known))["coverage_by_population"].item() == pytest.approx(share)


def test_expectations_about_places_serve_in_anyones_suite() -> None:
    import great_expectations as gx

    from checks.expectations import ExpectCoverageByPopulation, ExpectPlacesComplete, judge_shares

    shares = problem_shares(*cells({"A"}))
    assert judge_shares(shares, {"coverage_by_population": 0.85, "places_complete": 1.0}) == {
        "coverage_by_population": True, "places_complete": True,
    }  # fmt: skip
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("mine").add_dataframe_asset("mine")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": shares.to_pandas()})
    suite = gx.ExpectationSuite("mine", expectations=[ExpectCoverageByPopulation(), ExpectPlacesComplete()])
    results = {entry.expectation_config.type: entry.success for entry in batch.validate(suite).results}
    assert results == {"expect_coverage_by_population": False, "expect_places_complete": True}


def test_total_without_remainder_reconciles() -> None:
    from checks.expectations import judge_shares

    shares = total_shares(pl.DataFrame({"total": [100.0, 100.0], "remainder": [0.5, 20.0]}))
    assert shares["totals_reconcile"].to_list() == [0.995, 0.8]
    assert judge_shares(shares.head(1), {"totals_reconcile": 0.99}) == {"totals_reconcile": True}
    assert judge_shares(shares, {"totals_reconcile": 0.99}) == {"totals_reconcile": False}


def judged_rule(name: str, faults: list[str | None], **rule: Any) -> Verdict:
    """Judge one rule on cells with some texts of a column."""
    cells = conform_table(pl.DataFrame({"source": "s", "release": "r", "measure": "figure", "fault": faults},
                                       schema_overrides={"fault": pl.String}), CELLS)  # fmt: skip
    return judge_cells(cells, [Rule("r", name, "fault", **rule)])[0]  # type: ignore[arg-type]


def test_texts_outside_a_set_fail_and_cells_without_one_are_not_judged() -> None:
    texts = [None, "a", "b", "c", None, "c"]
    assert judged_rule("in_set", texts, texts=("a", "b")) == Verdict(4, 2, (3, 5), False)
    assert judged_rule("in_set", texts, texts=("a", "b"), least=0.5) == Verdict(4, 2, (3, 5), True)
    assert judged_rule("in_set", texts, texts=("a", "b", "c")) == Verdict(4, 0, (), True)
    assert judged_rule("in_set", [None, None], texts=("a",)) == Verdict(0, 0, (), True)


def test_texts_in_a_denied_set_fail_and_cells_without_one_pass() -> None:
    texts = [None, "a", "b", "c", None, "c"]
    assert judged_rule("not_in_set", texts, texts=("c",)) == Verdict(6, 2, (3, 5), False)
    assert judged_rule("not_in_set", texts, texts=("c",), least=4 / 6) == Verdict(6, 2, (3, 5), True)
    assert judged_rule("not_null", texts) == Verdict(6, 2, (0, 4), False)


def test_figures_are_judged_within_limits_that_count() -> None:
    values = [None, 0.0, 10.0, 10.5, -0.5, float("nan"), 5.0]
    cells = conform_table(pl.DataFrame({"measure": "figure", "value": values}), CELLS)
    rule = Rule("in_range", "between", "value", limits=(0.0, 10.0))
    assert judge_cells(cells, [rule]) == [Verdict(5, 2, (3, 4), False)]
    of_other = judge_cells(cells, [rule._replace(measure="other")])
    assert of_other == [Verdict(0, 0, (), True)]


def test_first_five_failing_cells_are_the_examples() -> None:
    result = judge_releases(SOURCE, [release([None] * 3 + ["duplicate"] * 7)])
    row = result.filter(pl.col("expectation") == "given_once").row(0, named=True)
    assert (row["failing"], row["tolerated"]) == (7, False)
    assert row["sample"] == "duplicate: " + ", ".join(f"Place {n} 5.0" for n in range(3, 8))


def test_failing_cells_are_named_by_label_or_code_and_text() -> None:
    cells = release(["unmatched_place"] * 3).with_columns(
        pl.Series("place_label", ["Place 0", None, None]), pl.Series("place_code", ["E0", "E1", None]),
        pl.Series("text", ["5.0", None, "7"]),
    )  # fmt: skip
    row = judge_releases(SOURCE, [cells]).filter(pl.col("expectation") == "places_known").row(0, named=True)
    assert row["sample"] == "unmatched_place: Place 0 5.0, E1 , ? 7"


def test_row_of_the_contract_states_source_release_and_cells_of_the_measure() -> None:
    mixed = pl.concat(
        [release([None] * 4), release([None] * 2).with_columns(pl.lit("other").cast(pl.Categorical).alias("measure"))]
    )
    rows = judge_releases(SOURCE, [mixed, release([None], name="r2").clear()]).rows_by_key(["release", "expectation"])
    assert rows["r1", "in_range"] == [("s", "figure", True, True, 4, 0, "in_range")]
    assert rows["r1", "places_known"] == [("s", "", True, True, 6, 0, "unmatched_place")]
    assert rows["r1", "cells"] == [("s", "", True, True, 6, 0, "rows of the file")]
    assert rows["", "cells"] == [("", "", False, False, 0, 1, "rows of the file")]
