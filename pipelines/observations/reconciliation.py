"""Why a total is not the sum of its places: the difference taken apart, each part in the unit, adding exactly.

What is known is taken first: rows of no place, and rows under codes of another time whose successor has no row.
What is left goes to hidden figures as far as their bounds allow, then to places without a figure, then to
rounding as far as the base allows; what no part can hold is the remainder. The order is a convention: where
several parts could hold the same difference, no arithmetic tells them apart, and the bounds stand beside.
"""

import polars as pl

from pipelines.core.schema import NUMBER, OBSERVATION, TEXT, WHOLE, Column, conformed
from pipelines.core.slices import SLICE, SLICE_OF_TOTAL, newest, sums_of_places
from pipelines.core.text import printed
from pipelines.declarations.measure import ADDITIVE
from pipelines.declarations.source import Source
from pipelines.geography import Places, links
from pipelines.observations.totals import TOTAL, members, nations_of

PARTS = ("missing_places", "suppressed", "rounding", "unallocated", "retired_codes", "remainder")
RECONCILIATION: dict[str, Column] = {
    **{name: OBSERVATION[name] for name in ("source", "release", "released_at", "measure")},
    "place_code": Column(TEXT, "Code of the larger place whose total it is"),
    "place_name": Column(TEXT, "Name of that place as the publisher wrote it"),
    "tier": TOTAL["tier"],
    **{name: OBSERVATION[name] for name in ("period_start", "period_end", "unit")},
    "total": Column(NUMBER, "What the publisher gives for the larger place"),
    "local": Column(NUMBER, "What its places that have a figure add to; the total is this and the six parts below"),
    "missing_places": Column(NUMBER, "Part left to places without a figure, where there are any; or of no place"),
    "suppressed": Column(NUMBER, "Part left to hidden figures, as far as their bounds allow"),
    "rounding": Column(NUMBER, "Part left to rounding, as far as the base allows"),
    "unallocated": Column(NUMBER, "Part that belongs to no place: told by the publisher, or in no region's total"),
    "retired_codes": Column(NUMBER, "Part under codes of another time whose successor has no figure"),
    "remainder": Column(NUMBER, "Part that nothing known can hold"),
    "suppressed_low": Column(NUMBER, "Least that the hidden figures add to"),
    "suppressed_high": Column(NUMBER, "Most that they add to; null where not known"),
    "rounding_most": Column(NUMBER, "Most that rounding can make, either way"),
    "places_due": Column(WHOLE, "How many places the larger place has"),
    "places_given": Column(WHOLE, "How many of them have a figure"),
    "places_hidden": Column(WHOLE, "How many are hidden"),
    "places_without": Column(WHOLE, "How many have no figure and are not hidden"),
    "evidence": Column(TEXT, "What the parts rest on"),
}  # fmt: skip
"""One total taken apart; total = local and the six parts, exactly."""


def reconciled(
    observation: pl.DataFrame, total: pl.DataFrame, source: Source, member: pl.DataFrame, places: Places
) -> pl.DataFrame:
    """Take apart every total of the newest release of each slice; give RECONCILIATION.

    Takes schema.OBSERVATION with `order`, totals.TOTAL, which places that the source covers each larger place is
    made of (total_code, place_code; see totals.members), and the register, for what became of old codes. Only
    counts and stocks: rates, medians and ranks do not add.
    """
    adding = [name for name, measure in source.measures.items() if measure.kind in ADDITIVE]
    current = newest(observation.filter(pl.col("measure").is_in(adding)))
    beside = total.join(current.select(*SLICE, "order").unique(), on=[*SLICE, "order"], how="semi")
    stated = beside.filter(pl.col("role") == "total", pl.col("value").is_not_null(), pl.col("tier").is_not_null())
    if stated.is_empty():
        return conformed(stated.clear(), RECONCILIATION)
    due = member.group_by("total_code").agg(pl.len().alias("places_due"))
    rows = stated.drop("low", "high").rename(
        {"place_code": "total_code", "value": "total", "place_label": "place_name"}
    )
    rows = rows.join(due, on="total_code").join(sums_of_places(current, member), on=SLICE_OF_TOTAL)
    for known in (_retired(beside, current, places, member), _of_no_place(beside, source), _between(stated, member)):
        rows = rows.join(known, on=SLICE_OF_TOTAL, how="left", maintain_order="left")
    return _apart(rows, source)


def _retired(beside: pl.DataFrame, current: pl.DataFrame, places: Places, member: pl.DataFrame) -> pl.DataFrame:
    """Sum up rows under codes of another time; one whose every successor has a figure says the same again."""
    rows = beside.filter(pl.col("role") == "retired_code", pl.col("value").is_not_null())
    codes = rows["place_code"].unique().to_list()
    found = links(places, codes, set(member["place_code"]))
    leads = pl.DataFrame(
        [(code, to) for code, reach in found.items() for to in reach.codes],
        schema={"place_code": pl.String, "successor": pl.String},
        orient="row",
    )
    given = current.filter(pl.col("value").is_not_null()).select(
        *SLICE, pl.col("place_code").str.split("+").alias("successor")
    )
    given = given.explode("successor").with_columns(pl.lit(True).alias("there"))
    met = rows.join(leads, on="place_code").join(given, on=[*SLICE, "successor"], how="left")
    again = (
        met.group_by(*SLICE, "place_code").agg(pl.col("there").fill_null(False).all().alias("again")).filter("again")
    )
    alone = rows.join(again, on=[*SLICE, "place_code"], how="anti")
    once = places.register.filter(pl.col("place_code").is_in(codes)).unique("place_code", keep="last")
    return (
        alone.join(members(once), on="place_code")
        .group_by(SLICE_OF_TOTAL)
        .agg(pl.col("value").sum().alias("retired_codes"))
    )


