"""Declarations made in memory, for tests of rules: no file, no store, no build."""

from pathlib import Path
from typing import Any

from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.file_format import FileColumns
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.problem_sql import ParsedSelect
from pipelines.declarations.source import Source


def measure_of(kind: str = "stock", **said: Any) -> Measure:
    """Make a measure of some kind; a rate gets a denominator."""
    below = {"denominator": "people"} if kind == "rate" else {}
    return Measure.model_validate({"title": "t", "unit": "things", "kind": kind, "column": ("x",), **below, **said})


def source_of(*measures: str, **said: Any) -> Source:
    """Build a source of stocks, or of the measures in `said`; a source without open access has a request."""
    about = {"title": "t", "publisher": "A publisher", "licence": "l", "page": "https://example.org"}
    declared = {"measures": {name: measure_of() for name in measures}, "geography": "lad_2023", "period_kind": "year"}
    ask = {} if said.get("access", "open") in ("open", "private") else {"request": "Ask for it."}
    columns = FileColumns(place=("code",), period=("period",))
    return Source.model_validate({**about, **declared, "columns": columns, **ask, **said})


def catalogue_of(**sources: Source) -> Catalogue:
    """Make a catalogue of sources and their measures."""
    measures = {name: measure for source in sources.values() for name, measure in source.measures.items()}
    homes = {measure: name for name, source in sources.items() for measure in source.measures}
    said: dict[str, Any] = {"sources": sources, "measures": measures, "measure_source": homes}
    return Catalogue(**{**{name: {} for name in Catalogue._fields}, "root": Path(), **said})


def problem_of(grain: str = "latest", needs: dict[str, Any] | None = None, **said: Any) -> Problem:
    """Make a problem; what each need says is given as in a header."""
    about = {"question": "q", "decision": "d", "owner": "o", "geography": "lad_2023", "grain": grain}
    return Problem(
        "p",
        ProblemHeader.model_validate({**about, "needs": needs or {}, **said}),
        ParsedSelect("", (), {}),
        Path("p.sql"),
        "",
    )
