"""Reconciliation of a total with its places: the difference in parts, in the measure's unit, that add exactly.

Known parts come first: rows without a place, and rows under old codes without a row for a successor. The rest goes to
suppressed figures as far as their bounds allow, then to places without a figure, then to rounding as far as the base
allows. What no part can explain is the remainder. This order is a convention. Where several parts can explain the
same difference, arithmetic cannot separate them, and the columns give the bounds.
"""

import polars as pl

from pipelines.core.schema import NUMBER, OBSERVATION_COLUMNS, TEXT, WHOLE, Column, conform_table
from pipelines.core.slices import SLICE_KEY, TOTAL_SLICE_KEY, newest_slices, sum_by_total
from pipelines.core.text import format_figure_column
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.declarations.source import Source
from pipelines.geography import Places, find_successors
from pipelines.observations.totals import TOTAL, nations_of_place, total_members

UNPLACED_ROLES = ("unallocated", "newer_than_register", "unmatched_place", "label_contradicts_code")
"""Roles of figures that belong to an unknown place within a total."""
DIFFERENCE_PARTS = ("missing_places", "suppressed", "rounding", "unallocated", "retired_codes", "remainder")
RECONCILIATION: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "release", "released_at", "measure")},
    "place_code": Column(TEXT, "Code of the larger place that the total is for"),
    "place_name": Column(TEXT, "Name of the larger place, as published"),
    "tier": TOTAL["tier"],
    **{name: OBSERVATION_COLUMNS[name] for name in ("period_start", "period_end", "unit")},
    "total": Column(NUMBER, "Published figure for the larger place"),
    "sum_of_places": Column(NUMBER, "Sum of its places with a figure; the total is this and the six parts below"),
    "missing_places": Column(NUMBER, "Part allocated to places without a figure, where there are any"),
    "suppressed": Column(NUMBER, "Part allocated to suppressed figures, as far as their bounds allow"),
    "rounding": Column(NUMBER, "Part allocated to rounding, as far as the base allows"),
    "unallocated": Column(NUMBER, "Part that belongs to no place: published as such, or in no region's total"),
    "retired_codes": Column(NUMBER, "Part under old codes, where the successor has no figure"),
    "remainder": Column(NUMBER, "Part that nothing known explains"),
    "suppressed_lower_bound": Column(NUMBER, "Lower bound of the sum of suppressed figures"),
    "suppressed_upper_bound": Column(NUMBER, "Upper bound of the sum of suppressed figures; null where not known"),
    "rounding_bound": Column(NUMBER, "Maximum effect of rounding, in either direction"),
    "places_due": Column(WHOLE, "Number of places within the larger place"),
    "places_given": Column(WHOLE, "Number of these places with a figure"),
    "places_hidden": Column(WHOLE, "Number of these places with a suppressed figure"),
    "places_without": Column(WHOLE, "Number of these places without a figure or a suppression marker"),
    "evidence": Column(TEXT, "Evidence for the parts"),
}  # fmt: skip
"""One reconciled total; total = local and the six parts, exactly."""


def reconcile_totals(
    observation: pl.DataFrame, total: pl.DataFrame, source: Source, member: pl.DataFrame, places: Places
) -> pl.DataFrame:
    """Reconcile every total of the newest release of each slice; return RECONCILIATION.

    Takes schema.OBSERVATION_COLUMNS with `order` and totals.TOTAL. `member` lists the covered places within each
    larger place (total_code, place_code; see totals.total_members). `places` is the register, for the successors
    of old codes. Only counts and stocks are reconciled: rates, medians and ranks do not add.
    """
    adding = [name for name, measure in source.measures.items() if measure.kind in ADDITIVE_KINDS]
    current = newest_slices(observation.filter(pl.col("measure").is_in(adding)))
    totals = total.join(current.select(*SLICE_KEY, "order").unique(), on=[*SLICE_KEY, "order"], how="semi")
    published = totals.filter(pl.col("role") == "total", pl.col("value").is_not_null(), pl.col("tier").is_not_null())
    if published.is_empty():
        return conform_table(published.clear(), RECONCILIATION)
    due = member.group_by("total_code").agg(pl.len().alias("places_due"))
    rows = published.drop("lower_bound", "upper_bound").rename(
        {"place_code": "total_code", "value": "total", "place_label": "place_name"}
    )
    rows = rows.join(due, on="total_code").join(sum_by_total(current, member), on=TOTAL_SLICE_KEY)
    for part in (
        _sum_retired_codes(totals, current, places, member),
        _sums_without_place(totals, source),
        _residual_between_tiers(published, member),
    ):
        rows = rows.join(part, on=TOTAL_SLICE_KEY, how="left", maintain_order="left")
    return _split_difference(rows, source)


