"""A crosswalk as sparse matrices, from published figures to target places.

A succession of codes is a crosswalk with weight 1. Figures of several places together have one origin. Its
code joins their codes by +.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from pipelines.core.errors import CrosswalkError
from pipelines.core.renames import refuse_old_columns

if TYPE_CHECKING:
    from scipy import sparse

Vector = np.ndarray[Any, np.dtype[Any]]
WEIGHT_TOLERANCE = 1e-9
"""Tolerance of the sum of a place's weights, and of a weight that is whole."""
MAX_PARTS_LISTED = 20
"""Maximum number of parts that are listed by code."""
MAJORITY_SHARE = 0.5
JOINT_SIGN = "+"
PAIR = {
    "from_code": pl.String,
    "to_code": pl.String,
    "weight": pl.Float64,
    "weight_population": pl.Float64,
    "kind": pl.String,
}
"""Columns of a crosswalk that the matrices use; `kind` is optional."""


class CodeList(NamedTuple):
    """The source codes of each target place, one target after another, with the origin of each code."""

    codes: pl.Series
    origins: Vector
    starts: Vector


class CrosswalkMatrix(NamedTuple):
    """A crosswalk as matrices of target places by origins, and vectors of target places or origins.

    `codes` counts the source codes of each origin in each target. `touching` lists the origins of each target, one
    target after another. `place` has TARGET_FACTS for each target.
    """

    origins: list[str]
    order: pl.Series
    targets: list[str]
    whole: "sparse.csr_array"
    cut: "sparse.csr_array"
    touch: "sparse.csr_array"
    codes: "sparse.csr_array"
    unweighed: "sparse.csr_array"
    people: "sparse.csr_array"
    touching: Vector
    figures: Vector
    parts: Vector
    residents: Vector
    origin_people: Vector
    has_outside: Vector
    is_crossed: Vector
    lacks_weight: Vector
    is_single: Vector
    listed: CodeList
    place: pl.DataFrame


TARGET_FACTS = {
    "source_areas": pl.String,
    "split_codes": pl.String,
    "elsewhere": pl.Float64,
    "outside": pl.Float64,
    "derivation": pl.String,
}
"""Facts about each target: its source codes (or their number), those split without weights, and its shares of
people in places that are mostly elsewhere and in no source place."""


def build_matrix(crosswalk: pl.DataFrame, together: tuple[str, ...] = ()) -> CrosswalkMatrix:
    """Build the matrices of a crosswalk.

    Takes from_code, to_code, weight (share of a count that goes to the target; null where unknown) and
    weight_population (residents of both; null where unknown). A row without to_code is an unallocated share. A row
    without from_code gives residents of the target place who are in no source place. `together` lists the codes of
    figures that several places share. Raises CrosswalkError where a weight is not between 0 and 1, or the weights of a
    place do not add to 1, so that totals are preserved.
    """
    table = _read_pairs(crosswalk)
    merged = merge_joint_places(table, together)
    validate_weights(merged)
    pairs = merged.drop_nulls(["from_code", "to_code"])
    origins = sorted(merged["from_code"].drop_nulls().unique().to_list())
    targets = sorted(merged["to_code"].drop_nulls().unique().to_list())
    at = (_code_positions(pairs["to_code"], targets), _code_positions(pairs["from_code"], origins))
    weight, population = pairs["weight"].to_numpy(), pairs["weight_population"].to_numpy()
    known_weight = np.nan_to_num(weight)
    # A place that overlaps another is not whole, even if no one of the weight's group lives there.
    alone = pairs["from_code"].is_in(_single_target_codes(merged).implode()).to_numpy()
    whole = (known_weight > 1 - WEIGHT_TOLERANCE) & alone

    build_array = partial(_build_array, at=at, shape=(len(targets), len(origins)))
    touch, codes = build_array(np.ones(pairs.height)), build_array(pairs["codes"].to_numpy())
    every = np.ones(len(origins))
    residents, strangers = _target_residents(merged, targets)
    unweighed, whole_array = build_array(np.isnan(weight)), build_array(whole)
    figures, whole_figures = touch @ every, whole_array @ every
    return CrosswalkMatrix(
        origins=origins,
        order=pl.Series("place_code", origins, pl.String),
        targets=targets,
        whole=whole_array,
        cut=build_array(np.where(whole, 0.0, known_weight)),
        touch=touch,
        codes=codes,
        unweighed=unweighed,
        people=build_array(np.nan_to_num(population)),
        touching=touch.indices.astype(np.intp),  # numpy's index type, which avoids a conversion for every slice
        figures=figures,
        parts=codes @ every,
        residents=residents,
        origin_people=_origin_people(merged, origins),
        has_outside=strangers,
        is_crossed=figures > whole_figures,
        lacks_weight=unweighed @ every > 0,
        is_single=(figures == 1) & (whole_figures == 1) & (_outside_rows(merged, targets) == 0),
        listed=_list_target_codes(table, together, origins, targets),
        place=_describe_targets(table, pairs, targets),
    )


