"""Postcode districts: every share is of the district's postcodes, and no postcode is lost."""

import polars as pl

from pipelines.geography.postcode_districts import load_postcode_districts, summarise_postcode_districts


def test_per_cents_are_of_the_postcodes_of_a_district_largest_first() -> None:
    counts = pl.DataFrame(
        {"postcode_district": ["ZZ1", "ZZ1", "AA1"], "LAD25CD": ["E1", "E2", "E1"], "postcodes": [1, 3, 7]}
    )
    assert summarise_postcode_districts(counts).rows() == [
        ("AA1", "E1", 100.0), ("ZZ1", "E2", 75.0), ("ZZ1", "E1", 25.0)
    ]  # fmt: skip


def test_per_cents_of_every_bundled_district_add_to_a_hundred() -> None:
    table = load_postcode_districts()
    sums = table.group_by("district").agg(pl.col("percent").sum())
    assert sums.height == 2997 and table["place_code"].n_unique() == 350
    assert sums.filter((pl.col("percent") - 100).abs() > 0.5).is_empty()


def test_no_postcode_of_northern_ireland_is_bundled() -> None:
    assert load_postcode_districts().filter(pl.col("district").str.contains("^BT[0-9]")).is_empty()


def test_council_has_all_postcodes_only_where_no_other_has_any() -> None:
    counts = pl.DataFrame({"postcode_district": ["ZZ1", "ZZ1"], "LAD25CD": ["E1", "E2"], "postcodes": [9_999, 1]})
    assert summarise_postcode_districts(counts)["percent"].to_list() == [99.9, 0.0]


def test_shares_are_rounded_to_one_decimal_and_equal_ones_are_in_order_of_code() -> None:
    counts = pl.DataFrame({
        "postcode_district": ["ZZ1", "AA1", "ZZ1", "AA1", "AA1"], "LAD25CD": ["E3", "E2", "E1", "E3", "E1"],
        "postcodes": [1, 1, 1, 4, 1],
    })  # fmt: skip
    expected = [
        ("AA1", "E3", 66.7), ("AA1", "E1", 16.7), ("AA1", "E2", 16.7), ("ZZ1", "E1", 50.0), ("ZZ1", "E3", 50.0)
    ]  # fmt: skip
    assert summarise_postcode_districts(counts).rows() == expected
    assert summarise_postcode_districts(counts.reverse()).rows() == expected
    assert summarise_postcode_districts(counts.clear()).is_empty()
