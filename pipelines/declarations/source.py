"""Declaration of a source in YAML, and the rules that reject contradictory declarations."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipelines.core.schema import VALUELESS
from pipelines.declarations.base import NATIONS, Age, Cadence, Listed, Name, Names, Nation, PlaceSystem
from pipelines.declarations.defaults import Alike, Family
from pipelines.declarations.endpoint import STATXPLORE_KEY, Api, Link
from pipelines.declarations.file_format import Columns, FileShape
from pipelines.declarations.measure import ADDITIVE, Marker, Measure
from pipelines.declarations.source_parts import (
    Adding,
    Break,
    Elsewhere,
    Note,
    Release,
    Returns,
    Sha256,
    ShareTable,
    Weights,
    Withdrawn,
)

Access = Literal["open", "not_held", "not_open", "not_collected"]
Provides = Literal["observation", "place", "change", "boundary", "areas", "shares"]


def _marker(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


class Source(FileShape):
    """A dataset of one publisher: its address, its content, and how to read it."""

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
    data_owner: str | None = Field(None, description="Who could supply what is missing; the publisher if not said")
    request: str | None = Field(None, description="What to ask the holder for")
    provides: Provides = Field("observation", description="Which conformed table the source fills")
    cadence: Cadence = Field("annual", description="How often it is published")
    lag: Age | None = Field(None, description="Usual time from the end of a period to its publication")
    geography: PlaceSystem | None = Field(None, description="Place system of the codes or names")
    place: str | None = Field(None, description="Code of the one place of all figures, where no column says it")
    coverage: Annotated[tuple[Nation, ...], Listed] = Field(
        NATIONS, description="Nations of the United Kingdom that it covers; if not said, those not in `elsewhere`"
    )
    elsewhere: dict[Nation, Elsewhere] = Field(
        default_factory=dict, description="For a nation not covered: who has the like, and where"
    )
    nested_in: Annotated[tuple[PlaceSystem, ...], Listed] = Field(
        (), description="For areas: place systems that each small area lies in, each a column of codes"
    )
    best_fit: Annotated[tuple[PlaceSystem, ...], Listed] = Field(
        (), description="Those of `nested_in` that are best fit: most of the small area lies there, not all"
    )
    weights: dict[Name, Weights] = Field(
        default_factory=dict, description="For areas: sets of weights by which figures are shared out"
    )
    shares: ShareTable | None = Field(None, description="For shares: from what, to what, and of what")
    measures: dict[Name, Measure] = Field(default_factory=dict, description="Measures in the file")
    measure_defaults: Alike | None = Field(None, description="What every measure says that does not say otherwise")
    markers: dict[str, Annotated[Marker, BeforeValidator(_marker)]] = Field(
        default_factory=dict, description="The publisher's markers and what each means"
    )
    published_together: Annotated[tuple[Names, ...], Listed] = Field(
        (), description="Places published together, the one figure repeated under each code"
    )
    totals: dict[str, str] = Field(default_factory=dict, description="Labels of totals, and their codes")
    unallocated: Annotated[tuple[str, ...], Listed] = Field((), description="Labels of rows that belong to no place")
    returns: Returns | None = Field(None, description="That each place makes a return of its own, and who should")
    additivity: Adding | None = Field(None, description="What adds to what in the file")
    notes: Annotated[tuple[Note, ...], Listed] = Field((), description="What a person knows about some places")
    releases: Annotated[tuple[Release, ...], Listed] = Field(
        (), description="Files that travel with the project, oldest first; a day alone stands for `released`"
    )
    not_comparable: dict[Nation, str] = Field(
        default_factory=dict, description="For a nation counted otherwise: what differs; a caveat on its figures"
    )
    breaks: Annotated[tuple[Break, ...], Listed] = Field(
        (), description="Days on which the series changed meaning; a caveat on every figure from then on"
    )
    withdrawn: dict[Sha256, Withdrawn] = Field(
        default_factory=dict, description="Releases that the publisher has recalled, by the start of their sha256"
    )

    def release_of(self, file: str, released: date) -> Release | None:
        """Return the declaration of a bundled release by its file name and day; null where there is none."""
        named = (each for each in self.releases if each.file.rpartition("/")[2] == file and each.released == released)
        return next(named, None)

    def system_of(self, file: str, released: date) -> str:
        """Return the geography of a release's codes."""
        release = self.release_of(file, released)
        return (release.geography if release else None) or self.geography or ""

    @property
    def earlier_systems(self) -> tuple[str, ...]:
        """Geographies of releases that differ from the source's geography."""
        told = (each.geography for each in self.releases if each.geography and each.geography != self.geography)
        return tuple(dict.fromkeys(told))

    @property
    def fetched(self) -> bool:
        """Return whether refresh can fetch the source."""
        return bool(self.url or self.link or self.api)

    @property
    def shown(self) -> bool:
        """Return whether outputs may show the source's figures."""
        return self.released or not self.private

    @property
    def key(self) -> str:
        """Return the environment variable with the API key that refresh requires; blank where none is required."""
        return STATXPLORE_KEY if self.api and self.api.stat_xplore else ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.access != "open" and (self.fetched or self.releases):
            raise ValueError(f"a source with access: {self.access} has no url, link, api or releases")
        if sum(road is not None for road in (self.url, self.link, self.api)) > 1:
            raise ValueError("found several addresses of the file; declare one of url, link and api")
        if self.released and not self.private:
            raise ValueError("released is for a private source; this source is not private")
        if self.private and (self.provides != "observation" or self.access != "open"):
            raise ValueError("only an open source of observations can be private")
        if self.access != "open" and not self.request:
            raise ValueError(f"a source that is {self.access} must say what to ask for (request)")
        if self.provides == "observation":
            observes(self)
        apportions(self)
        strange = {name for each in self.breaks for name in each.measures} - set(self.measures)
        if strange:
            raise ValueError(f"breaks: unknown measure {min(strange)!r} in this source")
        return self

    @property
    def area_columns(self) -> tuple[str, ...]:
        """Columns of a table of small areas: area code, geographies, and one for each set and group of weights."""
        weights = (f"{name}__{group}" for name, each in self.weights.items() for group in each.groups)
        return ("area_code", *self.nested_in, *weights)

    @model_validator(mode="after")
    def _markers(self) -> Self:
        for text, marker in self.markers.items():
            if marker.status not in VALUELESS and (marker.lower_bound, marker.upper_bound) != (None, None):
                raise ValueError(f"marker {text!r}: only a marker that hides a figure has lower_bound and upper_bound")
        return self


