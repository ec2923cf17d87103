"""Reviewed corrections, each for cells with a known published value, so that corrections expire.

A correction applies only while the publisher still publishes the value that it corrects. When that value changes, the
published figure is used, and a finding reports that the correction no longer applies.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import BeforeValidator, Field, model_validator

from pipelines.core.errors import DeclarationError, at, near
from pipelines.core.periods import Span
from pipelines.declarations.base import Declared, Listed, Name
from pipelines.declarations.file_format import period_of
from pipelines.declarations.source import Source
from pipelines.declarations.yaml_lines import Lines, read_yaml, validate

SUFFIX = ".corrections.yaml"
CORRECTING = ["caveats", "caveat_evidence", "expired"]
"""Columns that corrections add."""


class Correction(Declared):
    """A correction of cells of one measure and period: the action, who decided it, and why."""

    action: Literal["drop", "override", "scale", "flag"] = Field(
        description="drop: the cell becomes a gap; override: `value` stands; scale: multiplied by `factor`; "
        "flag: the figure stays, with a caveat"
    )
    measure: Name = Field(description="Measure concerned")
    period: Annotated[str | None, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)] = (
        Field(None, description="Period concerned, as in the file; none where the source declares its period")
    )
    expected: dict[str, float | str] = Field(
        min_length=1, description="For the code of each place: the figure or marker that the publisher prints"
    )
    value: float | None = Field(None, description="Figure that stands instead, as the publisher would print it")
    factor: float | None = Field(None, description="What the figure is multiplied by")
    reason: str = Field(min_length=1, description="What is wrong, and how that is known")
    who: str = Field(min_length=1, description="Who answers for it")
    when: date = Field(description="Day it was made")
    link: str = Field(min_length=1, description="Where that can be read: the publisher's note, or a letter")

    @model_validator(mode="after")
    def _given(self) -> Self:
        for do, key in (("override", "value"), ("scale", "factor")):
            if (self.action == do) != (getattr(self, key) is not None):
                raise ValueError(f"{key} belongs to do: {do} and to no other action; found do: {self.action}")
        return self

    def said(self) -> str:
        """Describe who made the correction, when, why, and the link to the evidence."""
        return f"by {self.who} on {self.when}: {self.reason} ({self.link})"


class Corrections(Declared):
    """The corrections of one source."""

    corrections: Annotated[tuple[Correction, ...], Listed] = Field(description="Corrections, each of some cells")


def read_corrections(text: str, path: Path, sources: dict[str, Source]) -> tuple[Correction, ...]:
    """Read the corrections of a source; raise DeclarationError with file and line for an invalid one."""
    name = path.name.removesuffix(SUFFIX)
    if name not in sources:
        raise DeclarationError(f"{path}: found corrections for unknown source {name!r}; {near(name, sources)}")
    data, lines = read_yaml(text, path)
    found = validate(Corrections, data, lines, path).corrections
    taken: dict[tuple[str, str | None, str], int] = {}
    for number, each in enumerate(found):
        _see(each, number, sources[name], lines, path)
        for place in each.expected:
            before = taken.setdefault((each.measure, each.period, place), number)
            if before != number:
                where = at(path, lines.get(("corrections", number)))
                raise DeclarationError(
                    f"{where}: {place} is corrected twice, first in correction {before + 1}; remove one"
                )
    return found


def _see(each: Correction, number: int, source: Source, lines: Lines, path: Path) -> None:
    if each.measure not in source.measures:
        where = at(path, lines.get(("corrections", number, "measure")))
        raise DeclarationError(f"{where}: unknown measure {each.measure!r} in this source; "
                               f"{near(each.measure, source.measures)}")  # fmt: skip
    if _span(each, source) is None:
        where = at(path, lines.get(("corrections", number, "period"), lines.get(("corrections", number))))
        expected = "no period, because the source declares its period" if source.period else f"a {source.period_kind}"
        raise DeclarationError(f"{where}: found period {each.period!r}, expected {expected}")


def _span(each: Correction, source: Source) -> Span | None:
    if source.period:
        return Span(source.period.start, source.period.end) if each.period is None else None
    return period_of(each.period or "", source)


def corrected(cells: pl.DataFrame, corrections: tuple[Correction, ...], source: Source) -> pl.DataFrame:
    """Apply corrections to the text of cells and record them; leave cells with an unexpected text unchanged.

    Takes cells with measure, place_code, period_start, text, fault and fault_evidence. Adds `caveats`,
    `caveat_evidence`, `expired` and `printed`, the text as published.
    """
    blank = (pl.lit(None, pl.String).alias(name) for name in CORRECTING)
    cells = cells.with_columns(*blank, pl.col("text").alias("printed"))
    for each in corrections:
        cells = _applied(cells, each, addressed(each, source))
    return cells


def addressed(each: Correction, source: Source) -> pl.Expr:
    """Return the filter for the cells of a correction, whatever their value."""
    span = _span(each, source)
    here = (pl.col("measure") == each.measure) & pl.col("place_code").is_in(list(each.expected))
    return (here & (pl.col("period_start") == (span.start if span else None))).fill_null(False)


def _applied(cells: pl.DataFrame, each: Correction, here: pl.Expr) -> pl.DataFrame:
    same = (here & _as_expected(each)).fill_null(False)
    now = {"override": pl.lit(_figure(each.value)), "scale": (_number() * (each.factor or 1)).cast(pl.String)}
    to = now.get(each.action, pl.lit("no figure"))
    done = pl.concat_str(pl.lit(f"{each.action} of "), "text", pl.lit(" to "), to, pl.lit(f" {each.said()}"))
    told = pl.lit(f"flagged {each.said()}") if each.action == "flag" else done
    wanted = pl.lit(" or ".join(dict.fromkeys(_figure(text) for text in each.expected.values())))
    applies = f" was expected: the {each.action} {each.said()} no longer applies"
    gone = pl.concat_str("text", pl.lit(" came where "), wanted, pl.lit(applies))
    drop, caveat = each.action == "drop", "flagged" if each.action == "flag" else "corrected"
    return cells.with_columns(
        pl.when(same).then(now.get(each.action, pl.col("text"))).otherwise("text").alias("text"),
        pl.when(same & drop).then(pl.lit("dropped")).otherwise("fault").alias("fault"),
        pl.when(same & drop).then(told).otherwise("fault_evidence").alias("fault_evidence"),
        pl.when(same & ~pl.lit(drop)).then(pl.lit(caveat)).otherwise("caveats").alias("caveats"),
        pl.when(same & ~pl.lit(drop)).then(told).otherwise("caveat_evidence").alias("caveat_evidence"),
        pl.when(here & ~same).then(gone).otherwise("expired").alias("expired"),
    )


def _as_expected(each: Correction) -> pl.Expr:
    texts = {place: text.strip() for place, text in each.expected.items() if isinstance(text, str)}
    figures = {place: figure for place, figure in each.expected.items() if isinstance(figure, float)}
    text = pl.col("place_code").replace_strict(texts, default=None, return_dtype=pl.String)
    figure = pl.col("place_code").replace_strict(figures, default=None, return_dtype=pl.Float64)
    return (pl.col("text") == text).fill_null(False) | (_number() == figure).fill_null(False)


def _number() -> pl.Expr:
    return pl.col("text").str.replace_all(",", "").cast(pl.Float64, strict=False)


def _figure(value: float | str | None) -> str:
    return value if isinstance(value, str) else f"{value:.15g}" if value is not None else ""


def in_vain(corrections: tuple[Correction, ...], source: Source, cells: pl.DataFrame) -> list[str]:
    """List the corrections of cells that no stored release contains."""
    told = []
    for each in corrections:
        met = set(cells.filter(addressed(each, source))["place_code"])
        told += [
            f"{each.measure} for {place} in {each.period or 'its period'}: corrected, but in no stored release"
            for place in each.expected
            if place not in met
        ]
    return told
