"""Draft letters in plain text, one for each data owner, with all requests to that owner."""

import hashlib
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.core.output_files import manifest_name, write_outputs
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import public_input_sources
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps import Plan

CONTROL_CATEGORIES = ("Cc", "Cf", "Cs", "Co")
"""Unicode categories of control, format, surrogate and private-use characters."""
MAX_PLACE_NAMES = 12
"""Maximum number of places listed by name in a letter. The rest are counted."""


def strip_control_characters(text: str) -> str:
    """Return a text on one line, without characters that control a terminal or change the text direction."""
    characters = (" " if char.isspace() else char for char in text)
    return " ".join(
        "".join(char for char in characters if unicodedata.category(char) not in CONTROL_CATEGORIES).split()
    )


def letter_file_name(data_owner: str) -> str:
    """Return a readable, portable and unique file name for the letter to a data owner."""
    slug = re.sub(r"[^a-z0-9]+", "-", data_owner.casefold()).strip("-")[:60]
    return f"{slug or 'holder'}-{hashlib.sha256(data_owner.encode()).hexdigest()[:6]}.txt"


def draft_letters(
    requests: pl.DataFrame, problems: Mapping[str, Problem], measures: Mapping[str, Measure]
) -> dict[str, str]:
    """Draft a letter to each data owner in a table of requests (requests.rank_requests), in order of owner."""
    return {
        data_owner: draft_letter(
            data_owner, requests.filter(pl.col("data_owner") == data_owner).to_dicts(), problems, measures
        )
        for data_owner in sorted(set(requests["data_owner"]))
    }


def draft_letter(
    data_owner: str, requests: list[dict[str, Any]], problems: Mapping[str, Problem], measures: Mapping[str, Measure]
) -> str:
    """Draft the letter to one data owner: purpose, missing figures by place, reasons and remedies."""
    names = sorted({name for row in requests for name in row["problems"]})
    purposes = [
        f"- {strip_control_characters(problems[name].header.question)}\n  Decision it supports: "
        f"{strip_control_characters(problems[name].header.decision)}"
        for name in names
    ]
    owners = sorted({strip_control_characters(problems[name].header.owner) for name in names})
    items = [_format_item(number, row, measures[row["measure"]]) for number, row in enumerate(requests, 1)]
    parts = [
        f"To: {strip_control_characters(data_owner)}",
        "Dear colleague,",
        "We are working on these questions:",
        *purposes,
        "We need the figures below. We understand that you may be able to supply or publish them:",
        *items,
        _CLOSING,
        "Yours faithfully,",
        *owners,
    ]
    return "\n\n".join(_wrap_paragraph(part) for part in parts) + "\n"


_CLOSING = (
    "If you have the figures but cannot publish them, please state the reason. Could you publish a total, a range or "
    "figures for a larger area? If you do not have the figures, please name the organisation that has them. Please "
    "include area codes, reference periods, and your rounding and suppression rules. Please leave a cell blank if the "
    "figure is not known."
)


def _wrap_paragraph(part: str) -> str:
    """Wrap the lines of a paragraph at 80 characters and keep their indentation."""
    lines = (
        textwrap.fill(line, 80, subsequent_indent=" " * (len(line) - len(line.lstrip())), break_long_words=False)
        for line in part.split("\n")
    )
    return "\n".join(lines)


def _format_item(number: int, row: dict[str, Any], measure: Measure) -> str:
    names = [strip_control_characters(name) for name in row["names"]]
    more = f" and {len(names) - MAX_PLACE_NAMES:,} more" if len(names) > MAX_PLACE_NAMES else ""
    scope = "" if row["cells"] == 1 else "for example, "
    evidence = f": {scope}{strip_control_characters(row['evidence'])}" if row["evidence"] else ""
    lines = [
        f"{number}. {strip_control_characters(measure.title)}, in {strip_control_characters(measure.unit)} "
        f"(request {row['request']})",
        f"   Missing for: {'; '.join(names[:MAX_PLACE_NAMES])}{more}",
        f"   Likely reason: {REASONS[row['reason']].title}{evidence}",
        f"   Remedy: {strip_control_characters(row['remedy'])}",
    ]
    if row["people"] is not None:
        lines.append(f"   Residents of these places, where known: {row['people']:,.0f}")
    return "\n".join(lines)


def write_letters(project: Project, plan: Plan, folder: Path) -> list[Path]:
    """Write the draft letters for the chosen requests of a plan, or for all requests. Return the files."""
    requests = plan.requests.filter("chosen") if plan.chosen else plan.requests
    drafts = draft_letters(requests, project.catalogue.problems, project.catalogue.measures)
    texts = {
        folder.resolve() / letter_file_name(data_owner): text.encode("utf-8") for data_owner, text in drafts.items()
    }
    sources = public_input_sources(project.catalogue, requests["problems"].explode().unique().drop_nulls())
    files = ((manifest_name(project.home, path), content) for path, content in texts.items())
    write_outputs(project.home, f"letters {folder.resolve()}", sources, files)
    return list(texts)
