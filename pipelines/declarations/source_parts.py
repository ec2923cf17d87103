"""Parts of the declaration of a source: releases, breaks, returns, notes, and tables of areas and shares."""

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.declarations.base import Age, Declared, Listed, Name, Names, PlaceSystem

_SHA256 = re.compile(r"[0-9a-f]{12,64}")


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError("a sha256 is given by 12 or more of its first hexadecimal digits, in quotes")
    return value


Sha256 = Annotated[str, AfterValidator(_sha256)]


class Period(Declared):
    """The period of every figure in a file that does not say so itself."""

    start: date = Field(description="First day")
    end: date = Field(description="Last day")


class Withdrawn(Declared):
    """That a publisher has recalled a release; it stays in use, with a caveat, until another one replaces it."""

    reason: str = Field(description="What the publisher says is wrong with it")
    when: date = Field(description="Day it was recalled")
    link: str = Field(description="Where the publisher says so")


class Break(Declared):
    """That a series changed meaning: figures of before and from a day on can't be compared."""

    from_: date = Field(alias="from", description="Day from which the figures have the new meaning")
    measures: Names = Field((), description="Measures concerned; all of the source if not said")
    places: Names = Field((), description="Codes of the places concerned, as in the file; all if not said")
    text: str = Field(description="What changed, and where the publisher says so")


class Release(Declared):
    """A published file that travels with the project."""

    file: str = Field(
        description="File, from the sources directory; if not said, `starter/<source>_<released>.*`, or of an only "
        "release `starter/<source>.*`"
    )
    released: date = Field(description="Day the publisher released it")
    label: str = Field("", description="What the publisher calls the release")
    period: Period | None = Field(None, description="Period of all its figures, where the file does not say")
    places: PlaceSystem | None = Field(None, description="Place system of its codes, where not that of the source")
    withdrawn: Withdrawn | None = Field(None, description="That the publisher has recalled it")


class Adding(Declared):
    """What adds to what in a file: it bounds hidden figures by what the others leave of their sum."""

    totals: Literal["places", "more"] | None = Field(
        None,
        description="places: the publisher's total is the sum of its places, hidden ones among them, and of nothing "
        "else; more: it also holds what has no place. If not said, totals bound nothing",
    )
    measures: dict[Name, Names] = Field(
        default_factory=dict, description="Measures that are, place by place, the sum of others of the source"
    )

    def see(self, additive: set[str]) -> None:
        """Raise ValueError where what is said to add is no count or stock of the source."""
        strange = sorted({name for total, parts in self.measures.items() for name in (total, *parts)} - additive)
        if strange:
            raise ValueError(f"adding names {strange[0]}, which is no count or stock of this source")


class Returns(Declared):
    """That each place of the source makes a return of its own, so that one may be missing."""

    by: str = Field(description="Who returns, in the plural: NHS trusts, councils, police forces")
    roll: Literal["every", "seen"] = Field(
        "every",
        description="Who should: every place of the source's place system in the nations covered, or those seen to "
        "have returned, each from its first period on",
    )


class Interval(Declared):
    """Which columns say how sure the publisher is of each figure: both limits, or how far they are from it."""

    lower: Names = Field((), description="Heading of the column with the lower limit, or several it has had")
    upper: Names = Field((), description="Heading of the column with the upper limit")
    half_width: Names = Field((), description="Or of the column with how far both limits are from the figure")
    standard_error: Names = Field(
        (), description="Or of the column with its standard error; the limits are those of a normal distribution"
    )
    level: float = Field(ge=50, lt=100, description="How often, in %, the limits hold the true figure: 95 for `lci_95`")

    @property
    def columns(self) -> tuple[Names, ...]:
        """Give the headings declared, each with its other spellings."""
        return tuple(names for names in (self.lower, self.upper, self.half_width, self.standard_error) if names)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = {name for name in ("lower", "upper", "half_width", "standard_error") if getattr(self, name)}
        if given not in ({"lower", "upper"}, {"half_width"}, {"standard_error"}):
            raise ValueError("an interval is lower and upper, or half_width, or standard_error; name one of these ways")
        return self


class Note(Declared):
    """Something a person knows about some places of a source, shown with their gaps."""

    places: Annotated[tuple[str, ...], Listed] = Field(description="Codes as in the file")
    text: str = Field(description="What is known, and where that can be read")


class Elsewhere(Declared):
    """Who has the like for a nation that a source leaves out."""

    holder: str = Field(description="Body that has it")
    how: str = Field(description="What to do to get it")


class Weights(Declared):
    """A set of weights in a table of small areas: how many people of each group lived in each."""

    day: date = Field(description="Day on which they were counted, or that the estimate is of")
    groups: Names = Field(min_length=1, description="Groups; each is a column `<set>__<group>`, in residents")
    good_for: Age = Field("10 years", description="How far from that day figures may be shared out by it")


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
