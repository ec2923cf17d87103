"""Declarations of files with a changing address, and of files that a web service generates on request."""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipelines.declarations.base import Declaration, Names


def _validate_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from error
    return value


def _numbers_to_text(value: Any) -> Any:
    """Convert numbers that YAML parsed to text, because services often use numbers as codes."""
    plain = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if plain else [_numbers_to_text(item) for item in value] if isinstance(value, list) else value


LinkPattern = Annotated[str, AfterValidator(_validate_pattern)]
CodeList = Annotated[Names, BeforeValidator(_numbers_to_text)]
STATXPLORE_KEY = "COMMONGROUND_STATXPLORE_KEY"
"""Environment variable with the user's API key; the key is sent, and never stored or shown."""

NOMIS_KEY = "COMMONGROUND_NOMIS_UID"
"""Environment variable with the user's Nomis uid, which is optional: with it, a page has more rows."""

NewestRule = Literal["first", "last", "period", "text"]
PERIOD_GROUPS = ("period", "ddmmyy")
"""Groups of a pattern with the period of a file: in the publisher's words, or as a day in six digits, as in 230726."""


class LinkSelection(Declaration):
    """Selection of the newest file among several links, or of every file since a day."""

    pattern: LinkPattern = Field(description="Regular expression that matches the address or the text of the link")
    newest: NewestRule = Field(
        "first",
        description="Rule for the newest match: first or last in the list, latest `period` (the group "
        "(?P<period>...) of the pattern, parsed as a date; or (?P<ddmmyy>...), as in 230726), or last "
        "`text` of that group in alphabetical order",
    )
    take: Literal["newest", "every"] = Field(
        "newest",
        description="newest: the newest match alone; every: each match that is not stored, oldest first, where a file "
        "has one period",
    )
    since: date | None = Field(None, description="With `take: every`, the earliest last day of a period to fetch")
    at_most: int = Field(12, ge=1, le=500, description="With `take: every`, the most files fetched in one run")
    hosts: Names = Field((), description="Other hosts of the publisher's files")

    @model_validator(mode="after")
    def _validate_newest(self) -> Self:
        groups = set(re.compile(self.pattern).groupindex)
        if self.newest in ("period", "text") and not groups & set(PERIOD_GROUPS):
            raise ValueError(f"newest: {self.newest} needs a pattern with (?P<period>...)")
        if self.take == "every" and self.newest != "period":
            raise ValueError("take: every needs newest: period, by which the files are put in order")
        if self.take == "newest" and self.since:
            raise ValueError("since needs take: every")
        return self


class Link(LinkSelection):
    """A file linked from a permanent page, at an address that changes with each release."""

    page: str = Field(description="Permanent landing page")
    through: tuple[LinkPattern, ...] = Field((), description="Patterns of links to follow from the landing page first",
                                         strict=False)  # fmt: skip


class Nomis(Declaration):
    """A query of the Nomis CSV service, fetched in pages."""

    dataset: str = Field(description="Dataset, such as NM_162_1")
    query: dict[str, CodeList] = Field(description="Dimensions with the requested codes, such as geography: TYPE424")
    select: Names = Field((), description="Columns requested; default: all columns")
    service: str = Field("https://www.nomisweb.co.uk", description="Address of the service")


class StatXplore(Declaration):
    """A table of the Stat-Xplore open data service; requires a key in COMMONGROUND_STATXPLORE_KEY."""

    database: str = Field(description="Database, such as str:database:UC_Households")
    measures: Names = Field(description="Measures, as named by the service")
    dimensions: Names = Field(description="Fields of the table, from slowest to fastest varying")
    recodes: dict[str, Names] = Field(
        default_factory=dict, description="Values requested of a field; default: all values"
    )
    valuesets: dict[str, str] = Field(
        default_factory=dict,
        description="For a field with several levels, such as geography: the set of values of one level. Its members "
        "are requested first",
    )
    across: bool = Field(
        False,
        description="True for a column for each value of the second field, as in the service's own exports; false "
        "for a row for each cell",
    )
    nil: str | None = Field(None, description="Text for 0, where the service means nil or negligible by it")
    service: str = Field("https://stat-xplore.dwp.gov.uk", description="Address of the service")


class ArcGis(Declaration):
    """A layer of an ArcGIS feature service, such as the ONS Open Geography portal, fetched in pages."""

    layer: str = Field(description="Address of the layer, ending in FeatureServer/0")
    where: str = Field("1=1", description="Filter of features, in the service's syntax")
    fields: Names = Field(("*",), description="Attributes requested")
    geometry: bool = Field(False, description="True for GeoJSON with boundaries, false for a CSV of the attributes")


class Ckan(LinkSelection):
    """The newest resource of a CKAN dataset, such as those of the NHS Business Services Authority."""

    portal: str = Field(description="Address of the portal")
    package: Names = Field(description="Dataset name, as in its address, or several names")


class GovUk(LinkSelection):
    """An attachment of a gov.uk publication, or of the newest publication of a collection."""

    path: str = Field(description="Path of the page, such as /government/statistics/name")
    through: tuple[LinkPattern, ...] = Field((), description="Patterns of the documents to follow from a collection",
                                         strict=False)  # fmt: skip
    hosts: Names = Field(("assets.publishing.service.gov.uk",), description="Hosts of attachments")
    service: str = Field("https://www.gov.uk", description="Address of the service")


class JsonHop(Declaration):
    """A file with its address, or its release day, in a JSON answer of the publisher's service."""

    start: str = Field(description="Address of the first answer")
    follow: Names = Field(
        (), description="Paths of keys, such as links.latest_version.href, each with the address of the next answer"
    )
    file: str = Field(description="Path of keys with the address of the file, or the address itself")
    released: str | None = Field(None, description="Path of keys with the day of the release, in the last answer")
    hosts: Names = Field((), description="Other hosts of the publisher's answers and files")


class PagedRows(Declaration):
    """Rows of a JSON service that answers for one place at a time, or in pages, or both."""

    address: str = Field(description="Address of a page; {place} is one of `places`")
    places: CodeList = Field((), description="Places requested, one after the other, as the service names them")
    rows: str = Field(description="Path of keys with the list of rows in an answer")
    next: str | None = Field(None, description="Path of keys with the address of the next page; blank on the last page")
    count: str | None = Field(None, description="Path of keys with the total number of rows, which is checked")
    columns: Names = Field((), description="Keys of a row that are stored; default: all keys")

    @model_validator(mode="after")
    def _validate_places(self) -> Self:
        if bool(self.places) != ("{place}" in self.address):
            raise ValueError("declare {place} in the address and the places to request, or neither")
        return self


class Api(Declaration):
    """A publisher's web service; exactly one key."""

    link: Link | None = Field(None, description="Page with a link to the file, where the file's address changes")
    nomis: Nomis | None = Field(None, description="Nomis CSV service")
    stat_xplore: StatXplore | None = Field(None, description="Stat-Xplore open data service")
    arcgis: ArcGis | None = Field(None, description="ArcGIS feature service")
    ckan: Ckan | None = Field(None, description="CKAN portal")
    govuk: GovUk | None = Field(None, description="gov.uk content service")
    json_hop: JsonHop | None = Field(None, description="JSON answer with the address or the day of the file")
    paged: PagedRows | None = Field(None, description="JSON service with pages, or with an answer for each place")

    @model_validator(mode="after")
    def _validate_one_service(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"declare one service: {', '.join(type(self).model_fields)}")
        return self
