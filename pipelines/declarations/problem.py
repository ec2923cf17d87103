"""Declaration of a problem in the header of its SQL file: question, geography, periods and needs."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipelines.core.periods import parse_problem_period
from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import Age, Declaration, GeographyName, ListAsTuple, Name, Nation

OverTime = Literal["sum", "mean", "last", "first", "max", "min"]
LongerPeriod = Literal["quarter", "half_year", "year"]
ACCEPTED_DAYS: dict[LongerPeriod, int] = {"quarter": 92, "half_year": 184, "year": 366}
"""Most days of a longer period that a need accepts."""


class Need(Declaration):
    """A problem's need for one measure, or for one of several: the conditions under which it uses a figure."""

    nations: Annotated[tuple[Nation, ...], ListAsTuple] = Field(
        (),
        description="Nations that need the measure; elsewhere the cell is `not_applicable`, and no gap. Default: all"
        " nations",
    )
    place_codes: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Codes of the places that need the measure; elsewhere as for `nations`. Default: all places"
    )
    one_of: Annotated[tuple[Name, ...], ListAsTuple] = Field(
        (),
        description="Measures of which one answers the need in a place: the first with a figure. The need's own name is"
        " then a table of the SELECT, and `<column>_measure` in the view says which measure it is",
    )
    from_: str | None = Field(
        None,
        alias="from",
        description="First period with the need, as in 2020-03. For grain latest: no earlier figure is used",
    )
    until: str | None = Field(
        None,
        description="Last period with the need, as in 2021-09. For grain latest: the newest figure up to then is used,"
        " whatever its age",
    )
    max_age: Age | None = Field(
        None,
        description="For grain latest: maximum age of a figure, from its end to the day of the build. "
        "Default: twice the source's cadence (two years for a source published once) plus its "
        "usual lag",
    )
    carry: Age | None = Field(
        None,
        description="For grain month, quarter and year: maximum age of an older figure, shown with the caveat"
        " carried_forward. Default: no older figure. A figure for a shorter period is never shown. For grain latest:"
        " a place without a row in the newest period uses its own newest figure, at most this much older, with the"
        " same caveat",
    )
    over_time: OverTime | None = Field(
        None,
        description="For grain month, quarter and year: how a figure is made from shorter periods inside the period:"
        " sum (counts), mean (stocks, weighted by days), max, min, last or first. Default: only a figure of the period",
    )
    accept: LongerPeriod | None = Field(
        None,
        description="For grain month and quarter: the longest period of a figure shown for a period within it, with"
        " the caveat coarser_period. Not for counts. Default: no longer period",
    )
    min_coverage: float = Field(
        1.0,
        ge=0,
        le=1,
        description="For a rate: minimum coverage of the place; unknown coverage is too low. With `over_time`: minimum"
        " share of the period with figures. A count over some parts is never used for the whole",
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

    @property
    def span(self) -> tuple[date, date]:
        """First and last day of the need."""
        first = parse_problem_period(self.from_).start if self.from_ else date.min
        return first, parse_problem_period(self.until).end if self.until else date.max

    @property
    def is_of_a_time(self) -> bool:
        """Whether the need has a first or last day."""
        return bool(self.from_ or self.until)


def validate_age_keys(name: str, need: Need, grain: str) -> None:
    """Raise ValueError for an age key that has no effect with the problem's grain or the need's own time."""
    first, last = need.span
    if first > last:
        raise ValueError(f"{name}: from is later than until")
    if need.until and need.max_age:
        raise ValueError(f"{name}: a figure up to {need.until} has no maximum age; keep until or max_age")
    if grain == "latest" and (need.over_time or need.accept):
        key = "over_time" if need.over_time else "accept"
        raise ValueError(f"{name}: {key} is for grain month, quarter and year; grain latest uses the newest figure")
    if need.accept == grain or (need.accept and grain == "year"):
        raise ValueError(f"{name}: accept: found {need.accept}, expected a period longer than a {grain}")
    if need.over_time == "sum" and need.min_coverage < 1:
        raise ValueError(f"{name}: a sum over part of a period is no sum of the period; remove min_coverage")
    if grain != "latest" and need.max_age:
        raise ValueError(
            f"{name}: max_age is for grain latest; grain {grain} uses only a figure for the same {grain}, "
            "or an older one within the age in carry, as in carry: 3 months"
        )


class PeriodRange(Declaration):
    """Periods of a problem."""

    start: str = Field(description="First period, such as 2022-01, 2022-Q1 or 2022")
    end: str | None = Field(None, description="Last period; default: the last that ends by the day of the build")


class Answer(Declaration):
    """The figure that a problem's page maps, ranks and plots first."""

    column: Name = Field(description="Column of the SELECT with the figure: a measure, or a computed figure")
    order: Literal["highest", "lowest"] = Field("highest", description="End of the order that the first sentence names")
    subject: str | None = Field(
        None,
        description="Plural subject of the first sentence, as in `Claimants` were highest in Birmingham. Default: the"
        " title of the measure",
    )
    unit: str | None = Field(
        None, description="Unit in that sentence, in plain words. Default: the unit of the measure"
    )


class Partner(Declaration):
    """A role that takes part in the decision beside its owner, and what it brings."""

    role: str = Field(description="Role of the partner, with its body; no name of a person")
    brings: str = Field(description="Contribution of the partner: figures, money, staff or powers")
    bodies: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (),
        description="Publishers, data owners and providers that the partner represents, as their sources name them. The"
        " page names the other bodies with needed figures as no partners",
    )