def _sum_retired_codes(
    totals: pl.DataFrame, current: pl.DataFrame, places: Places, member: pl.DataFrame
) -> pl.DataFrame:
    """Sum rows under old codes, except where every successor has a figure, because such a row is a repeat."""
    rows = totals.filter(pl.col("role") == "retired_code", pl.col("value").is_not_null())
    codes = rows["place_code"].unique().to_list()
    successors = find_successors(places, codes, set(member["place_code"]))
    pairs = pl.DataFrame(
        [(code, to) for code, successor in successors.items() for to in successor.codes],
        schema={"place_code": pl.String, "successor": pl.String},
        orient="row",
    )
    present = current.filter(pl.col("value").is_not_null()).select(
        *SLICE_KEY, pl.col("place_code").str.split("+").alias("successor")
    )
    present = present.explode("successor").with_columns(pl.lit(True).alias("there"))
    matched = rows.join(pairs, on="place_code").join(present, on=[*SLICE_KEY, "successor"], how="left")
    again = (
        matched.group_by(*SLICE_KEY, "place_code")
        .agg(pl.col("there").fill_null(False).all().alias("again"))
        .filter("again")
    )
    alone = rows.join(again, on=[*SLICE_KEY, "place_code"], how="anti")
    once = places.register.filter(pl.col("place_code").is_in(codes)).unique("place_code", keep="last")
    return (
        alone.join(total_members(once), on="place_code")
        .group_by(TOTAL_SLICE_KEY)
        .agg(pl.col("value").sum().alias("retired_codes"))
    )


