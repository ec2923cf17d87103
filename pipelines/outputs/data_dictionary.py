"""The reference pages of the docs, from the models: `python -m pipelines.outputs.data_dictionary docs`."""

import sys
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipelines.apportionment import RESIDUAL
from pipelines.core import schema
from pipelines.core.reasons import REASONS
from pipelines.declarations.acceptances import Acceptance, Acceptances
from pipelines.declarations.corrections import Correction, Corrections
from pipelines.declarations.defaults import MeasureDefaults, SharedDeclaration
from pipelines.declarations.endpoint import Api, ArcGis, Ckan, GovUk, Link, Nomis, StatXplore
from pipelines.declarations.file_format import FileColumns, FileLayout
from pipelines.declarations.measure import Marker, Measure
from pipelines.declarations.problem import Need, PeriodRange, ProblemHeader
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import (
    Additivity,
    BundledRelease,
    NationalEquivalent,
    Period,
    PlaceNote,
    Recall,
    SeriesBreak,
    ShareColumns,
    ShareTable,
    WeightDeclaration,
)
from pipelines.gaps import BOUNDARY_DISCONTINUITY, BUILD, GAP_LEDGER, RANK, VERDICT, Cost, Costs
from pipelines.geography import AREA_HIERARCHY, BORDER_PRACTICE, GAZETTEER, NEIGHBOUR, NewCouncil, Scenario
from pipelines.observations import COMPLETENESS, PROVIDER_RETURN, RECONCILIATION, REVISION, REVISION_SUMMARY, TOTAL
from pipelines.outputs.warehouse import TABLE_MEANING, column_meanings

GENERATED_NOTE = "<!-- Made by `python -m pipelines.outputs.data_dictionary docs`; edit the model, not this page. -->"
ENDPOINT_MODELS = (Link, Api, Nomis, StatXplore, ArcGis, Ckan, GovUk)
AREA_MODELS = (WeightDeclaration, ShareTable, ShareColumns)
SOURCE_MODELS = (
    Source,
    FileColumns,
    Measure,
    MeasureDefaults,
    Marker,
    Period,
    NationalEquivalent,
    Additivity,
    PlaceNote,
    SeriesBreak,
    BundledRelease,
    Recall,
    *AREA_MODELS,
)
PROBLEM_MODELS = (ProblemHeader, Need, PeriodRange)
SCENARIO_MODELS = (Scenario, NewCouncil)


_SHARED_KEYS_TEXT = """\
A publisher, by the short name with which the names of its sources begin (`ons` for `ons_homicide`), says its keys for
all of them. A family does so for sources whose files are laid out alike: `family: NAME`, or `family: {NAME: dataset}`
where its addresses have `{set}`, for what the publisher calls the dataset. What a source says itself stands first, then
its family's, then its publisher's; `measure_defaults` is taken together key by key. A source that is not open or not
collected has the licence `none, as nothing is published`, if it says no other."""


def declarations_page() -> str:
    """Write the page of every key that a source's YAML and a problem's header may have."""
    parts = [
        "# Declarations",
        GENERATED_NOTE,
        "An unknown key, a wrong type or a missing key is refused with its file and line.",
    ]
    parts += [
        "## A source: `sources/<publisher>_<data>.yaml`",
        *(_describe_model(m) for m in (*SOURCE_MODELS, *ENDPOINT_MODELS)),
    ]
    parts += [
        "## What sources share: `sources/shared/publishers.yaml` and `families.yaml`",
        _SHARED_KEYS_TEXT,
        _describe_model(SharedDeclaration),
    ]
    parts += [
        "## Corrections: `sources/<name>.corrections.yaml`",
        *(_describe_model(m) for m in (Corrections, Correction)),
    ]
    parts += [
        "## A problem: the header of `pipelines/problems/<name>.sql`",
        *(_describe_model(m) for m in PROBLEM_MODELS),
    ]
    parts += [
        "## Accepted gaps: `pipelines/problems/<name>.accepted.yaml`",
        _describe_model(Acceptances),
        _describe_model(Acceptance),
    ]
    parts += ["## Costs of asking: `pipelines/problems/<name>.costs.yaml`, or `--costs FILE`"]
    parts += [_describe_model(Costs), _describe_model(Cost)]
    parts += [
        "## A scenario: `pipelines/scenarios/<name>.yaml`",
        *(_describe_model(model) for model in SCENARIO_MODELS),
    ]
    return "\n\n".join(parts) + "\n"


