"""Declaration of a problem in the header of its SQL file: question, geography, periods and needs."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import Age, Declaration, GeographyName, ListAsTuple, Name


class Need(Declaration):
    """A problem's need for one measure: the conditions under which it uses a figure."""

    max_age: Age | None = Field(
        None,
        description="For grain latest: maximum age of a figure, from its end to the day of the build. "
        "Default: twice the source's cadence (two years for a source published once) plus its "
        "usual lag",
    )
    carry: Age | None = Field(
        None,
        description="For grain month, quarter and year: maximum age of an older figure, shown with the caveat"
        " carried_forward. Default: no older figure. A figure for a shorter period is never shown",
    )
    min_coverage: float = Field(
        1.0,
        ge=0,
        le=1,
        description="For a rate: minimum coverage of the place; unknown coverage is too low. A count over "
        "some parts is never used for the whole",
    )
    max_error: float | None = Field(
        None,
        gt=0,
        description="Maximum half-width of the 90 % interval of an apportioned figure, as a share of the "
        "figure; an unknown interval is too wide",
    )
    downscale: bool = Field(
        False,
        description="True to accept a figure apportioned by residents from a larger area of which the place "
        "is the smaller part",
    )
    essential: bool = Field(
        True,
        description="False where the question can be answered without the measure, with a caveat that it is missing",
    )
    proxy: Name | None = Field(
        None,
        description="Proxy: measure of this problem, in the same unit, that supplies a figure where this "
        "measure has none. Default: no proxy. It is shown as a proxy, and the need stays open",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_keys(cls, data: Any) -> Any:
        if isinstance(data, dict) and "align" in data:
            raise ValueError(
                "align is no longer a key: each period uses a figure for that period; "
                "to accept an older figure, declare its age, as in carry: 3 months"
            )
        return data


def validate_age_keys(name: str, need: Need, grain: str) -> None:
    """Raise ValueError for an age key that has no effect with the problem's grain."""
    if grain == "latest" and need.carry:
        raise ValueError(f"{name}: carry is for grain month, quarter and year; for grain latest use max_age")
    if grain != "latest" and need.max_age:
        raise ValueError(
            f"{name}: max_age is for grain latest; grain {grain} uses only a figure for the same {grain}, "
            "or an older one within the age in carry, as in carry: 3 months"
        )


class PeriodRange(Declaration):
    """Periods of a problem."""

    start: str = Field(description="First period, such as 2022-01, 2022-Q1 or 2022")
    end: str | None = Field(None, description="Last period; default: the last that ends by the day of the build")


class ProblemHeader(Declaration):
    """Header of a problem's SQL file."""

    question: str = Field(description="The question, in its owner's words")
    decision: str = Field(description="The decision that the answer supports")
    owner: str = Field(description="Role of the person who takes the decision")
    geography: GeographyName = Field(description="Geography of the answer")
    place_codes: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Codes of the places requested; default: all places of the geography"
    )
    grain: Grain = Field(description="latest: one row per place; otherwise one row per place and period")
    periods: PeriodRange | None = Field(None, description="Periods requested, for every grain except latest")
    needs: dict[Name, Annotated[Need, BeforeValidator(lambda value: {} if value is None else value)]] = Field(
        description="Measures that the question needs"
    )
    unknowns: Annotated[tuple[Name, ...], ListAsTuple] = Field(
        (), description="Measures requested although no publisher is known"
    )

    @model_validator(mode="after")
    def _validate_header(self) -> Self:
        if (self.grain == "latest") == bool(self.periods):
            raise ValueError("periods is required for grain month, quarter and year; grain latest has none")
        twice = sorted(set(self.needs) & set(self.unknowns))
        if twice:
            raise ValueError(f"{twice[0]} is in both needs and unknowns; keep one")
        for name, need in self.needs.items():
            validate_age_keys(name, need, self.grain)
            if need.proxy and (need.proxy == name or need.proxy not in {*self.needs, *self.unknowns}):
                raise ValueError(f"{name}: proxy: found {need.proxy!r}, expected another requested measure")
        return self