def _sums_without_place(totals: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Sum rows without a place, for the total with the source's full coverage: they can belong anywhere within it."""
    rows = totals.filter(pl.col("role").is_in(UNPLACED_ROLES), pl.col("value").is_not_null())
    codes = totals.filter(pl.col("role") == "total")["place_code"].unique().drop_nulls().to_list()
    widest = [
        code
        for code in codes
        if set(nations_of_place(code)) == set(source.coverage) and code[1:3] in ("92", "02", "03", "04")
    ]
    sums = rows.group_by(SLICE_KEY).agg(pl.col("value").sum().alias("told_unallocated"))
    return sums.join(pl.DataFrame({"total_code": widest}, schema={"total_code": pl.String}), how="cross")


def _residual_between_tiers(published: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Return for each total the part that is in no total of the next tier down, where that tier is complete."""
    inside = member.rename({"total_code": "inner_code"}).join(
        member.rename({"total_code": "total_code"}), on="place_code"
    )
    pairs = inside.filter(pl.col("inner_code") != pl.col("total_code")).group_by("total_code", "inner_code").agg(
        pl.len().alias("common")
    )  # fmt: skip
    size = member.group_by("total_code").agg(pl.len().alias("size"))
    nested = pairs.join(
        size.rename({"total_code": "inner_code", "size": "common"}), on=["inner_code", "common"], how="semi"
    )
    tiers = published.select(
        *SLICE_KEY, pl.col("place_code").alias("inner_code"), pl.col("tier").alias("inner_tier"), "value"
    )
    parts = tiers.join(nested, on="inner_code").join(size, on="total_code")
    sums = parts.group_by(*TOTAL_SLICE_KEY, "size", "inner_tier").agg(
        pl.col("value").sum().alias("inner"), pl.col("common").sum().alias("places"), pl.len().alias("inner_n")
    )
    # The complete tier with the largest places is the next tier down.
    whole = sums.filter(pl.col("places") == pl.col("size")).sort(*TOTAL_SLICE_KEY, "inner_n", "inner_tier")
    return whole.group_by(TOTAL_SLICE_KEY).agg(pl.col(name).first() for name in ("inner", "inner_n", "inner_tier"))


def _split_difference(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Allocate the difference to each part in turn; the rest is the remainder."""
    base = {name: measure.rounding or 0.0 for name, measure in source.measures.items()}
    half = pl.col("measure").replace_strict(base, return_dtype=NUMBER) / 2
    left = pl.col("left")
    rows = rows.with_columns(
        (half * (pl.col("figures") + 1)).alias("rounding_bound"),
        (pl.col("places_due") - pl.col("places_given") - pl.col("places_hidden")).alias("places_without"),
        pl.col("retired_codes").fill_null(0.0),
    )
    beyond = pl.col("total") - pl.col("inner")
    tiers = (pl.col("places_without") == 0) & (beyond > half * (pl.col("inner_n") + 1))
    unallocated = pl.when(tiers).then(beyond).otherwise(pl.col("told_unallocated").fill_null(0.0))
    rows = rows.with_columns(unallocated.alias("unallocated"), tiers.alias("by_tiers"))
    rows = rows.with_columns(
        (pl.col("total") - pl.col("sum_of_places") - pl.col("unallocated") - pl.col("retired_codes")).alias("left")
    )
    rows = _allocate_part(
        rows,
        "suppressed",
        pl.max_horizontal(pl.min_horizontal(left, "suppressed_upper_bound"), "suppressed_lower_bound"),
    )
    rows = _allocate_part(
        rows, "missing_places", pl.when(pl.col("places_without") > 0).then(left.clip(lower_bound=0.0)).otherwise(0.0)
    )
    most = pl.col("rounding_bound")
    rows = _allocate_part(rows, "rounding", pl.max_horizontal(pl.min_horizontal(left, most), -most))
    more = source.additivity is not None and source.additivity.totals == "more"
    excess = left.clip(lower_bound=0.0) if more else pl.lit(0.0)
    rows = rows.with_columns((pl.col("unallocated") + excess).alias("unallocated"), (left - excess).alias("remainder"))
    result = rows.with_columns(
        pl.col("total_code").alias("place_code"), _reconciliation_evidence(source).alias("evidence")
    )
    return conform_table(result, RECONCILIATION).sort("measure", "period_start", "tier", "place_code")


def _allocate_part(rows: pl.DataFrame, part: str, share: pl.Expr) -> pl.DataFrame:
    """Allocate a share of the difference to a part, rounded to a billionth against floating-point error."""
    allocated = rows.with_columns((share.round(9) + 0.0).alias(part))
    return allocated.with_columns(((pl.col("left") - pl.col(part)).round(9) + 0.0).alias("left"))


def _reconciliation_evidence(source: Source) -> pl.Expr:
    noisy = sorted(name for name, measure in source.measures.items() if measure.perturbed)
    printed_columns = {
        name: format_figure_column(name)
        for name in ("rounding_bound", "inner", "told_unallocated", "suppressed_lower_bound")
    }
    return pl.concat_str(
        pl.format("{} of {} places have a figure", "places_given", "places_due"),
        pl.when(pl.col("places_hidden") > 0).then(
            pl.format(
                "{} are suppressed, {} to {} together",
                "places_hidden",
                printed_columns["suppressed_lower_bound"],
                format_figure_column("suppressed_upper_bound").fill_null("an unknown upper bound"),
            )
        ),
        pl.when(pl.col("places_without") > 0).then(pl.format("{} have no figure", "places_without")),
        pl.when(pl.col("rounding_bound") > 0).then(
            pl.format("rounding explains {} either way", printed_columns["rounding_bound"])
        ),
        pl.when("by_tiers").then(
            pl.format("its {} {} totals add to {}", "inner_n", "inner_tier", printed_columns["inner"])
        ),
        pl.when(pl.col("told_unallocated") > 0).then(
            pl.format("rows without a place: {}", printed_columns["told_unallocated"])
        ),
        pl.when(pl.col("measure").is_in(noisy)).then(pl.lit("the publisher adds noise and does not state its size")),
        separator="; ",
        ignore_nulls=True,
    )