def _describe_model(model: type[BaseModel]) -> str:
    head = f"### {model.__name__}\n\n{(model.__doc__ or '').strip()}\n\n"
    table = ["| key | kind | if not given | meaning |", "|---|---|---|---|"]
    # What a source is comes before how its file is laid out.
    own = sorted(model.model_fields.items(), key=lambda each: model is Source and each[0] in FileLayout.model_fields)
    return head + "\n".join([*table, *(_field_row(field.alias or name, field) for name, field in own)])


def _field_row(name: str, field: FieldInfo) -> str:
    meaning, _, unsaid = (field.description or "").partition("; if not said, ")
    default = "must be given" if field.is_required() else _format_default(field.get_default(call_default_factory=True))
    return f"| `{name}` | {describe_type(field.annotation)} | {unsaid or default} | {meaning} |"


def _format_default(default: Any) -> str:
    if default is None or default == () or default == {}:
        return "none"
    return f"`{', '.join(default) if isinstance(default, tuple) else default}`"


def describe_type(annotation: Any) -> str:
    """Say a type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, UnionType):
        return " or ".join(
            dict.fromkeys(describe_type(choice_type) for choice_type in arguments if choice_type is not type(None))
        )
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if origin is dict:
        return f"names, each with {describe_type(arguments[1])}"
    plain = {str: "text", bool: "true or false", int: "whole number", float: "number"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def reasons_page() -> str:
    """Write the page of every kind of gap, in the order in which they are tried."""
    head = [
        "# Why a cell is empty, or to be read with care",
        GENERATED_NOTE,
        "The set is closed. The first reason that holds is the cell's `reason`; others stand in `reasons_also`. "
        "Reasons that leave the value in place stand in `caveats`.",
        "| reason | meaning | how it is told | severity | who can close it | how |\n|---|---|---|---|---|---|\n"
        + "\n".join(
            f"| `{r.code}` | {r.title} | {r.rule} | {r.severity} | {r.holder} | {r.remedy} |" for r in REASONS.values()
        ),
    ]
    return "\n\n".join(head) + "\n"


def tables_page() -> str:
    """Write the page of the tables in commonground.duckdb and their columns."""
    tables = {
        "cells": schema.CELL_COLUMNS,
        "verdicts": VERDICT,
        "crosswalk_losses": RESIDUAL,
        "gap_ledger": GAP_LEDGER,
        "builds": BUILD,
        "ranks": RANK,
        "places": GAZETTEER,
        "parents": AREA_HIERARCHY,
        "changes": schema.CODE_CHANGE_COLUMNS,
        "observations": schema.OBSERVATION_COLUMNS,
        "findings": schema.FINDING_COLUMNS,
        "neighbours": NEIGHBOUR,
        "border_practices": BORDER_PRACTICE,
        "boundary_cliffs": BOUNDARY_DISCONTINUITY,
        "totals": TOTAL,
        "reconciliation": RECONCILIATION,
        "returns": PROVIDER_RETURN,
        "reporting": COMPLETENESS,
        "revisions": REVISION,
        "revision_summary": REVISION_SUMMARY,
    }
    parts = [
        "# Tables of commonground.duckdb",
        GENERATED_NOTE,
        "`problem.<name>` holds a problem's answer, one row a place.",
    ]
    parts += [f"- `{name}`: {meaning}." for name, meaning in TABLE_MEANING.items()]
    meanings = column_meanings()
    for name, columns in tables.items():
        types = [column_def.dtype for column_def in columns.values()]
        meaning_and_type = zip(meanings[name].items(), types, strict=True)
        rows = [f"| `{column}` | {dtype} | {meaning} |" for (column, meaning), dtype in meaning_and_type]
        parts.append(f"## {name}\n\n| column | type | meaning |\n|---|---|---|\n" + "\n".join(rows))
    rows = [f"| `{column}` | {meaning} |" for column, meaning in meanings["releases"].items()]
    parts.append("## releases\n\n| column | meaning |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


REFERENCE_PAGES = {"declarations.md": declarations_page, "reasons.md": reasons_page, "tables.md": tables_page}


def write_reference_pages(folder: Path) -> None:
    """Write all pages into a folder."""
    for name, page in REFERENCE_PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_reference_pages(Path(sys.argv[1]))
