"""Declaration of a source in YAML, and the rules that reject contradictory declarations."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipelines.core.errors import suggest_names
from pipelines.core.geocodes import KIND_PREFIXES
from pipelines.core.schema import STATUSES_WITHOUT_VALUE
from pipelines.declarations.base import NATIONS, Age, Cadence, GeographyName, ListAsTuple, Name, Names, Nation
from pipelines.declarations.defaults import FamilyReference, MeasureDefaults
from pipelines.declarations.endpoint import STATXPLORE_KEY, Api
from pipelines.declarations.file_format import FileColumns, FileLayout
from pipelines.declarations.measure import ADDITIVE_KINDS, Marker, Measure
from pipelines.declarations.release_schedule import ReleaseSchedule, ScheduleOrText, expected_release_day
from pipelines.declarations.road import Road
from pipelines.declarations.source_parts import (
    OTHER_KINDS,
    Additivity,
    BundledRelease,
    NationalEquivalent,
    PlaceNote,
    ProviderReturns,
    Recall,
    SeriesBreak,
    Sha256Prefix,
    ShareTable,
    WeightDeclaration,
)

AccessLevel = Literal["open", "private", "not_held", "not_open", "not_collected"]
Layout = Literal["long", "wide", "by_place"]
ProvidedTable = Literal["observation", "place", "change", "boundary", "areas", "shares"]


def _expand_marker(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


def _nested(value: Any) -> Any:
    """Convert a list of geographies, some with `best_fit`, to a mapping; raise ValueError for a duplicate."""
    if not isinstance(value, list | tuple):
        return value
    pairs = [pair for item in value for pair in (item.items() if isinstance(item, dict) else [(item, "exact")])]
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice; name each geography once")
    return dict(pairs)


NestedIn = Annotated[dict[GeographyName, Literal["exact", "best_fit"]], BeforeValidator(_nested)]


class Source(FileLayout):
    """A dataset of one publisher: its address, its content, and how to read it."""

    title: str = Field(description="Title of the dataset")
    family: FamilyReference = Field(
        default_factory=dict,
        description="Family in `shared/families.yaml`, if any, with the publisher's name for the dataset",
    )
    publisher: str = Field(description="Publisher; default: from `shared/publishers.yaml`")
    licence: str = Field(description="Licence; default: from `shared/publishers.yaml`")
    page: str = Field(description="Address of a web page about the dataset")
    url: str | None = Field(
        None,
        description="Address of the file for refresh: a web address, a path, or another address that fsspec "
        "supports (file, s3, sftp)",
    )
    fetch: Api | None = Field(
        None, description="Page with a link to the file, or publisher's web service that generates it"
    )
    road: Road | None = Field(
        None, description="Evidence for the address of the file; or the reason for having no address"
    )
    compiled_by: str | None = Field(None, description="Compiler of the file, if not the publisher")
    access: AccessLevel = Field(
        "open",
        description="private: excluded from every output; not_held: published, but not stored; not_open: "
        "collected, but not open; not_collected: not known to be collected",
    )
    data_owner: str | None = Field(
        None, description="Data owner who could supply missing figures; default: the publisher"
    )
    request: str | None = Field(None, description="Request to the data owner")
    provides: ProvidedTable = Field(
        "observation",
        description="Conformed table that the source provides. Default: `areas` with `nested_in`, `shares` "
        "with `shares`, else `observation`",
    )
    schedule: ScheduleOrText = Field(
        default_factory=ReleaseSchedule,
        alias="cadence",
        description="Publication frequency and usual lag, such as `monthly, 2 months later`; a mapping also has the "
        "publisher's calendar; if not said, `annual`",
    )
    begins: date | None = Field(
        None, description="First day of the publisher's series, where no stored file goes back as far"
    )
    geography: GeographyName | None = Field(
        None, description="Geography of the codes or names; for areas, of the small areas, where they have one"
    )
    place: str | None = Field(None, description="Code of the only place of all figures, where no column has it")
    coverage: Annotated[tuple[Nation, ...], ListAsTuple] = Field(
        NATIONS, description="Nations of the United Kingdom covered; default: those not in `elsewhere`"
    )
    elsewhere: dict[Nation, NationalEquivalent] = Field(
        default_factory=dict,
        description="For a nation not covered: data owner of equivalent figures, and how to request them. A "
        "text alone is the request to the only publisher of that nation in "
        "`shared/publishers.yaml`",
    )
    nested_in: NestedIn = Field(
        default_factory=dict,
        description="For areas: geographies that contain each small area, each a column of codes; `pcon_2024:"
        " best_fit` where they contain most of the area, not all. Without tidy(), `headings` lists the heading of the"
        " areas and then those of these geographies and of the weights, in order",
    )
    weights: dict[Name, WeightDeclaration] = Field(
        default_factory=dict, description="For areas: sets of weights for apportionment"
    )
    shares: ShareTable | None = Field(None, description="For shares: source geography, target geography and quantity")
    measures: dict[Name, Measure] = Field(default_factory=dict, description="Measures in the file")
    measure_defaults: MeasureDefaults | None = Field(None, description="Default keys of the measures")
    markers: dict[str, Annotated[Marker, BeforeValidator(_expand_marker)]] = Field(
        default_factory=dict, description="The publisher's markers with their meaning"
    )
    published_together: Annotated[tuple[Names, ...], ListAsTuple] = Field(
        (), description="Places published together, with one figure repeated under each code"
    )
    totals: dict[str, str] = Field(
        default_factory=dict,
        description="Labels of rows that are not places of the geography: the code of a total, or `unallocated`",
    )
    returns: ProviderReturns | None = Field(
        None, description="Returns: declared where each place makes its own return, with the expected providers"
    )
    additivity: Additivity | None = Field(None, description="Sums that hold in the file")
    notes: Annotated[tuple[PlaceNote, ...], ListAsTuple] = Field((), description="Notes about places")
    releases: Annotated[tuple[BundledRelease, ...], ListAsTuple] = Field(
        (),
        description="Files bundled with the project, oldest first; a day alone means `released`. Default: the files "
        "`starter/<source>_<released>.*`",
    )
    not_comparable: dict[Nation, str] = Field(
        default_factory=dict,
        description="For a nation with a different definition: the difference, which is a caveat on its figures",
    )
    breaks: Annotated[tuple[SeriesBreak, ...], ListAsTuple] = Field(
        (), description="Breaks in the series, each a caveat on every later figure"
    )
    withdrawn: dict[Sha256Prefix, Recall] = Field(
        default_factory=dict, description="Releases recalled by the publisher, by the first digits of their sha256"
    )

    def find_release(self, file: str, release_date: date) -> BundledRelease | None:
        """Return the declaration of a bundled release by its file name and day; null where there is none."""
        matches = (
            release
            for release in self.releases
            if release.file.rpartition("/")[2] == file and release.released == release_date
        )
        return next(matches, None)

    def release_geography(self, file: str, release_date: date) -> str:
        """Return the geography of a release's codes."""
        release = self.find_release(file, release_date)
        return (release.geography if release else None) or self.geography or ""

    def describe_extent(self, file: str, release_date: date) -> BundledRelease:
        """Return how far a release of places reaches, and the numbers expected; undeclared, to the day of release."""
        return self.find_release(file, release_date) or BundledRelease(file=file, released=release_date)

    @property
    def earlier_geographies(self) -> tuple[str, ...]:
        """Geographies of releases that differ from the source's geography."""
        geographies = (
            release.geography for release in self.releases if release.geography and release.geography != self.geography
        )
        return tuple(dict.fromkeys(geographies))

    @property
    def is_refreshable(self) -> bool:
        """Return whether refresh can fetch the source."""
        return bool(self.url or self.fetch)

    @property
    def has_proven_road(self) -> bool:
        """Return whether the request is recorded or documented, or is the user's own, without a statement."""
        return self.is_refreshable and (self.road is None or self.road.evidence in ("recorded", "documented"))

    def next_release_day(self, newest: date | None) -> date | None:
        """Return the day on which the period after the newest stored one is due; None where none is expected."""
        return expected_release_day(newest, self.schedule) if newest else None

    @property
    def cadence(self) -> Cadence:
        """Return the publication frequency."""
        return self.schedule.every

    @property
    def lag(self) -> Age | None:
        """Return the usual time from the end of a period to the release of its figures."""
        return self.schedule.lag

    @property
    def is_available(self) -> bool:
        """Return whether the source is published or given, so that its files can be stored."""
        return self.access in ("open", "private")

    @property
    def is_public(self) -> bool:
        """Return whether outputs may show the source's figures."""
        return self.access != "private"

    @property
    def key_variable(self) -> str:
        """Return the environment variable with the API key that refresh requires; blank where none is required."""
        return STATXPLORE_KEY if self.fetch and self.fetch.stat_xplore else ""

    @model_validator(mode="after")
    def _validate_source(self) -> Self:
        if not self.is_available and (self.is_refreshable or self.releases):
            raise ValueError(f"a source with access: {self.access} has no url, fetch or releases")
        if self.url and self.fetch:
            raise ValueError("found several addresses of the file; declare one of url and fetch")
        if self.road and bool(self.road.evidence) != self.is_refreshable:
            raise ValueError("road has evidence for a source with a url or fetch, and unknown for any other")
        if not self.is_public and self.provides != "observation":
            raise ValueError("only a source of observations can have access: private")
        if not self.is_available and not self.request:
            raise ValueError(f"a source with access: {self.access} requires request: what to ask for")
        validate_extent_keys(self)
        if self.provides == "observation":
            validate_observation_keys(self)
        validate_apportionment_keys(self)
        strange = {name for series_break in self.breaks for name in series_break.measures} - set(self.measures)
        if strange:
            raise ValueError(f"breaks: unknown measure {min(strange)!r} in this source")
        return self

    @property
    def layout(self) -> Layout:
        """Return the layout: a row for each figure (long), or a column for each period (wide) or place (by_place)."""
        columns = self.columns or FileColumns()
        if EVERY_HEADING in (columns.place, columns.label):
            return "by_place"
        in_rows = any(measure.column or measure.count_rows for measure in self.measures.values())
        observed = self.provides == "observation" and self.is_available
        long = in_rows or columns.period or self.has_one_period or not observed
        return "wide" if self.heading_pattern or not long else "long"

    @property
    def has_one_period(self) -> bool:
        """Return whether all figures of each release have one period, without a period column."""
        in_releases = bool(self.releases) and all(release.period for release in self.releases)
        return bool(self.period or self.period_pattern or in_releases)

    @property
    def best_fit(self) -> tuple[str, ...]:
        """Return the geographies that contain most of each small area, but not all."""
        return tuple(name for name, fit in self.nested_in.items() if fit == "best_fit")

    @property
    def unallocated(self) -> tuple[str, ...]:
        """Return the labels of rows that are not allocated to a place."""
        return tuple(label for label, code in self.totals.items() if code == "unallocated")

    @property
    def area_columns(self) -> tuple[str, ...]:
        """Columns of a table of small areas: area code, geographies, and one for each set and group of weights."""
        weights = (f"{name}__{group}" for name, weight_set in self.weights.items() for group in weight_set.groups)
        return ("area_code", *self.nested_in, *weights)

    @property
    def area_geographies(self) -> tuple[str, ...]:
        """Geographies of a table of small areas: the geography of the areas, where declared, and the larger ones."""
        return (*((self.geography,) if self.geography else ()), *self.nested_in)

    @model_validator(mode="after")
    def _validate_markers(self) -> Self:
        for text, marker in self.markers.items():
            if marker.status not in STATUSES_WITHOUT_VALUE and (marker.lower_bound, marker.upper_bound) != (None, None):
                raise ValueError(f"marker {text!r}: only a marker without a figure has lower_bound and upper_bound")
        return self