def _of_no_place(beside: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Sum up rows of no place, for the total that covers all that the source does: they may be of any of it."""
    rows = beside.filter(pl.col("role").is_in(["unallocated", "unmatched_place"]), pl.col("value").is_not_null())
    codes = beside.filter(pl.col("role") == "total")["place_code"].unique().drop_nulls().to_list()
    widest = [
        code
        for code in codes
        if set(nations_of(code)) == set(source.coverage) and code[1:3] in ("92", "02", "03", "04")
    ]
    told = rows.group_by(SLICE).agg(pl.col("value").sum().alias("told_unallocated"))
    return told.join(pl.DataFrame({"total_code": widest}, schema={"total_code": pl.String}), how="cross")


def _between(stated: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Tell for each total how much of it is in no total of the next tier down, where that tier is complete."""
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
    tiers = stated.select(*SLICE, pl.col("place_code").alias("inner_code"), pl.col("tier").alias("inner_tier"), "value")
    parts = tiers.join(nested, on="inner_code").join(size, on="total_code")
    sums = parts.group_by(*SLICE_OF_TOTAL, "size", "inner_tier").agg(
        pl.col("value").sum().alias("inner"), pl.col("common").sum().alias("places"), pl.len().alias("inner_n")
    )
    # The widest tier that is complete comes next below.
    whole = sums.filter(pl.col("places") == pl.col("size")).sort(*SLICE_OF_TOTAL, "inner_n", "inner_tier")
    return whole.group_by(SLICE_OF_TOTAL).agg(pl.col(name).first() for name in ("inner", "inner_n", "inner_tier"))


def _apart(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Give each part of the difference in its turn; what is left at the end is the remainder."""
    base = {name: measure.rounding or 0.0 for name, measure in source.measures.items()}
    half = pl.col("measure").replace_strict(base, return_dtype=NUMBER) / 2
    left = pl.col("left")
    rows = rows.with_columns(
        (half * (pl.col("figures") + 1)).alias("rounding_most"),
        (pl.col("places_due") - pl.col("places_given") - pl.col("places_hidden")).alias("places_without"),
        pl.col("retired_codes").fill_null(0.0),
    )
    beyond = pl.col("total") - pl.col("inner")
    tiers = (pl.col("places_without") == 0) & (beyond > half * (pl.col("inner_n") + 1))
    unallocated = pl.when(tiers).then(beyond).otherwise(pl.col("told_unallocated").fill_null(0.0))
    rows = rows.with_columns(unallocated.alias("unallocated"), tiers.alias("by_tiers"))
    rows = rows.with_columns(
        (pl.col("total") - pl.col("local") - pl.col("unallocated") - pl.col("retired_codes")).alias("left")
    )
    rows = _taken(rows, "suppressed", pl.max_horizontal(pl.min_horizontal(left, "suppressed_high"), "suppressed_low"))
    rows = _taken(
        rows, "missing_places", pl.when(pl.col("places_without") > 0).then(left.clip(lower_bound=0.0)).otherwise(0.0)
    )
    most = pl.col("rounding_most")
    rows = _taken(rows, "rounding", pl.max_horizontal(pl.min_horizontal(left, most), -most))
    more = source.additivity is not None and source.additivity.totals == "more"
    beyond_known = left.clip(lower_bound=0.0) if more else pl.lit(0.0)
    rows = rows.with_columns(
        (pl.col("unallocated") + beyond_known).alias("unallocated"), (left - beyond_known).alias("remainder")
    )
    told = rows.with_columns(pl.col("total_code").alias("place_code"), _evidence(source).alias("evidence"))
    return conformed(told, RECONCILIATION).sort("measure", "period_start", "tier", "place_code")


def _taken(rows: pl.DataFrame, part: str, share: pl.Expr) -> pl.DataFrame:
    """Give a part its share of what is left, to a billionth, for floating numbers do not add; -0 is written as 0."""
    given = rows.with_columns((share.round(9) + 0.0).alias(part))
    return given.with_columns(((pl.col("left") - pl.col(part)).round(9) + 0.0).alias("left"))


def _evidence(source: Source) -> pl.Expr:
    noisy = sorted(name for name, measure in source.measures.items() if measure.perturbed)
    given = {name: printed(name) for name in ("rounding_most", "inner", "told_unallocated", "suppressed_low")}
    return pl.concat_str(
        pl.format("{} of {} places have a figure", "places_given", "places_due"),
        pl.when(pl.col("places_hidden") > 0).then(
            pl.format("{} are hidden, together {} to {}", "places_hidden", given["suppressed_low"],
                      printed("suppressed_high").fill_null("an unknown figure"))
        ),
        pl.when(pl.col("places_without") > 0).then(pl.format("{} have none", "places_without")),
        pl.when(pl.col("rounding_most") > 0).then(pl.format("rounding can make {} either way", given["rounding_most"])),
        pl.when("by_tiers").then(pl.format("its {} totals by {} add to {}", "inner_n", "inner_tier", given["inner"])),
        pl.when(pl.col("told_unallocated") > 0).then(pl.format("rows of no place: {}", given["told_unallocated"])),
        pl.when(pl.col("measure").is_in(noisy)).then(pl.lit("the publisher adds noise, of a size it does not state")),
        separator="; ",
        ignore_nulls=True,
    )  # fmt: skip