class ProblemHeader(Declaration):
    """Header of a problem's SQL file."""

    question: str = Field(description="The question, in its owner's words")
    decision: str = Field(description="The decision that the answer supports")
    owner: str = Field(description="Role of the person who takes the decision")
    geography: GeographyName = Field(description="Geography of the answer")
    decision_date: date | None = Field(
        None,
        description="Day of the decision, for a problem of the past: with grain latest, no later figure is used, and"
        " ages count to that day. Default: the day of the build",
    )
    nations: Annotated[tuple[Nation, ...], ListAsTuple] = Field(
        (), description="Nations of the places requested; default: all nations"
    )
    place_codes: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Codes of the places requested; default: all places of the geography"
    )
    grain: Grain = Field(description="latest: one row per place; otherwise one row per place and period")
    periods: PeriodRange | None = Field(None, description="Periods requested, for every grain except latest")
    groups: Annotated[tuple[Name, ...], ListAsTuple] = Field(
        (),
        description="Partnerships of `pipelines/partnerships.yaml` that the problem also answers for, each as a place."
        " Counts and ranks of places leave them out",
    )
    needs: dict[Name, Annotated[Need, BeforeValidator(lambda value: {} if value is None else value)]] = Field(
        description="Measures that the question needs, or a name with `one_of`"
    )
    unknowns: Annotated[tuple[Name, ...], ListAsTuple] = Field(
        (),
        description="Measures on which the decision rests and which no publisher reports. No verdict depends on them."
        " Only measures of a source that is not open",
    )

    partners: Annotated[tuple[Partner, ...], ListAsTuple] = Field(
        (),
        description="Partners in the decision. The page then names the publishers of essential needs, the data owners"
        " of unknowns and the silent providers that are no partners",
    )
    answer: Answer | None = Field(
        None,
        description="Figure that the page maps, ranks and plots first. Default: the first essential need for a rate, or"
        " else for another figure than residents",
    )

    @property
    def measure_needs(self) -> dict[str, Need]:
        """Need for each measure; a need with `one_of` applies to each of its measures."""
        return {measure: need for name, need in self.needs.items() for measure in need.one_of or (name,)}

    @property
    def alternatives(self) -> dict[str, tuple[str, ...]]:
        """Measures of each need with `one_of`."""
        return {name: need.one_of for name, need in self.needs.items() if need.one_of}

    @model_validator(mode="after")
    def _validate_header(self) -> Self:
        if (self.grain == "latest") == bool(self.periods):
            raise ValueError("periods is required for grain month, quarter and year; grain latest has none")
        asked = [*(measure for name, need in self.needs.items() for measure in need.one_of or (name,)), *self.unknowns]
        twice = sorted({measure for measure in asked if asked.count(measure) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is asked for twice, in needs, one_of or unknowns; keep one")
        if self.decision_date and self.grain != "latest":
            raise ValueError("decision_date is for grain latest; for other grains periods.end is the last period")
        for name, need in self.needs.items():
            validate_age_keys(name, need, self.grain)
            if need.proxy and (need.one_of or need.proxy == name or need.proxy not in asked):
                raise ValueError(f"{name}: proxy: found {need.proxy!r}, expected another requested measure")
        return self