EVERY = ("*",)
"""Value in `columns` for a file with a column for each place: all other headings."""


def apportions(source: "Source") -> None:
    """Raise ValueError for keys of areas or shares in other sources, and for duplicate columns of areas."""
    if (source.provides == "areas") != bool(source.nested_in):
        raise ValueError("nested_in is given for a source that provides areas, and for no other")
    if (source.provides == "shares") != bool(source.shares):
        raise ValueError("shares is given for a source that provides shares, and for no other")
    if (source.weights or source.best_fit) and not source.nested_in:
        raise ValueError("weights and best_fit are only for a source that provides areas")
    astray = [system for system in source.best_fit if system not in source.nested_in]
    if astray:
        raise ValueError(f"best_fit names {astray[0]}, which is not in nested_in")
    twice = [name for name in source.area_columns if source.area_columns.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice; a table of small areas has each column once")


def observes(source: "Source") -> None:
    """Raise ValueError for a source of observations without measures, places, periods or columns."""
    if not source.measures:
        raise ValueError("a source of observations needs measures")
    (source.additivity or Adding()).see({name for name, each in source.measures.items() if each.kind in ADDITIVE})
    if source.access == "open":
        for rule in (_placed, _dated, _headed, _laid_out):
            rule(source)


def _placed(source: "Source") -> None:
    columns = source.columns or Columns()
    if not source.geography or not (source.columns or source.place):
        raise ValueError("a source of observations needs columns and geography")
    if bool(source.place) == bool(columns.place or columns.label):
        raise ValueError(
            "declare the column of place codes (columns.place) or of place names (columns.label); or the one place of "
            "all figures (place)"
        )
    every = EVERY in (columns.place, columns.label)
    if every != (source.layout == "by_place") or (every and columns.place and columns.label):
        raise ValueError(
            'a file with a column for each place (layout: by_place) has place: "*" or label: "*" in columns'
        )


def _dated(source: "Source") -> None:
    whole = source.period or source.period_in_name or source.period_in_preamble
    each = bool(source.releases) and all(release.period for release in source.releases)
    if source.layout != "wide" and not (whole or each or (source.columns and source.columns.period)):
        raise ValueError(
            "declare the period: columns.period; or for the whole file period, period_in_name or "
            "period_in_preamble; or the period of each release"
        )


def _headed(source: "Source") -> None:
    named = [each for each in (source.columns or Columns()).model_dump().values() if each and each != EVERY]
    lost = [each for each in named if not set(each) & set(source.headings)]
    if source.headings and lost:
        raise ValueError(f"headings: {lost[0][0]!r} is missing, which columns refers to")


def _laid_out(source: "Source") -> None:
    unread = [name for name, measure in source.measures.items() if not measure.column and not measure.count_rows]
    several = "(?P<measure>" in (source.heading_pattern or "")
    if (source.layout == "long" or several) and unread:
        raise ValueError(f"measure {unread[0]}: column is missing; declare its heading")
    if source.layout == "wide" and not several and len(source.measures) > 1:
        raise ValueError(
            "a wide file of several measures needs heading_pattern, with (?P<measure>...) and (?P<period>...)"
        )
    if source.layout == "by_place" and len(source.measures) > 1:
        raise ValueError("a file with a column for each place (by_place) has one measure; declare the others apart")
    if source.layout != "long" and any(measure.interval for measure in source.measures.values()):
        raise ValueError("interval of a measure is for layout: long, where its columns stand beside the figure's")
    if source.layout != "long" and any(measure.filter or measure.count_rows for measure in source.measures.values()):
        raise ValueError("filter of a measure is for layout: long; here put it beside columns")