def _read_pairs(crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Return a crosswalk with the columns of PAIR; raise CommongroundError where a column has an earlier name."""
    refuse_old_columns(crosswalk.columns, ("weight_population",), "the crosswalk")
    kind = [] if "kind" in crosswalk.columns else [pl.lit(None, pl.String).alias("kind")]
    return crosswalk.with_columns(kind).select(pl.col(name).cast(dtype) for name, dtype in PAIR.items())


def _build_array(entries: Vector, at: tuple[Vector, Vector], shape: tuple[int, int]) -> "sparse.csr_array":
    from scipy import sparse

    array = sparse.csr_array((entries.astype(float), at), shape=shape)
    array.eliminate_zeros()
    array.sort_indices()
    return array


def merge_joint_places(table: pl.DataFrame, together: tuple[str, ...]) -> pl.DataFrame:
    """Combine the rows (PAIR) of places published together, weighted by their people; add the number of codes.

    A place that the crosswalk does not have counts as one without a target.
    """
    if not together:
        return table.with_columns(pl.lit(1, pl.Int64).alias("codes"))
    joint_codes = {part: code for code in together for part in code.split(JOINT_SIGN)}
    known = set(table["from_code"])
    lost = pl.DataFrame(
        [(part, None, None, None, "lost") for part in joint_codes if part not in known], schema=PAIR, orient="row"
    )
    recoded = pl.concat([table, lost]).with_columns(pl.col("from_code").replace(joint_codes))
    summed = recoded.group_by("from_code", "to_code", maintain_order=True).agg(
        pl.when(pl.len() == 1).then(pl.col("weight").first()).alias("single"),
        pl.when(pl.col("weight_population").is_not_null().all())
        .then(pl.col("weight_population").sum())
        .alias("weight_population"),
        _joint_kind().alias("kind"),
        pl.len().cast(pl.Int64).alias("codes"),
    )
    people = pl.col("weight_population").sum().over("from_code")
    has_people = pl.col("weight_population").is_not_null().all().over("from_code") & (people > 0)
    weight = (
        pl.when(~pl.col("from_code").is_in(list(together)))
        .then("single")
        .when(pl.len().over("from_code") == 1)
        .then(1.0)
        .when(has_people)
        .then(pl.col("weight_population") / people)
    )
    return summed.with_columns(weight.alias("weight")).select(*PAIR, "codes")


def _joint_kind() -> pl.Expr:
    """Return how the codes of one figure, or the parts of one place, became one."""
    larger = (pl.col("kind") == "aggregated").any()
    several = pl.when(larger).then(pl.lit("aggregated")).otherwise(pl.lit("merged"))
    return pl.when(pl.len() == 1).then(pl.col("kind").first()).otherwise(several)


def _single_target_codes(crosswalk: pl.DataFrame) -> pl.Series:
    """Return the source places with a single target place."""
    return crosswalk.group_by("from_code").len().filter(pl.col("len") == 1)["from_code"]


def _code_positions(codes: pl.Series, order: list[str]) -> Vector:
    return codes.cast(pl.Enum(order)).to_physical().to_numpy()


def validate_weights(crosswalk: pl.DataFrame) -> None:
    """Reject a crosswalk that does not preserve totals: weights outside 0 to 1, or that do not add to 1."""
    weights = crosswalk.drop_nulls("from_code")
    outside = weights.filter(
        (pl.col("weight") < 0) | (pl.col("weight") > 1 + WEIGHT_TOLERANCE) | pl.col("weight").is_nan()
    )
    if outside.height:
        code, weight = outside.select("from_code", "weight").row(0)
        raise CrosswalkError(f"{code} has the weight {weight}; expected a share from 0 to 1")
    sums = weights.group_by("from_code", maintain_order=True).agg(
        pl.col("weight").sum(), pl.col("weight").null_count().alias("unknown")
    )
    unbalanced = sums.filter(pl.col("unknown") == 0, (pl.col("weight") - 1).abs() > WEIGHT_TOLERANCE)
    if unbalanced.height:
        code, total, _ = unbalanced.row(0)
        raise CrosswalkError(
            f"the weights of {unbalanced.height} places do not add to 1 ({code}: {total:.6f}); add a row "
            f"without to_code "
            "for the unallocated share"
        )


def _target_residents(crosswalk: pl.DataFrame, targets: list[str]) -> tuple[Vector, Vector]:
    """Return the residents of each target place (NaN where unknown), and whether any are in no source place."""
    order = pl.DataFrame({"to_code": targets}, schema={"to_code": pl.String})
    sums = crosswalk.group_by("to_code").agg(
        _known_people(),
        (pl.col("from_code").is_null() & (pl.col("weight_population").fill_null(1.0) > 0)).any().alias("strangers"),
    )
    joined = order.join(sums, on="to_code", how="left", maintain_order="left")
    return _float_vector(joined["weight_population"]), joined["strangers"].to_numpy()


def _origin_people(crosswalk: pl.DataFrame, origins: list[str]) -> Vector:
    """Return the residents of each origin, NaN where unknown."""
    order = pl.DataFrame({"from_code": origins}, schema={"from_code": pl.String})
    sums = crosswalk.drop_nulls("from_code").group_by("from_code").agg(_known_people())
    return _float_vector(order.join(sums, on="from_code", how="left", maintain_order="left")["weight_population"])


def _list_target_codes(
    table: pl.DataFrame, together: tuple[str, ...], origins: list[str], targets: list[str]
) -> CodeList:
    pairs = table.drop_nulls(["from_code", "to_code"]).select("from_code", "to_code").unique()
    pairs = pairs.sort("to_code", "from_code")
    joint_codes = {part: code for code in together for part in code.split(JOINT_SIGN)}
    origin = pairs["from_code"].replace(joint_codes) if joint_codes else pairs["from_code"]
    counts = np.bincount(_code_positions(pairs["to_code"], targets), minlength=len(targets))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return CodeList(pairs["from_code"], _code_positions(origin, origins).astype(np.int64), starts)


def _known_people() -> pl.Expr:
    people = pl.col("weight_population")
    return pl.when(people.is_not_null().all()).then(people.sum()).alias("weight_population")


def _float_vector(numbers: pl.Series) -> Vector:
    return numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _outside_rows(crosswalk: pl.DataFrame, targets: list[str]) -> Vector:
    rows = crosswalk.filter(pl.col("from_code").is_null())["to_code"].drop_nulls()
    return np.bincount(_code_positions(rows, targets), minlength=len(targets))


def _describe_targets(table: pl.DataFrame, pairs: pl.DataFrame, targets: list[str]) -> pl.DataFrame:
    """Return TARGET_FACTS in the order of the targets, from the crosswalk by code and by published figure."""
    order = pl.DataFrame({"to_code": targets}, schema={"to_code": pl.String})
    there = table.drop_nulls("to_code")
    own = there.drop_nulls("from_code").sort("to_code", "from_code").group_by("to_code")
    split = there.drop_nulls("from_code").filter(pl.col("weight").is_null()).sort("from_code").group_by("to_code")
    by = pl.when(pl.col("weight_population").is_not_null().all()).then("weight_population").otherwise(pl.col("weight"))
    is_minor, is_outside = (pl.col("weight") < MAJORITY_SHARE).fill_null(False), pl.col("from_code").is_null()
    shares = there.group_by("to_code").agg(
        (by.filter(is_minor & ~is_outside).sum() / by.filter(~is_outside).sum()).alias("elsewhere"),
        pl.when(is_outside.any())
        .then(pl.col("weight_population").filter(is_outside).sum() / pl.col("weight_population").sum())
        .alias("outside"),
    )
    facts = (
        own.agg(_list_codes(",").alias("source_areas")),
        split.agg(_list_codes(", ").alias("split_codes")),
        shares,
        pairs.group_by("to_code").agg(_joint_kind().alias("derivation")),
    )
    for fact in facts:
        order = order.join(fact, on="to_code", how="left", maintain_order="left")
    return order.select(pl.col(name).cast(dtype) for name, dtype in TARGET_FACTS.items())


def _list_codes(separator: str) -> pl.Expr:
    listed = pl.col("from_code").str.join(separator)
    return pl.when(pl.len() <= MAX_PARTS_LISTED).then(listed).otherwise(pl.format("{} places", pl.len()))
