"""What a declaration may say: strict models of a source's YAML and a problem's header.

An unknown key or a wrong type is refused. Every key's description here is what the docs print.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipelines.schema import VALUELESS, Status

Kind = Literal["count", "stock", "rate", "index", "median", "rank"]
Cadence = Literal["daily", "weekly", "monthly", "quarterly", "annual", "once"]
Grain = Literal["latest", "month", "quarter", "year"]
PeriodKind = Literal["day", "month", "quarter", "year"]
Nation = Literal["England", "Wales", "Scotland", "Northern Ireland"]
Access = Literal["open", "not_held", "not_open", "not_collected"]
Provides = Literal["observation", "place", "change", "boundary", "areas", "shares"]
NATIONS: tuple[Nation, ...] = ("England", "Wales", "Scotland", "Northern Ireland")
ADDITIVE: frozenset[str] = frozenset({"count", "stock"})
PLACE_SYSTEM = re.compile(r"[a-z]+(?:_[a-z]+)*_(\d{4})")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("a name is lower case letters, digits and _, and starts with a letter")
    return value


def _system(value: str) -> str:
    if not PLACE_SYSTEM.fullmatch(value):
        raise ValueError("a place system is a kind and a year, as in lad_2023")
    return value


def _list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) or value is None else [value]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_AGE = re.compile(r"(\d+) (day|week|month|year)s?")


def days(age: str) -> int:
    """Read an age such as `18 months` as a number of days (a month is 30.44 days, a year 365.25)."""
    match = _AGE.fullmatch(age)
    if not match:
        raise ValueError("an age is a number and days, weeks, months or years, as in '18 months'")
    return round(int(match[1]) * {"day": 1, "week": 7, "month": 30.44, "year": 365.25}[match[2]])


def _age(value: str) -> str:
    days(value)
    return value


Name = Annotated[str, AfterValidator(_name)]
PlaceSystem = Annotated[str, AfterValidator(_system)]
Age = Annotated[str, AfterValidator(_age)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: _tuple(_list(value)))]


class Declared(BaseModel):
    """Base settings of every declaration: nothing unknown, nothing coerced, nothing changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Marker(Declared):
    """What one of the publisher's markers means in this source."""

    status: Status = Field(description="Status the marker stands for")
    low: float | None = Field(None, description="Least the hidden figure can be")
    high: float | None = Field(None, description="Most the hidden figure can be")


