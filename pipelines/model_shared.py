"""What sources have in common and say once: a publisher's licence, a family's columns, and what measures share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipelines.declared import Age, Cadence, Declared, Kind, Listed, Name, Names, Nation, PlaceSystem
from pipelines.model_reading import Columns, Format, PeriodKind

SET = "{set}"
"""Where in a family's addresses the name of the dataset goes."""


class Alike(Declared):
    """What every measure says that does not say otherwise."""

    unit: str | None = Field(None, description="Unit of the figures")
    kind: Kind | None = Field(None, description="How they may be moved")
    column: Names = Field((), description="Heading of the column with the figures, or several it has had")
    numerator: Name | None = Field(None, description="Measure on top of the rates")
    denominator: Name | None = Field(None, description="Measure below the rates")
    scale: float | None = Field(None, description="What a published figure is multiplied by to be in `unit`")
    rounding: float | None = Field(None, gt=0, description="Base the figures are rounded to, in `unit`")
    perturbed: bool | None = Field(None, description="True where the publisher adds noise to protect people")
    estimate: bool | None = Field(None, description="True where the figures are from a sample or a model")
    range: Annotated[tuple[float, float] | None, Listed] = Field(
        None, description="Least and most a sound figure can be, in `unit`"
    )


class Shared(Declared):
    """What a publisher or a family says for its sources; what a source says itself stands instead."""

    publisher: str | None = Field(None, description="Body that publishes them")
    licence: str | None = Field(None, description="Licence they are published under")
    compiled_by: str | None = Field(None, description="Who arranged the files, if not the publisher")
    page: str | None = Field(None, description="Page a person can read on; in a family with `{set}` for the dataset")
    url: str | None = Field(None, description="Address of the file; in a family with `{set}` for the dataset")
    coverage: Annotated[tuple[Nation, ...], Listed] = Field((), description="Nations covered")
    cadence: Cadence | None = Field(None, description="How often they are published")
    lag: Age | None = Field(None, description="Usual time from the end of a period to its publication")
    places: PlaceSystem | None = Field(None, description="Place system of the codes or names")
    format: Format | None = Field(None, description="Format of the files")
    columns: Columns | None = Field(None, description="Which column holds what")
    period_kind: PeriodKind | None = Field(None, description="Kind of period the files speak of")
    alike: Alike | None = Field(None, description="What their measures share")


def _named(value: Any) -> Any:
    """Take the name of a family alone for one without a dataset's name."""
    return {value: ""} if isinstance(value, str) else value


Family = Annotated[dict[Name, str], BeforeValidator(_named)]
"""A family, by its name in `shared/families.yaml`, with what the publisher calls the dataset."""
