"""Reference pages of the docs, generated from the models: `python -m pipelines.outputs.data_dictionary docs`."""

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
from pipelines.declarations.endpoint import Api, ArcGis, Ckan, GovUk, JsonHop, Link, Nomis, PagedRows, StatXplore
from pipelines.declarations.file_format import FileColumns, FileLayout
from pipelines.declarations.measure import Marker, Measure
from pipelines.declarations.partnership import Partnership
from pipelines.declarations.problem import Answer, Need, Partner, PeriodRange, ProblemHeader
from pipelines.declarations.release_schedule import ReleaseSchedule
from pipelines.declarations.road import Road
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import (
    Additivity,
    BundledRelease,
    IntervalColumns,
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
from pipelines.outputs.renamed_columns_page import write_renamed_columns_page
from pipelines.outputs.roads_page import write_roads_page
from pipelines.outputs.warehouse import TABLE_MEANING, column_meanings
from pipelines.outputs.warehouse_observations import STORED_TABLES

GENERATED_NOTE = "<!-- Made by `python -m pipelines.outputs.data_dictionary docs`; edit the model, not this page. -->"
GLOSSARY_LINK = "The [glossary](../GLOSSARY.md) defines the terms."
ENDPOINT_MODELS = (ReleaseSchedule, Road, Link, Api, Nomis, StatXplore, ArcGis, Ckan, GovUk, JsonHop, PagedRows)
AREA_MODELS = (WeightDeclaration, ShareTable, ShareColumns)
SOURCE_MODELS = (
    Source,
    FileColumns,
    Measure,
    IntervalColumns,
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
PROBLEM_MODELS = (ProblemHeader, Need, PeriodRange, Partner, Answer)
SCENARIO_MODELS = (Scenario, NewCouncil)


_SHARED_KEYS_TEXT = """\
A publisher can set keys for all of its sources. Its short name is the prefix of their names (`ons` for `ons_homicide`).
A family sets keys for sources with the same file layout: `family: NAME`. If the addresses of the family contain
`{set}`, write `family: {NAME: dataset}`, where `dataset` is the publisher's name for the dataset. The keys of a source
take precedence, then those of its family, then those of its publisher. `measure_defaults` is merged key by key. The
default licence of a source that is not open or not collected is `none, as nothing is published`. The default `road` of
a source with `compiled_by`, and without an address, is `{unknown: A compiled table.}`."""


def declarations_page() -> str:
    """Return the page that describes every key of source files and problem headers."""
    parts = [
        "# Declarations",
        GENERATED_NOTE,
        "An unknown key, a wrong type or a missing key raises an error with the file and line. " + GLOSSARY_LINK,
    ]
    parts += [
        "## A source: `sources/<publisher>_<data>.yaml`",
        *(_describe_model(m) for m in (*SOURCE_MODELS, *ENDPOINT_MODELS)),
    ]
    parts += [
        "## Shared keys: `sources/shared/publishers.yaml` and `families.yaml`",
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
    parts += ["## Partnerships: `pipelines/partnerships.yaml`, by name", _describe_model(Partnership)]
    parts += ["## Costs of requests: `pipelines/problems/<name>.costs.yaml`, or `--costs FILE`"]
    parts += [_describe_model(Costs), _describe_model(Cost)]
    parts += [
        "## A scenario: `pipelines/scenarios/<name>.yaml`",
        *(_describe_model(model) for model in SCENARIO_MODELS),
    ]
    return "\n\n".join(parts) + "\n"


def _describe_model(model: type[BaseModel]) -> str:
    head = f"### {model.__name__}\n\n{(model.__doc__ or '').strip()}\n\n"
    table = ["| key | type | default | meaning |", "|---|---|---|---|"]
    # Keys about the source come before keys about the layout of its file.
    own = sorted(model.model_fields.items(), key=lambda item: model is Source and item[0] in FileLayout.model_fields)
    return head + "\n".join([*table, *(_field_row(field.alias or name, field) for name, field in own)])


def _field_row(name: str, field: FieldInfo) -> str:
    meaning, _, unsaid = (field.description or "").partition("; if not said, ")
    default = "required" if field.is_required() else _format_default(field.get_default(call_default_factory=True))
    return f"| `{name}` | {describe_type(field.annotation)} | {unsaid or default} | {meaning} |"


def _format_default(default: Any) -> str:
    if default is None or default == () or default == {}:
        return "none"
    return f"`{', '.join(default) if isinstance(default, tuple) else default}`"


def describe_type(annotation: Any) -> str:
    """Describe a type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin is Literal:
        return " or ".join("`true`" if choice is True else f"`{choice}`" for choice in arguments)
    if origin in (Union, UnionType):
        return " or ".join(
            dict.fromkeys(describe_type(choice_type) for choice_type in arguments if choice_type is not type(None))
        )
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if origin is dict:
        return f"mapping of names to {describe_type(arguments[1])}"
    plain = {str: "text", bool: "true or false", int: "whole number", float: "number"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def reasons_page() -> str:
    """Return the page of all gap reasons, in order of precedence."""
    head = [
        "# Gap reasons and caveats",
        GENERATED_NOTE,
        "The list is complete. The first reason that applies is the `reason` of the cell. Other reasons that apply are "
        "in `other_reasons`. Reasons that keep the value are in `caveats`. " + GLOSSARY_LINK,
        "| reason | meaning | rule | severity | data owner | remedy |\n|---|---|---|---|---|---|\n"
        + "\n".join(
            f"| `{r.code}` | {r.title} | {r.rule} | {r.severity} | {r.data_owner} | {r.remedy} |"
            for r in REASONS.values()
        ),
    ]
    return "\n\n".join(head) + "\n"


def tables_page() -> str:
    """Return the page of the tables and columns of commonground.duckdb."""
    tables = {
        "cells": schema.CELL_COLUMNS,
        "verdicts": VERDICT,
        "unallocated_residuals": RESIDUAL,
        "gap_ledger": GAP_LEDGER,
        "builds": BUILD,
        "ranks": RANK,
        "places": GAZETTEER,
        "area_hierarchy": AREA_HIERARCHY,
        "code_changes": schema.CODE_CHANGE_COLUMNS,
        "observations": schema.OBSERVATION_COLUMNS,
        **STORED_TABLES,
        "findings": schema.FINDING_COLUMNS,
        "neighbours": NEIGHBOUR,
        "border_practices": BORDER_PRACTICE,
        "boundary_discontinuities": BOUNDARY_DISCONTINUITY,
        "published_totals": TOTAL,
        "reconciliation": RECONCILIATION,
        "provider_returns": PROVIDER_RETURN,
        "completeness": COMPLETENESS,
        "revisions": REVISION,
        "revision_summary": REVISION_SUMMARY,
    }
    parts = [
        "# Tables of commonground.duckdb",
        GENERATED_NOTE,
        "`problem.<name>` is the view of a problem, with one row for each place. " + GLOSSARY_LINK,
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


def renamed_columns_page() -> str:
    """Write the page of the tables and columns that a version renamed."""
    return write_renamed_columns_page(GENERATED_NOTE)


def roads_page() -> str:
    """Write the page of the roads of the bundled sources."""
    return write_roads_page(Path(__file__).resolve().parents[2], GENERATED_NOTE)


REFERENCE_PAGES = {
    "declarations.md": declarations_page,
    "reasons.md": reasons_page,
    "tables.md": tables_page,
    "renamed-columns.md": renamed_columns_page,
    "roads.md": roads_page,
}


def write_reference_pages(folder: Path) -> None:
    """Write all reference pages into a folder."""
    for name, page in REFERENCE_PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_reference_pages(Path(sys.argv[1]))
