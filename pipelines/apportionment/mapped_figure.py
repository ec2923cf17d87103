"""Figures of target places as a table, and what placing them needs: the crosswalk, measures and denominators."""

from typing import NamedTuple

import polars as pl

from pipelines.apportionment.matrix import CrosswalkMatrix
from pipelines.apportionment.vectors import SliceTable
from pipelines.core.schema import CELL_COLUMNS, NUMBER, OBSERVATION_COLUMNS, TEXT, Column
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import Measure
from pipelines.geography import Successor

TARGET_CELL = [*SLICE_KEY, "to_code"]
SLICE_PROVENANCE = ["source", "release", "released_at", "file"]
"""Columns with one value in a slice, because a slice comes from one release."""
SLICE_FACTS = (*SLICE_PROVENANCE, "unit")
"""Columns of a slice that its cells repeat."""
INTERVAL_COLUMNS = ("interval_lower", "interval_upper", "interval_level", "interval_source")
"""Columns of the interval: its ends, its level and its source."""

MAPPED_FIGURE: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in SLICE_KEY},
    "to_code": Column(TEXT, "Code of the target place"),
    "value": Column(NUMBER, "Figure of the target place, in the measure's unit; null where there is a reason"),
    "lower_bound": Column(NUMBER, "Lower bound of the true figure, whatever the weights are"),
    "upper_bound": Column(NUMBER, "Upper bound of the true figure, whatever the weights are"),
    **{name: CELL_COLUMNS[name] for name in INTERVAL_COLUMNS},
    "unit": OBSERVATION_COLUMNS["unit"],
    "obs_status": Column(TEXT, "Worst status among the published figures used"),
    "published_marker": Column(TEXT, "Publisher's markers of the figures used"),
    "derivation": Column(TEXT, "How the figure was derived for the place"),
    "coverage": Column(NUMBER, "Share of the place's residents in parts with a figure; null where unknown"),
    "apportioned_share": Column(NUMBER, "Share of the figure from places crossed by a boundary"),
    "partial": Column(NUMBER, "For a rate with missing parts: the average of the others"),
    "reason": Column(TEXT, "Why there is no value"),
    "evidence": Column(TEXT, "Evidence for the value or for the reason"),
    "source_areas": Column(TEXT, "Codes of the published places used, or their number"),
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "release", "released_at", "file")},
    "file_rows": Column(TEXT, "Rows of that file, comma separated"),
    "file_column": OBSERVATION_COLUMNS["file_column"],
    "caveats": OBSERVATION_COLUMNS["caveats"],
    "caveat_evidence": OBSERVATION_COLUMNS["caveat_evidence"],
}
"""A figure for a target place, or the reason why there is none."""


class Crosswalk(NamedTuple):
    """A crosswalk (crosswalks.CROSSWALK), and the group of people used as its weight.

    A succession of codes has no group: none of its places is divided.
    """

    table: pl.DataFrame
    group: str | None = None

    @property
    def kinds(self) -> tuple[str, str]:
        """Return the kinds of source and target place; planned councils count as upper tiers."""
        first = self.table.row(0, named=True)
        start, end = (first[f"{side}_geography"].rsplit("_", 1)[0] for side in ("from", "to"))
        return start, "utla" if end == "plan" else end


def list_parts(successors: dict[str, Successor]) -> pl.DataFrame:
    """Return the succession of codes as a crosswalk: from_code, to_code, weight, weight_population and kind.

    A code with one target has weight 1. The weights of a code with several are unknown.
    """
    rows = [
        (code, to, 1.0 if len(successor.codes) == 1 else None, None, successor.derivation)
        for code, successor in successors.items()
        for to in successor.codes
    ]
    return pl.DataFrame(
        rows, orient="row",
        schema={"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64,
                "kind": pl.String},
    )  # fmt: skip


class Placing(NamedTuple):
    """What placing needs beside the figures: the matrix, its crosswalk, the measures and their denominators."""

    matrix: CrosswalkMatrix
    crosswalk: Crosswalk
    measures: dict[str, Measure]
    denominators: SliceTable
    signed: list[str]
    allowed: frozenset[str]
