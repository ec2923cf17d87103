"""Reviewed corrections, each for cells with a known published value, so that corrections expire.

A correction applies only while the publisher still publishes the value that it corrects. When that value changes, the
published figure is used, and a finding reports that the correction no longer applies.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import BeforeValidator, Field, model_validator

from pipelines.core.errors import DeclarationError, file_location, suggest_names
from pipelines.core.periods import ReferencePeriod
from pipelines.declarations.base import Declaration, ListAsTuple, Name
from pipelines.declarations.file_format import describe_period_kind, parse_source_period
from pipelines.declarations.source import Source
from pipelines.declarations.yaml_lines import LineNumbers, read_yaml, validate_declaration

CORRECTIONS_SUFFIX = ".corrections.yaml"
CORRECTION_COLUMNS = ["caveats", "caveat_evidence", "expired"]
"""Columns that corrections add."""


class Correction(Declaration):
    """A correction of cells of one measure and period: the action, who decided it, and why."""

    action: Literal["drop", "override", "scale", "flag"] = Field(
        description="drop: the cell becomes a gap; override: `value` replaces the figure; scale: the figure "
        "is multiplied by `factor`; flag: the figure is unchanged, with a caveat"
    )
    measure: Name = Field(description="Measure concerned")
    period: Annotated[str | None, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)] = (
        Field(None, description="Period concerned, as in the file; omitted where the source declares its period")
    )
    expected: dict[str, float | str] = Field(
        min_length=1, description="Published figure or marker for the code of each place"
    )
    value: float | None = Field(None, description="Replacement figure, in the publisher's form")
    factor: float | None = Field(None, description="Multiplier of the figure")
    reason: str = Field(min_length=1, description="The error and the evidence for it")
    who: str = Field(min_length=1, description="Person or team responsible for the correction")
    when: date = Field(description="Day of the correction")
    link: str = Field(min_length=1, description="Link to the evidence: the publisher's note, or a letter")

    @model_validator(mode="after")
    def _validate_values(self) -> Self:
        for do, key in (("override", "value"), ("scale", "factor")):
            if (self.action == do) != (getattr(self, key) is not None):
                raise ValueError(f"{key} belongs to do: {do} and to no other action; found do: {self.action}")
        return self

    def describe_origin(self) -> str:
        """Describe who made the correction, when, why, and the link to the evidence."""
        return f"by {self.who} on {self.when}: {self.reason} ({self.link})"


class Corrections(Declaration):
    """The corrections of one source."""

    corrections: Annotated[tuple[Correction, ...], ListAsTuple] = Field(
        description="Corrections, each for one or more cells"
    )


def read_corrections(text: str, path: Path, sources: dict[str, Source]) -> tuple[Correction, ...]:
    """Read the corrections of a source; raise DeclarationError with file and line for an invalid one."""
    name = path.name.removesuffix(CORRECTIONS_SUFFIX)
    if name not in sources:
        raise DeclarationError(f"{path}: found corrections for unknown source {name!r}; {suggest_names(name, sources)}")
    data, lines = read_yaml(text, path)
    found_corrections = validate_declaration(Corrections, data, lines, path).corrections
    first_numbers: dict[tuple[str, str | None, str], int] = {}
    for number, correction in enumerate(found_corrections):
        _validate_correction(correction, number, sources[name], lines, path)
        for place in correction.expected:
            before = first_numbers.setdefault((correction.measure, correction.period, place), number)
            if before != number:
                where = file_location(path, lines.get(("corrections", number)))
                raise DeclarationError(
                    f"{where}: {place} is corrected twice, first in correction {before + 1}; remove one"
                )
    return found_corrections


def _validate_correction(correction: Correction, number: int, source: Source, lines: LineNumbers, path: Path) -> None:
    if correction.measure not in source.measures:
        where = file_location(path, lines.get(("corrections", number, "measure")))
        raise DeclarationError(f"{where}: unknown measure {correction.measure!r} in this source; "
                               f"{suggest_names(correction.measure, source.measures)}")  # fmt: skip
    if _correction_period(correction, source) is None:
        where = file_location(path, lines.get(("corrections", number, "period"), lines.get(("corrections", number))))
        kind = f"a {describe_period_kind(source)}"
        expected = "no period, because the source declares its period" if source.period else kind
        raise DeclarationError(f"{where}: found period {correction.period!r}, expected {expected}")


def _correction_period(correction: Correction, source: Source) -> ReferencePeriod | None:
    if source.period:
        return ReferencePeriod(source.period.start, source.period.end) if correction.period is None else None
    return parse_source_period(correction.period or "", source)


def apply_corrections(cells: pl.DataFrame, corrections: tuple[Correction, ...], source: Source) -> pl.DataFrame:
    """Apply corrections to the text of cells and record them; leave cells with an unexpected text unchanged.

    Takes cells with measure, place_code, period_start, text, fault and fault_evidence. Adds `caveats`,
    `caveat_evidence`, `expired` and `printed`, the text as published.
    """
    blank = (pl.lit(None, pl.String).alias(name) for name in CORRECTION_COLUMNS)
    cells = cells.with_columns(*blank, pl.col("text").alias("printed"))
    for correction in corrections:
        cells = _apply_correction(cells, correction, correction_filter(correction, source))
    return cells


def correction_filter(correction: Correction, source: Source) -> pl.Expr:
    """Return the filter for the cells of a correction, whatever their value."""
    period = _correction_period(correction, source)
    here = (pl.col("measure") == correction.measure) & pl.col("place_code").is_in(list(correction.expected))
    return (here & (pl.col("period_start") == (period.start if period else None))).fill_null(False)


def _apply_correction(cells: pl.DataFrame, correction: Correction, here: pl.Expr) -> pl.DataFrame:
    same = (here & _matches_expected(correction)).fill_null(False)
    now = {
        "override": pl.lit(_format_figure(correction.value)),
        "scale": (_parse_number() * (correction.factor or 1)).cast(pl.String),
    }
    to = now.get(correction.action, pl.lit("no figure"))
    done = pl.concat_str(
        pl.lit(f"{correction.action} of "), "text", pl.lit(" to "), to, pl.lit(f" {correction.describe_origin()}")
    )
    evidence = pl.lit(f"flagged {correction.describe_origin()}") if correction.action == "flag" else done
    expected = pl.lit(" or ".join(dict.fromkeys(_format_figure(text) for text in correction.expected.values())))
    applies = f" expected: the {correction.action} {correction.describe_origin()} no longer applies"
    gone = pl.concat_str("text", pl.lit(" found, "), expected, pl.lit(applies))
    drop, caveat = correction.action == "drop", "flagged" if correction.action == "flag" else "corrected"
    return cells.with_columns(
        pl.when(same).then(now.get(correction.action, pl.col("text"))).otherwise("text").alias("text"),
        pl.when(same & drop).then(pl.lit("dropped")).otherwise("fault").alias("fault"),
        pl.when(same & drop).then(evidence).otherwise("fault_evidence").alias("fault_evidence"),
        pl.when(same & ~pl.lit(drop)).then(pl.lit(caveat)).otherwise("caveats").alias("caveats"),
        pl.when(same & ~pl.lit(drop)).then(evidence).otherwise("caveat_evidence").alias("caveat_evidence"),
        pl.when(here & ~same).then(gone).otherwise("expired").alias("expired"),
    )


def _matches_expected(correction: Correction) -> pl.Expr:
    texts = {place: text.strip() for place, text in correction.expected.items() if isinstance(text, str)}
    figures = {place: figure for place, figure in correction.expected.items() if isinstance(figure, float)}
    text = pl.col("place_code").replace_strict(texts, default=None, return_dtype=pl.String)
    figure = pl.col("place_code").replace_strict(figures, default=None, return_dtype=pl.Float64)
    return (pl.col("text") == text).fill_null(False) | (_parse_number() == figure).fill_null(False)


def _parse_number() -> pl.Expr:
    return pl.col("text").str.replace_all(",", "").cast(pl.Float64, strict=False)


def _format_figure(value: float | str | None) -> str:
    return value if isinstance(value, str) else f"{value:.15g}" if value is not None else ""


def list_unused_corrections(corrections: tuple[Correction, ...], source: Source, cells: pl.DataFrame) -> list[str]:
    """List the corrections of cells that no stored release contains."""
    messages = []
    for correction in corrections:
        present = set(cells.filter(correction_filter(correction, source))["place_code"])
        messages += [
            f"{correction.measure} for {place} in {correction.period or 'its period'}: corrected, but in no "
            f"stored release"
            for place in correction.expected
            if place not in present
        ]
    return messages
