"""Accepted gaps: who accepted each, why, and until when. A person reviews them, and they expire.

An acceptance changes no figure and no verdict. It applies to one gap reason: a gap with another reason is open again.
Every gap is open again once its acceptance expires.
"""

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Self

import polars as pl
from pydantic import AfterValidator, Field, model_validator

from pipelines.core import renames
from pipelines.core.errors import DeclarationError, file_location, suggest_names
from pipelines.core.reasons import REASONS
from pipelines.declarations.base import Declaration, ListAsTuple, Name
from pipelines.declarations.yaml_lines import read_yaml, validate_declaration

ACCEPTANCES_SUFFIX = ".accepted.yaml"


def _validate_reason(value: str) -> str:
    if value in renames.REASONS:
        raise ValueError(f"{value} is no longer a gap reason; write {' or '.join(renames.REASONS[value])}")
    if value not in REASONS:
        raise ValueError(f"unknown gap reason; {suggest_names(value, REASONS)}")
    return value


class Acceptance(Declaration):
    """Acceptance of the gaps of one measure and reason: by whom, why, and until when."""

    measure: Name = Field(description="Measure with the accepted gaps")
    reason: Annotated[str, AfterValidator(_validate_reason)] = Field(
        description="Gap reason accepted; gaps with other reasons stay open"
    )
    place_codes: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Codes of the places; default: all places"
    )
    who: str = Field(min_length=1, description="Role of the person who accepts the gaps")
    why: str = Field(min_length=1, description="Justification of the acceptance")
    when: date = Field(description="First day of the acceptance")
    until: date = Field(description="Last day of the acceptance; after it the gap is open again")

    @model_validator(mode="after")
    def _validate_dates(self) -> Self:
        if self.until < self.when:
            raise ValueError(f"until is {self.until}, expected a day on or after when, {self.when}")
        return self

    def gap_filter(self) -> pl.Expr:
        """Return the filter for the accepted gaps, for a frame with measure, reason and place_code."""
        here = (pl.col("measure") == self.measure) & (pl.col("reason") == self.reason)
        return here & pl.col("place_code").is_in(list(self.place_codes)) if self.place_codes else here


class Acceptances(Declaration):
    """The accepted gaps of one problem."""

    accepted: Annotated[tuple[Acceptance, ...], ListAsTuple] = Field(description="Acceptances; the first match applies")


def refuse_unknown_problem(path: Path, problems: Collection[str]) -> None:
    """Raise DeclarationError for a file of accepted gaps that no problem has."""
    name = path.name.removesuffix(ACCEPTANCES_SUFFIX)
    if name not in problems:
        raise DeclarationError(
            f"{path}: found accepted gaps for unknown problem {name!r}; {suggest_names(name, problems)}"
        )


def read_acceptances(text: str, path: Path, measures: tuple[str, ...]) -> tuple[Acceptance, ...]:
    """Read the accepted gaps of a problem with the given measures.

    Raises DeclarationError with file and line for an invalid acceptance.
    """
    name = path.name.removesuffix(ACCEPTANCES_SUFFIX)
    data, lines = read_yaml(text, path)
    found_acceptances = validate_declaration(Acceptances, data, lines, path).accepted
    for number, acceptance in enumerate(found_acceptances):
        if acceptance.measure not in measures:
            where = file_location(path, lines.get(("accepted", number, "measure")))
            raise DeclarationError(f"{where}: problem {name} does not request {acceptance.measure!r}; "
                                   f"{suggest_names(acceptance.measure, measures)}")  # fmt: skip
    return found_acceptances


_ACCEPTANCE_COLUMNS = (
    ("accepted_by", "who", pl.String),
    ("acceptance_reason", "why", pl.String),
    ("accepted_until", "until", pl.Date),
)


def add_acceptances(gaps: pl.DataFrame, acceptances: tuple[Acceptance, ...], as_of: date) -> pl.DataFrame:
    """Add acceptances to gaps (measure, reason, place_code) as of a day.

    Adds `accepted_by`, `acceptance_reason`, `accepted_until` and `is_accepted`. An expired acceptance is still shown.
    """
    fits = [acceptance for acceptance in acceptances if acceptance.when <= as_of]
    holding = sorted(fits, key=lambda acceptance: acceptance.until < as_of)
    columns = []
    for column, key, dtype in _ACCEPTANCE_COLUMNS:
        value = pl.lit(None, dtype)
        for acceptance in reversed(holding):
            value = pl.when(acceptance.gap_filter()).then(pl.lit(getattr(acceptance, key), dtype)).otherwise(value)
        columns.append(value.alias(column))
    return gaps.with_columns(columns).with_columns(
        (pl.col("accepted_until") >= as_of).fill_null(False).alias("is_accepted")
    )


def list_obsolete_acceptances(gaps: pl.DataFrame, acceptances: tuple[Acceptance, ...], as_of: date) -> list[str]:
    """List the acceptances that have expired, and those that match no open gap."""
    messages = []
    for acceptance in acceptances:
        description = (
            f"{acceptance.measure}: {acceptance.reason}, accepted by {acceptance.who} until {acceptance.until}"
        )
        if gaps.filter(acceptance.gap_filter()).is_empty():
            messages.append(f"{description}: no open gap matches; remove it")
        elif acceptance.until < as_of:
            messages.append(f"{description}: expired; the gap is open again")
    return messages
