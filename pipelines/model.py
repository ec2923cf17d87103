"""What a declaration may say: strict models of a source's YAML and a problem's header.

An unknown key or a wrong type is refused. Every key's description here is what the docs print.
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipelines.declared import NATIONS, Age, Cadence, Declared, Kind, Listed, Name, Names, Nation, PlaceSystem
from pipelines.model_areas import ShareTable, Weights
from pipelines.model_needs import Need, aged
from pipelines.model_parts import Adding, Break, Elsewhere, Interval, Note, Release, Returns, Sha256, Withdrawn
from pipelines.model_reading import FileShape, Where
from pipelines.model_roads import STATXPLORE_KEY, Api, Link
from pipelines.model_rules import ADDITIVE as ADDITIVE
from pipelines.model_rules import apportions, measured, observes
from pipelines.model_shared import Alike, Family
from pipelines.schema import VALUELESS, Status

Grain = Literal["latest", "month", "quarter", "year"]
Access = Literal["open", "not_held", "not_open", "not_collected"]
Provides = Literal["observation", "place", "change", "boundary", "areas", "shares"]


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
    where: Where = Field(
        default_factory=dict,
        description="Headings and texts: the measure is in rows that have one of the texts; * stands for anything",
    )
    counted: bool = Field(False, description="True where the figure is how many rows a place and period have")
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
    interval: Interval | None = Field(
        None, description="Columns with the publisher's limits of each figure, or its error; it is an estimate then"
    )
    range: Annotated[tuple[float, float] | None, Listed] = Field(
        None, description="Least and most a sound figure can be, in `unit`"
    )
    population: bool = Field(
        False, description="True where it counts who lives in a place: what is missing is weighed by these people"
    )
    same_as: Name | None = Field(
        None, description="Measure of another source that is the same quantity, and stands where the two differ"
    )
    reaches: Name | None = Field(
        None, description="Measure of the people whom this one should see; a place of which it sees under half is a gap"
    )
    weighed_by: Name | None = Field(
        None,
        description="Group of people by whom a figure is shared out where a boundary cuts its place; a rate's "
        "denominator's if not said, else all_ages",
    )

    @property
    def uncertain(self) -> bool:
        """Tell whether the true figure may be another than the one published, by no bound that is known."""
        return self.perturbed or self.estimate or self.interval is not None

    @model_validator(mode="after")
    def _parts(self) -> Self:
        measured(self)
        return self


class Source(FileShape):
    """A dataset of one publisher: where it is, what is in it, how to read it."""

    title: str = Field(description="Title of the dataset")
    family: Family = Field(
        default_factory=dict, description="Family in `shared/families.yaml` it is of, if any, and its name there"
    )
    publisher: str = Field(description="Body that publishes it; if not said, that of `shared/publishers.yaml`")
    licence: str = Field(description="Licence it is published under; if not said, that of `shared/publishers.yaml`")
    page: str = Field(description="Page a person can read about it on")
    url: str | None = Field(
        None, description="Address of the file, for refresh: on the web, a path, or what fsspec knows (file, s3, sftp)"
    )
    link: Link | None = Field(None, description="Page that links to the file, where its address changes")
    api: Api | None = Field(None, description="Service of the publisher that gives the file")
    compiled_by: str | None = Field(None, description="Who arranged the file, if not the publisher")
    access: Access = Field(
        "open",
        description="not_held: published, but in no file we hold; not_open: collected, not open; "
        "not_collected: nobody has it",
    )
    private: bool = Field(False, description="True for figures that stay out of every output until they are released")
    released: bool = Field(False, description="True where the keeper of a private source has released it")
    holder: str | None = Field(None, description="Who could supply what is missing; the publisher if not said")
    ask: str | None = Field(None, description="What to ask the holder for")
    provides: Provides = Field("observation", description="Which conformed table the source fills")
    cadence: Cadence = Field("annual", description="How often it is published")
    lag: Age | None = Field(None, description="Usual time from the end of a period to its publication")
    places: PlaceSystem | None = Field(None, description="Place system of the codes or names")
    place: str | None = Field(None, description="Code of the one place of all figures, where no column says it")
    coverage: Annotated[tuple[Nation, ...], Listed] = Field(
        NATIONS, description="Nations of the United Kingdom that it covers; if not said, those not in `elsewhere`"
    )
    elsewhere: dict[Nation, Elsewhere] = Field(
        default_factory=dict, description="For a nation not covered: who has the like, and where"
    )
    lies_in: Annotated[tuple[PlaceSystem, ...], Listed] = Field(
        (), description="For areas: place systems that each small area lies in, each a column of codes"
    )
    best_fit: Annotated[tuple[PlaceSystem, ...], Listed] = Field(
        (), description="Those of `lies_in` that are best fit: most of the small area lies there, not all"
    )
    weights: dict[Name, Weights] = Field(
        default_factory=dict, description="For areas: sets of weights by which figures are shared out"
    )
    shares: ShareTable | None = Field(None, description="For shares: from what, to what, and of what")
    measures: dict[Name, Measure] = Field(default_factory=dict, description="Measures in the file")
    alike: Alike | None = Field(None, description="What every measure says that does not say otherwise")
    markers: dict[str, Annotated[Marker, BeforeValidator(_marker)]] = Field(
        default_factory=dict, description="The publisher's markers and what each means"
    )
    combined: Annotated[tuple[Names, ...], Listed] = Field(
        (), description="Places published together, the one figure repeated under each code"
    )
    totals: dict[str, str] = Field(default_factory=dict, description="Labels of totals, and their codes")
    unallocated: Annotated[tuple[str, ...], Listed] = Field((), description="Labels of rows that belong to no place")
    returns: Returns | None = Field(None, description="That each place makes a return of its own, and who should")
    adding: Adding | None = Field(None, description="What adds to what in the file")
    notes: Annotated[tuple[Note, ...], Listed] = Field((), description="What a person knows about some places")
    releases: Annotated[tuple[Release, ...], Listed] = Field(
        (), description="Files that travel with the project, oldest first; a day alone stands for `released`"
    )
    differs: dict[Nation, str] = Field(
        default_factory=dict, description="For a nation counted otherwise: what differs; a caveat on its figures"
    )
    breaks: Annotated[tuple[Break, ...], Listed] = Field(
        (), description="Days on which the series changed meaning; a caveat on every figure from then on"
    )
    withdrawn: dict[Sha256, Withdrawn] = Field(
        default_factory=dict, description="Releases that the publisher has recalled, by the start of their sha256"
    )

    def release_of(self, file: str, released: date) -> Release | None:
        """Give what is said of a release that travels with the project, by its file's name and its day."""
        named = (each for each in self.releases if each.file.rpartition("/")[2] == file and each.released == released)
        return next(named, None)

    def system_of(self, file: str, released: date) -> str:
        """Name the place system of a release's codes."""
        release = self.release_of(file, released)
        return (release.places if release else None) or self.places or ""

    @property
    def earlier_systems(self) -> tuple[str, ...]:
        """Place systems of releases that are not of the source's own."""
        told = (each.places for each in self.releases if each.places and each.places != self.places)
        return tuple(dict.fromkeys(told))

    @property
    def fetched(self) -> bool:
        """Tell whether refresh can fetch it."""
        return bool(self.url or self.link or self.api)

    @property
    def shown(self) -> bool:
        """Tell whether its figures may stand in an output."""
        return self.released or not self.private

    @property
    def key(self) -> str:
        """Name the environment variable whose key refresh needs; blank where it needs none."""
        return STATXPLORE_KEY if self.api and self.api.stat_xplore else ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.access != "open" and (self.fetched or self.releases):
            raise ValueError(f"a source that is {self.access} has neither url, link, api nor releases")
        if sum(road is not None for road in (self.url, self.link, self.api)) > 1:
            raise ValueError("a source has one road to its file: url, link or api")
        if self.released and not self.private:
            raise ValueError("released is said of a private source; this one is not private")
        if self.private and (self.provides != "observation" or self.access != "open"):
            raise ValueError("only a source of observations that is held can be private")
        if self.access != "open" and not self.ask:
            raise ValueError(f"a source that is {self.access} must say what to ask for (ask)")
        if self.provides == "observation":
            observes(self)
        apportions(self)
        strange = {name for each in self.breaks for name in each.measures} - set(self.measures)
        if strange:
            raise ValueError(f"breaks name {min(strange)}, which is no measure of this source")
        return self

    @property
    def area_columns(self) -> tuple[str, ...]:
        """Columns of a table of small areas: its code, the place systems, one for each set and group of weights."""
        weights = (f"{name}__{group}" for name, each in self.weights.items() for group in each.groups)
        return ("area_code", *self.lies_in, *weights)

    @model_validator(mode="after")
    def _markers(self) -> Self:
        for text, marker in self.markers.items():
            if marker.status not in VALUELESS and (marker.low, marker.high) != (None, None):
                raise ValueError(f"marker {text!r}: only a marker that hides a figure has low and high")
        return self


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
    only: Annotated[tuple[str, ...], Listed] = Field(
        (), description="Codes of the places asked about; all of the system if not said"
    )
    grain: Grain = Field(description="latest: one row a place; else one row a place and period")
    periods: Span | None = Field(None, description="Periods asked about; for every grain but latest")
    needs: dict[Name, Annotated[Need, BeforeValidator(lambda value: {} if value is None else value)]] = Field(
        description="Measures that the question needs"
    )
    wants: Annotated[tuple[Name, ...], Listed] = Field(
        (), description="Measures asked for although nobody is known to publish them"
    )

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if (self.grain == "latest") == bool(self.periods):
            raise ValueError("periods are given for month, quarter and year, and not for latest")
        twice = sorted(set(self.needs) & set(self.wants))
        if twice:
            raise ValueError(f"{twice[0]} is both needed and wanted; keep one")
        for name, need in self.needs.items():
            aged(name, need, self.grain)
            if need.proxy and (need.proxy == name or need.proxy not in {*self.needs, *self.wants}):
                raise ValueError(f"{need.proxy} stands in for {name}: name another measure that is needed or wanted")
        return self