def _marker(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


class Measure(Declared):
    """One quantity that a source publishes, or is asked to."""

    title: str = Field(description="What is counted, in plain words")
    unit: str = Field(description="Unit of the figures, after `scale`")
    kind: Kind = Field(
        description="How the figure may be moved: count and stock sum; a rate needs its parts; "
        "index, median and rank are never moved across boundaries"
    )
    column: Names = Field((), description="Heading of the column with the figures, or several it has had")
    numerator: Name | None = Field(None, description="Measure on top of a rate")
    denominator: Name | None = Field(None, description="Measure below a rate; a rate must have one")
    scale: float = Field(1.0, description="What a published figure is multiplied by to be in `unit`")
    rounding: float | None = Field(None, gt=0, description="Base the figures are rounded to, in `unit`")
    perturbed: bool = Field(False, description="True where the publisher adds noise to protect people")
    range: Annotated[tuple[float, float] | None, BeforeValidator(_tuple)] = Field(
        None, description="Least and most a sound figure can be, in `unit`"
    )

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.kind == "rate" and not self.denominator:
            raise ValueError("a rate must name its denominator: the measure it is a share of")
        if self.kind != "rate" and (self.numerator or self.denominator):
            raise ValueError(f"only a rate has a numerator or denominator; this is a {self.kind}")
        return self


class Columns(Declared):
    """Which column of the file holds what; a list where the heading has changed between releases."""

    place: Names = Field((), description="Place codes")
    label: Names = Field((), description="Place names as published; the key where there are no codes")
    period: Names = Field((), description="Period of each row")
    status: Names = Field((), description="Publisher's status or marker of each row")

    @model_validator(mode="after")
    def _key(self) -> Self:
        if not self.place and not self.label:
            raise ValueError("name the column with place codes (place) or with place names (label)")
        return self


class Period(Declared):
    """The period of every figure in a file that does not say so itself."""

    start: date = Field(description="First day")
    end: date = Field(description="Last day")


class Release(Declared):
    """A published file that travels with the project."""

    file: str = Field(description="File, from the sources directory")
    released: date = Field(description="Day the publisher released it")
    label: str = Field("", description="What the publisher calls the release")


class Note(Declared):
    """Something a person knows about some places of a source, shown with their gaps."""

    places: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(description="Codes as in the file")
    text: str = Field(description="What is known, and where that can be read")


class Elsewhere(Declared):
    """Who has the like for a nation that a source leaves out."""

    holder: str = Field(description="Body that has it")
    how: str = Field(description="What to do to get it")


class Weights(Declared):
    """A set of weights in a table of small areas: how many people of each group lived in each."""

    day: date = Field(description="Day on which they were counted, or that the estimate is of")
    groups: Names = Field(min_length=1, description="Groups; each is a column `<set>__<group>`, in residents")


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


class Source(Declared):
    """A dataset of one publisher: where it is, what is in it, how to read it."""

    title: str = Field(description="Title of the dataset")
    publisher: str = Field(description="Body that publishes it")
    licence: str = Field(description="Licence it is published under")
    page: str = Field(description="Page a person can read about it on")
    url: str | None = Field(None, description="Address of the file, for refresh")
    compiled_by: str | None = Field(None, description="Who arranged the file, if not the publisher")
    access: Access = Field(
        "open",
        description="not_held: published, but in no file we hold; not_open: collected, not open; "
        "not_collected: nobody has it",
    )
    holder: str | None = Field(None, description="Who could supply what is missing; the publisher if not said")
    ask: str | None = Field(None, description="What to ask the holder for")
    provides: Provides = Field("observation", description="Which conformed table the source fills")
    cadence: Cadence = Field("annual", description="How often it is published")
    lag: Age | None = Field(None, description="Usual time from the end of a period to its publication")
    places: PlaceSystem | None = Field(None, description="Place system of the codes or names")
    coverage: Annotated[tuple[Nation, ...], BeforeValidator(_tuple)] = Field(
        NATIONS, description="Nations of the United Kingdom that it covers"
    )
    elsewhere: dict[Nation, Elsewhere] = Field(
        default_factory=dict, description="For a nation not covered: who has the like, and where"
    )
    format: Literal["csv", "excel", "json", "parquet"] = Field("csv", description="Format of the file, once unpacked")
    encoding: str = Field("utf-8", description="Encoding of a text file")
    member: str | None = Field(None, description="File inside a zip archive")
    lies_in: Annotated[tuple[PlaceSystem, ...], BeforeValidator(_tuple)] = Field(
        (), description="For areas: place systems that each small area lies in, each a column of codes"
    )
    best_fit: Annotated[tuple[PlaceSystem, ...], BeforeValidator(_tuple)] = Field(
        (), description="Those of `lies_in` that are best fit: most of the small area lies there, not all"
    )
    weights: dict[Name, Weights] = Field(
        default_factory=dict, description="For areas: sets of weights by which figures are shared out"
    )
    shares: ShareTable | None = Field(None, description="For shares: from what, to what, and of what")
    layout: Literal["long", "wide"] = Field("long", description="wide: one column a period")
    columns: Columns | None = Field(None, description="Which column holds what")
    header: Names = Field((), description="Headings of the file itself, where tidy() makes the declared columns")
    ignore: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(
        (), description="Headings of a wide file that are not periods; * stands for anything"
    )
    period_kind: PeriodKind = Field("year", description="Kind of period the file speaks of")
    period: Period | None = Field(None, description="Period of all figures, where the file does not say")
    measures: dict[Name, Measure] = Field(default_factory=dict, description="Measures in the file")
    markers: dict[str, Annotated[Marker, BeforeValidator(_marker)]] = Field(
        default_factory=dict, description="The publisher's markers and what each means"
    )
    combined: Annotated[tuple[Names, ...], BeforeValidator(_tuple)] = Field(
        (), description="Places published together, the one figure repeated under each code"
    )
    totals: dict[str, str] = Field(default_factory=dict, description="Labels of totals, and their codes")
    unallocated: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(
        (), description="Labels of rows that belong to no place"
    )
    not_data: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(
        (), description="Labels of rows that are headings inside the data"
    )
    notes: Annotated[tuple[Note, ...], BeforeValidator(_tuple)] = Field(
        (), description="What a person knows about some places"
    )
    releases: Annotated[tuple[Release, ...], BeforeValidator(_tuple)] = Field(
        (), description="Files that travel with the project, oldest first"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.access != "open" and (self.url or self.releases):
            raise ValueError(f"a source that is {self.access} has neither url nor releases")
        if self.access != "open" and not self.ask:
            raise ValueError(f"a source that is {self.access} must say what to ask for (ask)")
        if self.provides == "observation":
            self._observes()
        self._apportions()
        return self

    @property
    def area_columns(self) -> tuple[str, ...]:
        """Columns of a table of small areas: its code, the place systems, one for each set and group of weights."""
        weights = (f"{name}__{group}" for name, each in self.weights.items() for group in each.groups)
        return ("area_code", *self.lies_in, *weights)

    def _apportions(self) -> None:
        if (self.provides == "areas") != bool(self.lies_in):
            raise ValueError("lies_in is given for a source that provides areas, and for no other")
        if (self.provides == "shares") != bool(self.shares):
            raise ValueError("shares is given for a source that provides shares, and for no other")
        if (self.weights or self.best_fit) and not self.lies_in:
            raise ValueError("weights and best_fit are only for a source that provides areas")
        astray = [system for system in self.best_fit if system not in self.lies_in]
        if astray:
            raise ValueError(f"best_fit names {astray[0]}, which is not in lies_in")
        twice = [name for name in self.area_columns if self.area_columns.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is named twice; a table of small areas has each column once")

    def _observes(self) -> None:
        if not self.measures:
            raise ValueError("a source of observations needs measures")
        if self.access != "open":
            return
        if not self.columns or not self.places:
            raise ValueError("a source of observations needs columns and places")
        if self.layout == "long" and not self.period and not self.columns.period:
            raise ValueError("say where the period is: columns.period, or period for the whole file")
        unread = [name for name, measure in self.measures.items() if not measure.column]
        if self.layout == "long" and unread:
            raise ValueError(f"measure {unread[0]} does not name its column")

    @model_validator(mode="after")
    def _markers(self) -> Self:
        for text, marker in self.markers.items():
            if marker.status not in VALUELESS and (marker.low, marker.high) != (None, None):
                raise ValueError(f"marker {text!r}: only a marker that hides a figure has low and high")
        return self


class Need(Declared):
    """What a problem asks of one measure."""

    max_age: Age | None = Field(None, description="Oldest figure that will do, from the end of the period asked")
    min_coverage: float = Field(
        1.0, ge=0, le=1, description="Least share of the place observed; one that can't be told is too small"
    )
    align: Literal["exact", "latest"] | None = Field(
        None,
        description="exact: of the very period; latest: newest that ends by then. Never one that ends after",
    )


class Span(Declared):
    """The periods a problem asks about."""

    start: str = Field(description="First period, as 2022-01, 2022-Q1 or 2022")
    end: str | None = Field(None, description="Last period; up to the day of the build if not said")


class Header(Declared):
    """The head of a problem's SQL file."""

    question: str = Field(description="The question, as its owner would ask it")
    decision: str = Field(description="The decision that the answer serves")
    owner: str = Field(description="Role of the person who has to decide")
    places: PlaceSystem = Field(description="Place system the answer is given in")
    only: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(
        (), description="Codes of the places asked about; all of the system if not said"
    )
    grain: Grain = Field(description="latest: one row a place; else one row a place and period")
    periods: Span | None = Field(None, description="Periods asked about; for every grain but latest")
    needs: dict[Name, Annotated[Need, BeforeValidator(lambda value: {} if value is None else value)]] = Field(
        description="Measures that the question needs"
    )
    wants: Annotated[tuple[Name, ...], BeforeValidator(_tuple)] = Field(
        (), description="Measures asked for although nobody is known to publish them"
    )

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if (self.grain == "latest") == bool(self.periods):
            raise ValueError("periods are given for month, quarter and year, and not for latest")
        twice = sorted(set(self.needs) & set(self.wants))
        if twice:
            raise ValueError(f"{twice[0]} is both needed and wanted; keep one")
        return self
