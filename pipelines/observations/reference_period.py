"""Reference period of figures: from each row, from the file as a whole, or from the declaration."""

import re

import polars as pl

from pipelines.core.distinct import number_entries
from pipelines.core.errors import UnreadableError
from pipelines.core.periods import ReferencePeriod
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.file_format import describe_period_kind, parse_source_period
from pipelines.declarations.source import Source
from pipelines.readers import Sheet, set_fault, strip_footnote_mark


def add_period(cells: pl.DataFrame, sheet: Sheet, source: Source, snapshot: Snapshot) -> pl.DataFrame:
    """Add period_start and period_end to every cell, from the file or the declaration; never from the current date.

    Takes `period_text`. A text that is not a period faults its cells (fault, fault_evidence). Raises
    UnreadableError where the declaration finds the period in the file name or preamble, and it is absent there.
    """
    whole = whole_period(sheet, source, snapshot)
    if whole:
        return cells.with_columns(
            pl.lit(whole.start).alias("period_start"),
            pl.lit(whole.end).alias("period_end"),
            pl.lit(None, pl.String).alias("fault"),
            pl.lit(None, pl.String).alias("fault_evidence"),
        )
    numbers, texts = number_entries(cells["period_text"])
    periods = [parse_source_period(strip_footnote_mark(text, source.footnotes), source)
               for text in texts.cast(pl.String)]  # fmt: skip
    days = (
        pl.Series("period_start", [period and period.start for period in periods], pl.Date),
        pl.Series("period_end", [period and period.end for period in periods], pl.Date),
    )
    dated = cells.with_columns(
        *(series[numbers] for series in days),
        *(pl.lit(None, pl.String).alias(name) for name in ("fault", "fault_evidence")),
    )
    if all(periods):
        return dated
    evidence = pl.format("period {}: not a {}", "period_text", pl.lit(_period_form(source)))
    return set_fault(dated, pl.col("period_start").is_null(), "unreadable", evidence)


def _period_form(source: Source) -> str:
    """Return the expected kind of period, with its formats."""
    formats = f" as {' or '.join(source.period_format)}" if source.period_format else ""
    return describe_period_kind(source) + formats


def whole_period(sheet: Sheet, source: Source, snapshot: Snapshot) -> ReferencePeriod | None:
    """Return the one period of a release, from its declaration, file or source; null where each row has its own."""
    release = source.find_release(snapshot.file, snapshot.released)
    if release and release.period:
        return ReferencePeriod(release.period.start, release.period.end)
    if source.period_pattern and any(re.search(source.period_pattern, row) for row in sheet.preamble):
        return _find_period(source.period_pattern, sheet.preamble, "the rows above its headings", source, sheet)
    if source.period_pattern:
        return _find_period(
            source.period_pattern, (sheet.file, snapshot.file), f"the file name {sheet.file}", source, sheet
        )
    return ReferencePeriod(source.period.start, source.period.end) if source.period else None


def _find_period(pattern: str, texts: tuple[str, ...], where: str, source: Source, sheet: Sheet) -> ReferencePeriod:
    """Return the one period in some texts; raise UnreadableError where there is none or several differ."""
    matches = [match["period"] or "" for text in texts for match in re.finditer(pattern, text)]
    spans = {span for text in matches if (span := parse_source_period(text, source))}
    if len(spans) != 1:
        raise UnreadableError(
            f"{sheet.file}: found {', '.join(map(repr, dict.fromkeys(matches))) or 'nothing'} in {where} by {pattern}; "
            f"expected one {_period_form(source)}"
        )
    return spans.pop()
