"""Why a target place has no figure: one order of precedence, and one wording of the evidence.

A reason is decided on vectors. Evidence is worded only for the cells that need it, from their columns.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.apportionment.matrix import JOINT_SIGN, MAJORITY_SHARE, CrosswalkMatrix, Vector
from pipelines.apportionment.vectors import FigureBlock
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.text import format_figure_column

GAP_REASONS = (
    None, "coarser_only", "combined_area", "split", "low_reach", "not_returned", "suppressed", "not_available",
    "not_applicable", "unexplained", "children_incomplete", "needs_parts",
)  # fmt: skip
"""Reasons of a placed cell by number; those that apply first take precedence, and the first is a value."""
GAP_NUMBER = {reason: number for number, reason in enumerate(GAP_REASONS)}
REASON_OF_STATUS = {
    "confidential": "suppressed",
    "low": "suppressed",
    "not_available": "not_available",
    "not_applicable": "not_applicable",
}
"""Reason of a published cell without a figure, by its status; any other is unexplained."""
_NUMBER_OF_STATUS = np.array(
    [GAP_NUMBER[REASON_OF_STATUS.get(status, "unexplained")] for status in OBSERVATION_STATUSES]
    + [GAP_NUMBER["not_returned"]],
    np.uint8,
)


class PartCounts(NamedTuple):
    """For each target place and slice: parts with a figure, parts with a row, and whether every part has a figure."""

    valued: Vector
    returned: Vector
    is_complete: Vector


def count_parts(figures: FigureBlock, matrix: CrosswalkMatrix) -> PartCounts:
    """Count the source codes of each target place with a figure and with a row."""
    valued = matrix.codes @ figures.has_value.astype(float)
    return complete_counts(valued, matrix.codes @ figures.has_row.astype(float), matrix)


def complete_counts(valued: Vector, returned: Vector, matrix: CrosswalkMatrix) -> PartCounts:
    """Add to counts of source codes whether every part of a target place has a figure."""
    is_complete = (valued == matrix.parts[:, None]) & ~matrix.has_outside[:, None]
    return PartCounts(valued, returned, is_complete)


def classify_gap(
    joint: Vector, matrix: CrosswalkMatrix, parts: PartCounts, has_value: Vector, status: Vector, allowed: Vector
) -> Vector:
    """Return the number of the reason (GAP_REASONS) of each target place and slice.

    `joint` states where a place has part of a figure of several places together. `has_value` states where the parts
    give a figure, `status` is the number of their worst status, and `allowed`
    states for which slices a figure of a larger place may be divided. Precedence: a figure of a larger place, of
    several places together or of a split place, residents outside the source, no row, the publisher's marker, some
    parts without a figure, a measure that does not add up.
    """
    known = np.where(has_value, GAP_NUMBER[None], GAP_NUMBER["needs_parts"]).astype(np.uint8)
    reason = np.where(parts.valued < matrix.parts[:, None], np.uint8(GAP_NUMBER["children_incomplete"]), known)
    reason = np.where(parts.valued == 0, _NUMBER_OF_STATUS[status], reason)
    # The status of a place without a row is the last, because NO_ROW is -1.
    reason = np.where(parts.returned == 0, np.uint8(GAP_NUMBER["not_returned"]), reason)
    facts = matrix.place
    outside, elsewhere = facts["outside"].is_not_null().to_numpy(), facts["elsewhere"].fill_nan(None).fill_null(0.0)
    for name, applies in (
        ("low_reach", outside[:, None]),
        ("split", facts["split_codes"].is_not_null().to_numpy()[:, None]),
        ("combined_area", joint),
        ("coarser_only", (elsewhere > MAJORITY_SHARE).to_numpy()[:, None] & ~allowed),
    ):
        if applies.any():
            reason = np.where(applies, np.uint8(GAP_NUMBER[name]), reason)
    return reason


def joint_figures(figures: FigureBlock, matrix: CrosswalkMatrix) -> Vector:
    """Return where a place has part of a figure of several places together, with unknown weights; False if nowhere."""
    joint = np.array([JOINT_SIGN in origin for origin in matrix.origins], bool)
    if not joint.any():
        return np.asarray(False)
    together = matrix.unweighed @ (figures.has_value & joint[:, None]).astype(float)
    return np.asarray(together > 0)


def word_gap_evidence() -> pl.Expr:
    """Word the evidence of a gap from columns: those of MAPPED_FIGURE and of the facts about its parts.

    Facts: parts_n, valued_n, lacking, split_codes, outside, least, most, and the figure published together
    (joint_value, joint_code, joint_label).
    """
    reason = pl.col("reason")
    listed = pl.col("file_rows").is_not_null()
    return (
        pl.when(reason == "coarser_only")
        .then(pl.format("known only for {}, and this is a smaller part", "source_areas"))
        .when(reason == "combined_area")
        .then(pl.format("{} published together for {}", format_figure_column("joint_value"), "joint_code") + _label())
        .when(reason == "split")
        .then(pl.format("{} is split between several places", "split_codes") + _lacking())
        .when(reason == "low_reach")
        .then(pl.format("{} % of its residents are outside the source's geography", _percent("outside")))
        .when(reason == "not_returned")
        .then(pl.format("other places have a figure in this release, but there is no row for {}", "source_areas"))
        .when(reason == "children_incomplete")
        .then(pl.format("{} of {} parts have a figure; no figure for {}", "valued_n", "parts_n", "lacking"))
        .when(reason == "needs_parts")
        .then(_needs_parts())
        .when(reason.is_in(sorted(set(REASON_OF_STATUS.values()))) & listed)
        .then(_marked_rows())
        .when(reason.is_in(sorted(set(REASON_OF_STATUS.values()))))
        .then(pl.format("{} have the marker {}", "source_areas", _marker()))
    )


def word_value_evidence() -> pl.Expr:
    """Word the evidence of an averaged rate, or of a count with apportioned parts."""
    return (
        pl.when(pl.col("derivation") == "rate_averaged")
        .then(pl.format("average of the rates of {} places, weighted by {}", "parts_n", "weighed_by"))
        .when(pl.col("apportioned_share") > 0)
        .then(pl.format("{} % from places crossed by a boundary, apportioned by people", _percent("apportioned_share")))
    )


def _marked_rows() -> pl.Expr:
    is_several = pl.col("file_rows").str.contains(",", literal=True)
    one = pl.format("row {} of {} has the marker {}", "file_rows", "file", _marker())
    several = pl.format("rows {} of {} have the marker {}", "file_rows", "file", _marker())
    return pl.when(is_several).then(several).otherwise(one)


def _needs_parts() -> pl.Expr:
    areas = pl.when(pl.col("file_rows").is_not_null()).then(pl.format(" ({})", "source_areas")).otherwise(pl.lit(""))
    least, most = format_figure_column("least"), format_figure_column("most")
    return pl.format("{} parts{} have {} to {}; their denominators are not stored", "parts_n", areas, least, most)


def _percent(column: str) -> pl.Expr:
    """Return a share in %. The order of a sum changes its last digits, so a tie is one to nine decimals."""
    return (pl.col(column) * 100).round(9).round(1)


def _marker() -> pl.Expr:
    """Return a printable marker, `(blank)` where it is blank."""
    return pl.col("published_marker").fill_null("(blank)")


def _lacking() -> pl.Expr:
    return pl.when(pl.col("lacking") != "").then(pl.format("; no figure for {}", "lacking")).otherwise(pl.lit(""))


def _label() -> pl.Expr:
    label = pl.col("joint_label").fill_null("")
    return pl.when(label != "").then(pl.format(" ({})", label)).otherwise(pl.lit(""))
