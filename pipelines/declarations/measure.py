"""Declarations of a measure and of a marker."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.core.schema import ObservationStatus
from pipelines.declarations.base import Declaration, ListAsTuple, MeasureKind, Name, Names
from pipelines.declarations.file_format import RowFilter
from pipelines.declarations.source_parts import IntervalColumns

_AT_MOST = re.compile(r"at most -?\d+(?:\.\d+)?")


def _at_most(value: str) -> str:
    if not _AT_MOST.fullmatch(value):
        raise ValueError("expected true, or a limit as in `at most 697`")
    return value


CountRows = Literal[True] | Annotated[str, AfterValidator(_at_most)] | None
Uncertainty = Literal["estimate", "perturbed"] | IntervalColumns | None


class Marker(Declaration):
    """Meaning of a publisher's marker in a source."""

    status: ObservationStatus = Field(description="Observation status of the marker")
    lower_bound: float | None = Field(None, description="Lower bound of the suppressed figure")
    upper_bound: float | None = Field(None, description="Upper bound of the suppressed figure")


YES_OR_NO = "yes or no"
"""Unit of a measure that is 1 or 0."""


class Measure(Declaration):
    """A quantity that a source publishes, or could publish."""

    title: str = Field(description="Description of the quantity, in plain words")
    unit: str = Field(
        description="Unit of the figures, after `scale`; `yes or no` for a figure that is 1 or 0, which has no rank "
        "and no line over time"
    )
    kind: MeasureKind = Field(
        description="Kind, which determines conversion between geographies: a count or stock is summed; a "
        "rate is recomputed from its parts; an index, median or rank is not converted"
    )
    column: Names = Field((), description="Heading of the column with the figures, or all headings used over time")
    filter: RowFilter = Field(
        default_factory=dict,
        description="Headings with texts: the measure is in rows with one of the texts; * matches any text",
    )
    count_rows: CountRows = Field(
        None,
        description="true: the figure is the number of rows of a place and period; `at most 697`: the figure is 1 "
        "where `column` has at most this number, else 0",
    )
    numerator: Name | None = Field(None, description="Numerator of a rate")
    denominator: Name | None = Field(None, description="Denominator of a rate, which a rate requires")
    scale: float = Field(1.0, description="Multiplier that converts a published figure to `unit`")
    rounding: float | None = Field(None, gt=0, description="Rounding base of the figures, in `unit`")
    uncertainty: Uncertainty = Field(
        None,
        description="`perturbed` where the publisher adds noise; `estimate` for a sample or a model; the "
        "columns of the limits for an estimate with a published interval. Such a figure gives no "
        "bounds, and no rank without an interval",
    )
    range: Annotated[tuple[float, float] | None, ListAsTuple] = Field(
        None, description="Lowest and highest valid figure, in `unit`"
    )
    same_as: Name | None = Field(
        None, description="Measure of another source with the same quantity, which is used where the two differ"
    )
    expected_population: Name | None = Field(
        None,
        description="Measure of the population that this measure should cover; a place with less than half "
        "covered is a gap",
    )
    apportion_by: Name | None = Field(
        None,
        description="Population group that weights the apportionment of a figure where a boundary splits its "
        "place. Default: the group of a rate's denominator, else all_ages",
    )

    @property
    def counts_rows(self) -> bool:
        """Return whether the figure is the number of rows of a place and period."""
        return self.count_rows is True

    @property
    def at_most(self) -> float | None:
        """Return the largest published number for which the figure is 1; null where figures are used as published."""
        return float(self.count_rows.split()[-1]) if isinstance(self.count_rows, str) else None

    @property
    def is_yes_or_no(self) -> bool:
        """Return whether the figure is 1 or 0, for yes or no, as the title states."""
        return self.unit == YES_OR_NO

    @property
    def perturbed(self) -> bool:
        """Return whether the publisher adds noise to protect confidentiality."""
        return self.uncertainty == "perturbed"

    @property
    def estimate(self) -> bool:
        """Return whether the figures are from a sample or a model, without published limits."""
        return self.uncertainty == "estimate"

    @property
    def interval(self) -> IntervalColumns | None:
        """Return the columns with the publisher's limits of each figure, if there are any."""
        return self.uncertainty if isinstance(self.uncertainty, IntervalColumns) else None

    @property
    def is_uncertain(self) -> bool:
        """Return whether the true figure may differ from the published one without a known bound."""
        return self.uncertainty is not None

    @model_validator(mode="after")
    def _validate_kind(self) -> Self:
        validate_measure(self)
        return self


ADDITIVE_KINDS: frozenset[str] = frozenset({"count", "stock"})


def validate_measure(measure: "Measure") -> None:
    """Raise ValueError for a measure with keys that contradict its kind."""
    if measure.kind == "rate" and not measure.denominator:
        raise ValueError("a rate must declare its denominator: the measure that it is a share of")
    if measure.kind != "rate" and (measure.numerator or measure.denominator):
        raise ValueError(f"only a rate has a numerator or denominator; found kind {measure.kind}")
    if measure.count_rows and measure.kind not in ADDITIVE_KINDS:
        raise ValueError(f"only a count or a stock has count_rows; found kind {measure.kind}")
    if measure.interval and measure.count_rows:
        raise ValueError("a measure that counts rows (count_rows) has no published interval")
    if measure.counts_rows and measure.column:
        raise ValueError("a measure with count_rows: true has no column")


def counts_residents(name: str, measure: Measure) -> bool:
    """Return whether a measure counts residents: a stock with a name that begins with `residents`."""
    return measure.kind == "stock" and (name == "residents" or name.startswith("residents_"))
