"""Accepted gaps: who accepted each, why, and until when. A person reviews them, and they expire.

An acceptance changes no figure and no verdict. It applies to one gap reason: a gap with another reason is open again.
Every gap is open again once its acceptance expires.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Self

import polars as pl
from pydantic import AfterValidator, Field, model_validator

from pipelines.core.errors import DeclarationError, at, near
from pipelines.core.reasons import REASONS
from pipelines.declarations.base import Declared, Listed, Name
from pipelines.declarations.yaml_lines import read_yaml, validate

SUFFIX = ".accepted.yaml"


def _reason(value: str) -> str:
    if value not in REASONS:
        raise ValueError(f"unknown gap reason; {near(value, REASONS)}")
    return value


class Accepted(Declared):
    """Acceptance of the gaps of one measure and reason: by whom, why, and until when."""

    measure: Name = Field(description="Measure whose gaps are accepted")
    reason: Annotated[str, AfterValidator(_reason)] = Field(description="Reason of the gaps; others stay open")
    place_codes: Annotated[tuple[str, ...], Listed] = Field((), description="Codes of the places; all if not said")
    who: str = Field(min_length=1, description="Role of who accepts it")
    why: str = Field(min_length=1, description="Why the gap may stay")
    when: date = Field(description="Day from which it is accepted")
    until: date = Field(description="Last day on which it is accepted; after it the gap is open again")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until < self.when:
            raise ValueError(f"until is {self.until}, expected a day on or after when, {self.when}")
        return self

    def about(self) -> pl.Expr:
        """Return the filter for the accepted gaps, for a frame with measure, reason and place_code."""
        here = (pl.col("measure") == self.measure) & (pl.col("reason") == self.reason)
        return here & pl.col("place_code").is_in(list(self.place_codes)) if self.place_codes else here


class AcceptedGaps(Declared):
    """The accepted gaps of one problem."""

    accepted: Annotated[tuple[Accepted, ...], Listed] = Field(description="Acceptances; the first that fits holds")


def read_accepted(text: str, path: Path, measures: dict[str, tuple[str, ...]]) -> tuple[Accepted, ...]:
    """Read the accepted gaps of a problem; `measures` has the measures that each problem requests.

    Raises DeclarationError with file and line for an invalid acceptance.
    """
    name = path.name.removesuffix(SUFFIX)
    if name not in measures:
        raise DeclarationError(f"{path}: found accepted gaps for unknown problem {name!r}; {near(name, measures)}")
    data, lines = read_yaml(text, path)
    found = validate(AcceptedGaps, data, lines, path).accepted
    for number, each in enumerate(found):
        if each.measure not in measures[name]:
            where = at(path, lines.get(("accepted", number, "measure")))
            raise DeclarationError(f"{where}: problem {name} does not request {each.measure!r}; "
                                   f"{near(each.measure, measures[name])}")  # fmt: skip
    return found


_COLUMNS = (
    ("accepted_by", "who", pl.String),
    ("accepted_because", "why", pl.String),
    ("accepted_until", "until", pl.Date),
)


def with_acceptance(gaps: pl.DataFrame, accepted: tuple[Accepted, ...], as_of: date) -> pl.DataFrame:
    """Add acceptances to gaps (measure, reason, place_code) as of a day.

    Adds `accepted_by`, `accepted_because`, `accepted_until` and `is_accepted`. An expired acceptance is still shown.
    """
    fits = [each for each in accepted if each.when <= as_of]
    holding = sorted(fits, key=lambda each: each.until < as_of)
    columns = []
    for column, key, dtype in _COLUMNS:
        found = pl.lit(None, dtype)
        for each in reversed(holding):
            found = pl.when(each.about()).then(pl.lit(getattr(each, key), dtype)).otherwise(found)
        columns.append(found.alias(column))
    return gaps.with_columns(columns).with_columns(
        (pl.col("accepted_until") >= as_of).fill_null(False).alias("is_accepted")
    )


def run_out_or_in_vain(gaps: pl.DataFrame, accepted: tuple[Accepted, ...], as_of: date) -> list[str]:
    """List the acceptances that have expired, and those that match no open gap."""
    told = []
    for each in accepted:
        of = f"{each.measure}: {each.reason}, accepted by {each.who} until {each.until}"
        if gaps.filter(each.about()).is_empty():
            told.append(f"{of}: no open gap matches; remove it")
        elif each.until < as_of:
            told.append(f"{of}: expired; the gap is open again")
    return told
