"""What a source of small areas, or of shares, declares: how many lived where, and what the shares are of."""

from datetime import date

from pydantic import Field

from pipelines.declared import Age, Declared, Names, PlaceSystem


class Weights(Declared):
    """A set of weights in a table of small areas: how many people of each group lived in each."""

    day: date = Field(description="Day on which they were counted, or that the estimate is of")
    groups: Names = Field(min_length=1, description="Groups; each is a column `<set>__<group>`, in residents")
    good_for: Age = Field("10 years", description="How far from that day figures may be shared out by it")


class ShareColumns(Declared):
    """Which column of a table of shares holds what."""

    from_code: str = Field(description="Heading of the codes that are shared out")
    to_code: str = Field(description="Heading of the codes that they are shared out to")
    share: str = Field(description="Heading of the shares, each 0 to 1")


class ShareTable(Declared):
    """What a table of shares leads from and to, and what the shares are of."""

    from_system: PlaceSystem = Field(description="Place system that is shared out")
    to_system: PlaceSystem = Field(description="Place system that it is shared out to")
    day: date = Field(description="Last day of the period that the shares were measured in")
    what: str = Field(description="What the shares are of, in plain words")
    columns: ShareColumns = Field(description="Which column holds what")
    tolerance: float = Field(
        0.000001, ge=0, lt=1, description="How far from 1 the shares of one code may add, for rounding"
    )
