"""Declarations of a measure and of a marker."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.core.schema import ObservationStatus
from pipelines.declarations.base import Declaration, ListAsTuple, MeasureKind, Name, Names
from pipelines.declarations.file_format import RowFilter
from pipelines.declarations.source_parts import IntervalColumns


class Marker(Declaration):
    """Meaning of a publisher's marker in a source."""

    status: ObservationStatus = Field(description="Status the marker stands for")
    lower_bound: float | None = Field(None, description="Least the hidden figure can be")
    upper_bound: float | None = Field(None, description="Most the hidden figure can be")


class Measure(Declaration):
    """A quantity that a source publishes, or could publish."""

    title: str = Field(description="What is counted, in plain words")
    unit: str = Field(description="Unit of the figures, after `scale`")
    kind: MeasureKind = Field(
        description="How the figure may be moved: count and stock sum; a rate needs its parts; "
        "index, median and rank are never moved across boundaries"
    )
    column: Names = Field((), description="Heading of the column with the figures, or several it has had")
    filter: RowFilter = Field(
        default_factory=dict,
        description="Headings and texts: the measure is in rows that have one of the texts; * stands for anything",
    )
    count_rows: bool = Field(False, description="True where the figure is how many rows a place and period have")
    at_most: float | None = Field(
        None, description="Where the figure is 1 for what is printed up to this number, and 0 for what is above it"
    )
    numerator: Name | None = Field(None, description="Measure on top of a rate")
    denominator: Name | None = Field(None, description="Measure below a rate; a rate must have one")
    scale: float = Field(1.0, description="What a published figure is multiplied by to be in `unit`")
    rounding: float | None = Field(None, gt=0, description="Base the figures are rounded to, in `unit`")
    perturbed: bool = Field(False, description="True where the publisher adds noise to protect people")
    estimate: bool = Field(
        False, description="True where the figures are from a sample or a model: they bound nothing, and rank nothing"
    )
    interval: IntervalColumns | None = Field(
        None, description="Columns with the publisher's limits of each figure, or its error; it is an estimate then"
    )
    range: Annotated[tuple[float, float] | None, ListAsTuple] = Field(
        None, description="Least and most a sound figure can be, in `unit`"
    )
    population: bool = Field(
        False, description="True where it counts who lives in a place: what is missing is weighed by these people"
    )
    same_as: Name | None = Field(
        None, description="Measure of another source that is the same quantity, and stands where the two differ"
    )
    expected_population: Name | None = Field(
        None, description="Measure of the people whom this one should see; a place of which it sees under half is a gap"
    )
    apportion_by: Name | None = Field(
        None,
        description="Group of people by whom a figure is shared out where a boundary cuts its place; a rate's "
        "denominator's if not said, else all_ages",
    )

    @property
    def is_uncertain(self) -> bool:
        """Return whether the true figure may differ from the published one without a known bound."""
        return self.perturbed or self.estimate or self.interval is not None

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
    if (measure.count_rows or measure.at_most is not None) and measure.kind not in ADDITIVE_KINDS:
        raise ValueError(f"count_rows and at_most are for kind count or stock; found kind {measure.kind}")
    if measure.interval and (measure.count_rows or measure.at_most is not None):
        raise ValueError("a measure computed from rows (count_rows, at_most) has no interval")
    if measure.count_rows and (measure.column or measure.at_most is not None):
        raise ValueError("a measure that counts rows (count_rows) has neither column nor at_most")
