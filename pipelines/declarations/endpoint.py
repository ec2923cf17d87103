"""Declarations of files with a changing address, and of files that a web service generates on request."""

import re
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

NewestRule = Literal["first", "last", "period", "text"]


class LinkSelection(Declaration):
    """Selection of the newest file among several links."""

    pattern: LinkPattern = Field(description="Regular expression that matches the address or the text of the link")
    newest: NewestRule = Field(
        "first",
        description="Rule for the newest match: first or last in the list, latest `period` (the group "
        "(?P<period>...) of the pattern, parsed as a date), or last `text` of that group in "
        "alphabetical order",
    )
    hosts: Names = Field((), description="Other hosts of the publisher's files")

    @model_validator(mode="after")
    def _validate_newest(self) -> Self:
        if self.newest in ("period", "text") and "period" not in re.compile(self.pattern).groupindex:
            raise ValueError(f"newest: {self.newest} needs a pattern with (?P<period>...)")
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
    package: str = Field(description="Dataset name, as in its address")


class GovUk(LinkSelection):
    """An attachment of a gov.uk publication, or of the newest publication of a collection."""

    path: str = Field(description="Path of the page, such as /government/statistics/name")
    through: tuple[LinkPattern, ...] = Field((), description="Patterns of the documents to follow from a collection",
                                         strict=False)  # fmt: skip
    hosts: Names = Field(("assets.publishing.service.gov.uk",), description="Hosts of attachments")
    service: str = Field("https://www.gov.uk", description="Address of the service")


class Api(Declaration):
    """A publisher's web service; exactly one key."""

    link: Link | None = Field(None, description="Page with a link to the file, where the file's address changes")
    nomis: Nomis | None = Field(None, description="Nomis CSV service")
    stat_xplore: StatXplore | None = Field(None, description="Stat-Xplore open data service")
    arcgis: ArcGis | None = Field(None, description="ArcGIS feature service")
    ckan: Ckan | None = Field(None, description="CKAN portal")
    govuk: GovUk | None = Field(None, description="gov.uk content service")

    @model_validator(mode="after")
    def _validate_one_service(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"declare one service: {', '.join(type(self).model_fields)}")
        return self
