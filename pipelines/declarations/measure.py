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
    count_rows: CountRows = Field(
        None,
        description="true: the figure is the number of rows of a place and period; `at most 697`: the figure is 1 "
        "where `column` has at most this number, else 0",
    )
    numerator: Name | None = Field(None, description="Measure on top of a rate")
    denominator: Name | None = Field(None, description="Measure below a rate; a rate must have one")
    scale: float = Field(1.0, description="What a published figure is multiplied by to be in `unit`")
    rounding: float | None = Field(None, gt=0, description="Base the figures are rounded to, in `unit`")
    uncertainty: Uncertainty = Field(
        None,
        description="`perturbed` where the publisher adds noise; `estimate` for a sample or a model; for an estimate "
        "with published limits their columns. Such a figure bounds nothing, and ranks nothing without an interval",
    )
    range: Annotated[tuple[float, float] | None, ListAsTuple] = Field(
        None, description="Least and most a sound figure can be, in `unit`"
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
    def counts_rows(self) -> bool:
        """Return whether the figure is the number of rows of a place and period."""
        return self.count_rows is True

    @property
    def at_most(self) -> float | None:
        """Return the largest published number for which the figure is 1; null where figures are used as published."""
        return float(self.count_rows.split()[-1]) if isinstance(self.count_rows, str) else None

    @property
    def perturbed(self) -> bool:
        """Return whether the publisher adds noise to protect people."""
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
        """Return whether the true figure may differ from the published one by an unbounded amount."""
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
    """Return whether a measure counts who lives in a place: a stock whose name begins with `residents`."""
    return measure.kind == "stock" and (name == "residents" or name.startswith("residents_"))
