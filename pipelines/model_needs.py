"""What a problem asks of each measure that it needs."""

from typing import Literal

from pydantic import Field

from pipelines.declared import Age, Declared, Name


class Need(Declared):
    """What a problem asks of one measure."""

    max_age: Age | None = Field(None, description="Oldest figure that will do, from the end of the period asked")
    min_coverage: float = Field(
        1.0,
        ge=0,
        le=1,
        description="For a rate: least share of the place observed; one that can't be told is too "
        "small. A count over some parts is never taken for the whole",
    )
    max_error: float | None = Field(
        None,
        gt=0,
        description="Widest that the 90 % interval of a figure that was shared out may be, either way, as "
        "a share of the figure; one whose interval is not known is too wide",
    )
    downscale: bool = Field(
        False, description="True to accept figures that are a smaller part of a larger place's, shared out by people"
    )
    align: Literal["exact", "latest"] | None = Field(
        None,
        description="exact: of the very period; latest: newest that ends by then. Never one that ends after",
    )
    essential: bool = Field(
        True, description="False where the question can be answered without it, with a caveat that it is missing"
    )
    proxy: Name | None = Field(
        None,
        description="Measure of this problem, in the same unit, whose figure stands in where there is none; none is "
        "accepted if not said. It is shown as a stand-in, and the need stays open",
    )
