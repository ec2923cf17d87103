"""Parts of a source's declaration: releases, breaks, returns, notes, and tables of areas and shares."""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, model_validator

from pipelines.declarations.base import Age, Declaration, GeographyName, ListAsTuple, Name, Names

_SHA256_PATTERN = re.compile(r"[0-9a-f]{12,64}")


def _validate_sha256(value: str) -> str:
    if not _SHA256_PATTERN.fullmatch(value):
        raise ValueError("expected at least the first 12 hexadecimal digits of a sha256, in quotes")
    return value


Sha256Prefix = Annotated[str, AfterValidator(_validate_sha256)]


class Period(Declaration):
    """Reference period of all figures in a file that does not state it."""

    start: date = Field(description="First day")
    end: date = Field(description="Last day")


class Recall(Declaration):
    """Recall of a release by its publisher. Its figures are used with a caveat until another release replaces it."""

    reason: str = Field(description="The error, as stated by the publisher")
    when: date = Field(description="Day of the recall")
    link: str = Field(description="Link to the publisher's notice")


class SeriesBreak(Declaration):
    """Break in a series: figures before and after a day are not comparable."""

    from_: date = Field(alias="from", description="First day of figures with the new definition")
    measures: Names = Field((), description="Measures concerned; default: all measures of the source")
    place_codes: Names = Field((), description="Codes of the places concerned, as in the file; default: all places")
    text: str = Field(description="The change, with a reference to the publisher's notice")


OTHER_KINDS = "other"
"""Key of the last day known for the kinds without their own."""


def _expand_day(value: Any) -> Any:
    return {OTHER_KINDS: value} if isinstance(value, date) else value


class BundledRelease(Declaration):
    """A published file bundled with the project."""

    file: str = Field(
        description="File, relative to the sources directory. Default: `starter/<source>_<released>.*`, or "
        "`starter/<source>.*` for a single release"
    )
    released: date = Field(description="Day of the release")
    label: str = Field("", description="The publisher's name for the release")
    period: Period | None = Field(None, description="Period of all figures, where the file does not state it")
    geography: GeographyName | None = Field(
        None, description="Geography of its codes, where it differs from the source's geography"
    )
    extract: bool = Field(
        False,
        description="True for a file with only some of the publisher's places or periods: the others are `not_loaded`",
    )
    withdrawn: Recall | None = Field(None, description="Recall by the publisher")
    known_up_to: Annotated[dict[str, date], BeforeValidator(_expand_day)] = Field(
        default_factory=dict,
        description="For places, code changes, areas and shares: last day for which the table is complete, or the day "
        "of each kind, with `other` for the rest; default: the day of the release",
    )
    expected_places: dict[str, PositiveInt] = Field(
        default_factory=dict,
        description="For places: expected number of each kind in use on that day. For areas and shares: of each "
        "geography and set of weights. For code changes: `changes`. A table with another number is refused",
    )

    @property
    def last_day_known(self) -> date:
        """Last day for which the table is complete, unless the kind has its own."""
        return self.known_up_to.get(OTHER_KINDS, self.released)


class Additivity(Declaration):
    """Sums that hold in a file; they bound suppressed figures by the remainder of the sum."""

    totals: Literal["places", "more"] | None = Field(
        None,
        description="places: the published total is exactly the sum of its places, suppressed ones included; "
        "more: it also includes amounts not allocated to a place. Default: totals give no bounds",
    )
    measures: dict[Name, Names] = Field(
        default_factory=dict, description="Measures that equal the sum of other measures of the source in each place"
    )

    def validate_measures(self, additive: set[str]) -> None:
        """Raise ValueError for a declared sum of measures that are not counts or stocks of the source."""
        strange = sorted({name for total, parts in self.measures.items() for name in (total, *parts)} - additive)
        if strange:
            raise ValueError(f"additivity: found {strange[0]!r}, expected a count or stock of this source")


class ProviderReturns(Declaration):
    """Declaration that each place, or a provider of several places, makes a return that may be missing."""

    providers: str = Field(description="Providers, in the plural: NHS trusts, councils, police forces")
    expected: Literal["every", "seen"] = Field(
        "every",
        description="Providers expected: every place of the source's geography in the nations covered, or "
        "those seen to make returns, each from its first period",
    )
    geography: GeographyName | None = Field(
        None,
        description="Geography of the providers, where each returns the figures of several places: `pfa_2023` for "
        "police forces. A shortfall of a provider's sum is then a caveat on all its places",
    )
    absent_row: Literal["none_or_not_reported"] | None = Field(
        None,
        description="Meaning of a place without a row in a period: `none_or_not_reported` where the file has only "
        "places with a figure above 0. Default: the return is missing",
    )


class IntervalColumns(Declaration):
    """Columns with the publisher's interval for each figure: both limits, or their distance from the figure."""

    lower: Names = Field((), description="Heading of the column with the lower limit, or all headings used over time")
    upper: Names = Field((), description="Heading of the column with the upper limit")
    half_width: Names = Field(
        (), description="Or heading of the column with the distance of both limits from the figure"
    )
    standard_error: Names = Field(
        (), description="Or heading of the column with the standard error; the limits assume a normal distribution"
    )
    level: float = Field(ge=50, lt=100, description="Confidence level of the limits, in %: 95 for `lci_95`")

    @property
    def column_headings(self) -> tuple[Names, ...]:
        """Return the declared headings, each with its alternative spellings."""
        return tuple(names for names in (self.lower, self.upper, self.half_width, self.standard_error) if names)

    @model_validator(mode="after")
    def _validate_form(self) -> Self:
        keys = {name for name in ("lower", "upper", "half_width", "standard_error") if getattr(self, name)}
        if keys not in ({"lower", "upper"}, {"half_width"}, {"standard_error"}):
            raise ValueError("an interval has lower and upper, or half_width, or standard_error; declare one form")
        return self


class PlaceNote(Declaration):
    """Note about places of a source, shown with their gaps."""

    place_codes: Annotated[tuple[str, ...], ListAsTuple] = Field(description="Codes as in the file")
    text: str = Field(description="The information, with its reference")


class NationalEquivalent(Declaration):
    """Body with equivalent data for a nation that the source does not cover."""

    data_owner: str = Field(description="Data owner")
    request: str = Field(description="Request to the data owner")


class WeightDeclaration(Declaration):
    """A set of weights in a table of small areas: residents of each area by population group."""

    day: date = Field(description="Reference day of the count or estimate")
    groups: Names = Field(
        min_length=1, description="Population groups; each is a column `<set>__<group>`, in residents"
    )
    valid_for: Age = Field("10 years", description="Maximum time from that day for use in apportionment")


class ShareColumns(Declaration):
    """Role of each column of a table of shares."""

    from_code: str = Field(description="Heading of the codes of source areas")
    to_code: str = Field(description="Heading of the codes of target areas")
    share: str = Field(description="Heading of the shares, each 0 to 1")


class ShareTable(Declaration):
    """Declaration of a table of shares: source geography, target geography, and the quantity shared."""

    from_geography: GeographyName = Field(description="Source geography")
    to_geography: GeographyName = Field(description="Target geography")
    day: date = Field(description="Last day of the reference period of the shares")
    description: str = Field(description="Description of the quantity shared, in plain words")
    columns: ShareColumns = Field(description="Role of each column")
    tolerance: float = Field(
        0.000001,
        ge=0,
        lt=1,
        description="Tolerance for the sum of the shares of one code, which may differ from 1 by rounding",
    )
