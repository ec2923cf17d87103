"""Parts of a source's declaration: releases, breaks, returns, notes, and tables of areas and shares."""

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

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

    reason: str = Field(description="What the publisher says is wrong with it")
    when: date = Field(description="Day it was recalled")
    link: str = Field(description="Where the publisher says so")


class SeriesBreak(Declaration):
    """Break in a series: figures before and after a day are not comparable."""

    from_: date = Field(alias="from", description="Day from which the figures have the new meaning")
    measures: Names = Field((), description="Measures concerned; all of the source if not said")
    place_codes: Names = Field((), description="Codes of the places concerned, as in the file; all if not said")
    text: str = Field(description="What changed, and where the publisher says so")


class BundledRelease(Declaration):
    """A published file bundled with the project."""

    file: str = Field(
        description="File, from the sources directory; if not said, `starter/<source>_<released>.*`, or of an only "
        "release `starter/<source>.*`"
    )
    released: date = Field(description="Day the publisher released it")
    label: str = Field("", description="What the publisher calls the release")
    period: Period | None = Field(None, description="Period of all its figures, where the file does not say")
    geography: GeographyName | None = Field(None, description="Place system of its codes, where not that of the source")
    withdrawn: Recall | None = Field(None, description="That the publisher has recalled it")


class Additivity(Declaration):
    """Sums that hold in a file; they bound suppressed figures by the remainder of the sum."""

    totals: Literal["places", "more"] | None = Field(
        None,
        description="places: the publisher's total is the sum of its places, hidden ones among them, and of nothing "
        "else; more: it also holds what has no place. If not said, totals bound nothing",
    )
    measures: dict[Name, Names] = Field(
        default_factory=dict, description="Measures that are, place by place, the sum of others of the source"
    )

    def validate_measures(self, additive: set[str]) -> None:
        """Raise ValueError for a declared sum of measures that are not counts or stocks of the source."""
        strange = sorted({name for total, parts in self.measures.items() for name in (total, *parts)} - additive)
        if strange:
            raise ValueError(f"additivity: found {strange[0]!r}, expected a count or stock of this source")


class ProviderReturns(Declaration):
    """Declaration that each place of the source makes its own return, which may be missing."""

    providers: str = Field(description="Who returns, in the plural: NHS trusts, councils, police forces")
    expected: Literal["every", "seen"] = Field(
        "every",
        description="Who should: every place of the source's place system in the nations covered, or those seen to "
        "have returned, each from its first period on",
    )


class IntervalColumns(Declaration):
    """Columns with the publisher's interval for each figure: both limits, or their distance from the figure."""

    lower: Names = Field((), description="Heading of the column with the lower limit, or several it has had")
    upper: Names = Field((), description="Heading of the column with the upper limit")
    half_width: Names = Field((), description="Or of the column with how far both limits are from the figure")
    standard_error: Names = Field(
        (), description="Or of the column with its standard error; the limits are those of a normal distribution"
    )
    level: float = Field(ge=50, lt=100, description="How often, in %, the limits hold the true figure: 95 for `lci_95`")

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
    text: str = Field(description="What is known, and where that can be read")


class NationalEquivalent(Declaration):
    """Body with equivalent data for a nation that the source does not cover."""

    data_owner: str = Field(description="Body that has it")
    request: str = Field(description="What to do to get it")


class WeightDeclaration(Declaration):
    """A set of weights in a table of small areas: residents of each area by population group."""

    day: date = Field(description="Day on which they were counted, or that the estimate is of")
    groups: Names = Field(min_length=1, description="Groups; each is a column `<set>__<group>`, in residents")
    valid_for: Age = Field("10 years", description="How far from that day figures may be shared out by it")


class ShareColumns(Declaration):
    """Role of each column of a table of shares."""

    from_code: str = Field(description="Heading of the codes that are shared out")
    to_code: str = Field(description="Heading of the codes that they are shared out to")
    share: str = Field(description="Heading of the shares, each 0 to 1")


class ShareTable(Declaration):
    """Declaration of a table of shares: source geography, target geography, and the quantity shared."""

    from_geography: GeographyName = Field(description="Place system that is shared out")
    to_geography: GeographyName = Field(description="Place system that it is shared out to")
    day: date = Field(description="Last day of the period that the shares were measured in")
    description: str = Field(description="What the shares are of, in plain words")
    columns: ShareColumns = Field(description="Which column holds what")
    tolerance: float = Field(
        0.000001, ge=0, lt=1, description="How far from 1 the shares of one code may add, for rounding"
    )
