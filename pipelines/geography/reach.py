"""How far a register reaches: the last day for which it knows a kind of place, and the codes beyond.

A register, a lookup or a set of weights has an expected number of places. A geography past the last day is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.geocodes import (
    ENTITY_NAMES,
    GSS_PATTERN,
    KIND_PREFIXES,
    KINDS_WITHOUT_PREFIX,
    NATION_BY_LETTER,
    geography_date,
    gss_code_kind,
)
from pipelines.core.periods import format_period, whole_months
from pipelines.core.table_cache import keep_results

if TYPE_CHECKING:
    from pipelines.declarations.source_parts import BundledRelease

NEWER, UNKNOWN = "newer_than_register", "unmatched_place"
_MARGIN, _MARGIN_SHARE = 50, 0.1
"""Largest plausible distance of a new code from the newest one: a number of codes, or a share of the newest number."""


class UnknownCode(NamedTuple):
    """The gap reason of a code that is in no register, and what the code itself shows."""

    reason: str
    evidence: str


def select_kind(kind: str) -> pl.Expr:
    """Return an expression for the rows of a kind in a register (schema.PLACE_COLUMNS), by kind or code prefix.

    A postcode, which is the code of a Jobcentre, may begin like a GSS code: S12 4QE.
    """
    by_prefix = pl.col("place_code").str.slice(0, 3).is_in(KIND_PREFIXES.get(kind, ()))
    return (pl.col("kind") == kind) | (by_prefix & ~pl.col("kind").is_in(sorted(KINDS_WITHOUT_PREFIX)))


@keep_results(32)
def find_reach(register: pl.DataFrame, kind: str) -> date | None:
    """Return the last day for which a register (schema.PLACE_COLUMNS) knows a kind of place; None where undeclared.

    A kind with codes of several kinds, such as utla, is known as far as the least known of these.
    """
    days = register.filter(select_kind(kind)).group_by("kind").agg(pl.col("known_up_to").max())["known_up_to"]
    return days.drop_nulls().min()  # type: ignore[return-value]


def is_past_reach(register: pl.DataFrame, system: str) -> bool:
    """Return whether a geography is of a later year than the last day for which the register knows its kind."""
    reach = find_reach(register, system.rsplit("_", 1)[0])
    return reach is not None and geography_date(system).year > reach.year


def format_reach(day: date) -> str:
    """Format the last day known to a register as its month, such as `July 2024`."""
    return format_period(*whole_months(day.year, day.month, 1))


def describe_reach(register: pl.DataFrame, kind: str, system: str) -> str:
    """Describe a geography past the last day known, and the newest geography in the register."""
    reach = find_reach(register, kind)
    until = f"{format_reach(reach)}; the newest is {kind}_{reach.year}" if reach else "no declared day"
    return (
        f"unknown geography {system!r}: the register knows {kind} up to {until}. For a later year, add a newer list of "
        "these places, and change known_up_to in its declaration"
    )


def add_reach(register: pl.DataFrame, extent: BundledRelease) -> pl.DataFrame:
    """Add the last day known of each kind, as declared, to a register (schema.PLACE_COLUMNS)."""
    day = pl.col("kind").replace_strict(extent.known_up_to, default=extent.last_day_known, return_dtype=pl.Date)
    return register.with_columns(day.alias("known_up_to"))


def count_places(register: pl.DataFrame) -> dict[str, int]:
    """Count the places of each kind in use on the last day for which a register (with `known_up_to`) knows the kind."""
    day = pl.col("known_up_to")
    in_use = (pl.col("valid_from") <= day) & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= day))
    return dict(register.group_by("kind").agg(pl.col("place_code").filter(in_use).n_unique()).iter_rows())


def refuse_unexpected_numbers(counts: dict[str, int], extent: BundledRelease) -> None:
    """Raise UnreadableError where a table has another number of places than its release is expected to have."""
    for name, expected in extent.expected_places.items():
        if counts.get(name, 0) != expected:
            raise UnreadableError(
                f"{extent.file}: found {counts.get(name, 0):,} of {name}, expected {expected:,}; where the publisher's "
                "list has changed, change expected_places and known_up_to of the release"
            )


class KnownCodes(NamedTuple):
    """What a register and a source's tables know: the newest number of each prefix, and the last day of each kind."""

    newest: dict[str, int]
    up_to: dict[str, date]
    in_use: dict[str, tuple[date | None, date | None]]
    """First and last day of use of each code; the last is None while in use."""


def summarise_known_codes(codes: Iterable[str], register: pl.DataFrame) -> KnownCodes:
    """Summarise all codes of any time, and a register (schema.PLACE_COLUMNS), to describe codes outside a geography."""
    numbers = pl.DataFrame({"code": list(codes)}, schema={"code": pl.String}).filter(
        pl.col("code").str.contains(GSS_PATTERN)
    )
    newest = numbers.group_by(pl.col("code").str.head(3).alias("prefix")).agg(
        pl.col("code").str.slice(3).cast(pl.Int64).max()
    )
    days = _summarise_register(register)
    return KnownCodes(dict(newest.iter_rows()), days.up_to, days.in_use)


class _RegisterDays(NamedTuple):
    up_to: dict[str, date]
    in_use: dict[str, tuple[date | None, date | None]]


@keep_results(1)
def _summarise_register(register: pl.DataFrame) -> _RegisterDays:
    up_to = register.group_by("kind").agg(pl.col("known_up_to").max()).drop_nulls()
    last = pl.when(pl.col("valid_to").is_not_null().all()).then(pl.col("valid_to").max()).alias("last")
    days = register.group_by("place_code").agg(pl.col("valid_from").min(), last)
    in_use = {code: (start, end) for code, start, end in days.iter_rows()}
    return _RegisterDays(dict(up_to.iter_rows()), in_use)


def describe_unknown_code(code: str, known: KnownCodes, system: str) -> UnknownCode:
    """Return the reason and the evidence for a code that is in no register, from its prefix and number.

    A number above every known one of its prefix is newer than the register; a number far above is likelier a misprint.
    """
    kind, number = gss_code_kind(code), code[3:]
    if not kind:
        return UnknownCode(UNKNOWN, f"{code or 'blank'}: no code of {system}")
    newest, what = known.newest.get(code[:3], 0), f"{code}: {describe_prefix(code[:3])}"
    until = f" ({format_reach(known.up_to[kind])})" if kind in known.up_to else ""
    if newest < int(number) <= newest + max(_MARGIN, newest * _MARGIN_SHARE):
        return UnknownCode(NEWER, f"{what}; newer than the register{until}")
    return UnknownCode(UNKNOWN, f"{what}, by its first three characters; the register{until} has no such code")


def describe_prefix(prefix: str) -> str:
    """Describe the kind and the nation that a code prefix shows, such as `an integrated care board of England`."""
    name = ENTITY_NAMES.get(prefix, gss_code_kind(f"{prefix}00000001") or "place").partition(",")[0]
    article = "an" if name[0].casefold() in "aeio" else "a"
    nation = NATION_BY_LETTER.get(prefix[0])
    return f"{article} {name}{f' of {nation}' if nation else ''}"


def describe_use(code: str, known: KnownCodes, system: str) -> str:
    """Describe why a code of the register is not in a geography: its use ended before, or began after.

    Returns the end of a sentence, blank where the register has no days for the code.
    """
    day = geography_date(system)
    start, end = known.in_use.get(code, (None, None))
    if start and start > day:
        return f", in use from {format_period(start, start)}"
    return f", in use to {format_period(end, end)}" if end else ""