EVERY_HEADING = ("*",)
"""Value in `columns` for a file with a column for each place: all other headings."""


def validate_apportionment_keys(source: "Source") -> None:
    """Raise ValueError for keys of areas or shares in other sources, and for duplicate columns of areas."""
    if (source.provides == "areas") != bool(source.nested_in):
        raise ValueError("nested_in is given for a source that provides areas, and for no other")
    if (source.provides == "shares") != bool(source.shares):
        raise ValueError("shares is given for a source that provides shares, and for no other")
    if source.weights and not source.nested_in:
        raise ValueError("weights are only for a source that provides areas")
    twice = [name for name in source.area_columns if source.area_columns.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice; a table of small areas has each column once")


def validate_extent_keys(source: "Source") -> None:
    """Raise ValueError for expected places of an observation source, or of a kind or geography that it cannot have."""
    shares = (source.shares.from_geography, source.shares.to_geography) if source.shares else ()
    choices = {"place": KIND_PREFIXES, "change": ("changes",), "areas": (*source.area_geographies, *source.weights)}
    known_names = {"shares": shares, **choices}.get(source.provides, ())
    for release in source.releases:
        if not known_names and (release.known_up_to or release.expected_places):
            raise ValueError("known_up_to and expected_places are for places, code changes, areas and shares")
        names = {*release.expected_places, *release.known_up_to} - {OTHER_KINDS}
        if strange := sorted(names - set(known_names)):
            raise ValueError(f"{strange[0]!r} is not in this source; {suggest_names(strange[0], known_names)}")


def validate_observation_keys(source: "Source") -> None:
    """Raise ValueError for a source of observations without measures, places, periods or columns."""
    if not source.measures:
        raise ValueError("a source of observations needs measures")
    (source.additivity or Additivity()).validate_measures(
        {name for name, measure in source.measures.items() if measure.kind in ADDITIVE_KINDS}
    )
    if source.is_available:
        for rule in (_validate_places, _validate_periods, _validate_headings, _validate_layout):
            rule(source)


def _validate_places(source: "Source") -> None:
    columns = source.columns or FileColumns()
    if not source.geography or not (source.columns or source.place):
        raise ValueError("a source of observations needs columns and geography")
    if bool(source.place) == bool(columns.place or columns.label):
        raise ValueError(
            "declare the column of place codes (columns.place) or of place names (columns.label); or the one place of "
            "all figures (place)"
        )
    if EVERY_HEADING in (columns.place, columns.label) and columns.place and columns.label:
        raise ValueError('a file with a column for each place has either place: "*" or label: "*" in columns')


def _validate_periods(source: "Source") -> None:
    if source.layout != "wide" and not (source.has_one_period or (source.columns and source.columns.period)):
        raise ValueError(
            "declare the period: columns.period; period for the whole file, as two days or a pattern; or the period of "
            "each release; in a file with a column for each period the measure has no column"
        )


def _validate_headings(source: "Source") -> None:
    spellings = (source.columns or FileColumns()).model_dump().values()
    named = [column for column in spellings if column and column != EVERY_HEADING]
    known = {name for spellings in source.headings for name in spellings}
    lost = [column for column in named if not set(column) & known]
    if not source.header_rows and lost:
        raise ValueError(f"headings: {lost[0][0]!r} is missing, which columns refers to")


def _validate_layout(source: "Source") -> None:
    unread = [name for name, measure in source.measures.items() if not measure.column and not measure.counts_rows]
    if source.heading_pattern and source.layout == "by_place":
        raise ValueError("heading_pattern is for a file with a column for each period")
    if source.skip_columns and source.layout == "long":
        raise ValueError("skip_columns is for a column for each period or place; other columns are left alone")
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
        raise ValueError("an interval needs a row for each figure; the headings of this file are periods or places")
    if source.layout != "long" and any(measure.filter or measure.counts_rows for measure in source.measures.values()):
        raise ValueError("filter of a measure is for a file with a row for each figure; here put it beside columns")
