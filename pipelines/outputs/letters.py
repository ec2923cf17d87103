"""Draft letters: for each holder one, in plain text, with all that is asked of them."""

import hashlib
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.core.output_files import listed_name, write_outputs
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import rests_on
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps import Plan

STEERING = ("Cc", "Cf", "Cs", "Co")
"""Unicode's categories of characters that are not written but do something, or mean nothing."""
NAMED = 12
"""Places named in a letter before the rest is counted."""


def plain(text: str) -> str:
    """Keep a text from data on one line and free of marks that steer a terminal or turn the direction of writing."""
    seen = (" " if char.isspace() else char for char in text)
    return " ".join("".join(char for char in seen if unicodedata.category(char) not in STEERING).split())


def file_name(holder: str) -> str:
    """Name the file of a holder's letter: readable, safe on every system, and of no other holder."""
    slug = re.sub(r"[^a-z0-9]+", "-", holder.casefold()).strip("-")[:60]
    return f"{slug or 'holder'}-{hashlib.sha256(holder.encode()).hexdigest()[:6]}.txt"


def letters(requests: pl.DataFrame, problems: Mapping[str, Problem], measures: Mapping[str, Measure]) -> dict[str, str]:
    """Draft a letter to each holder of some requests (requests.ranked), by holder in order of name."""
    return {
        holder: letter(holder, requests.filter(pl.col("holder") == holder).to_dicts(), problems, measures)
        for holder in sorted(set(requests["holder"]))
    }


def letter(
    holder: str, asked: list[dict[str, Any]], problems: Mapping[str, Problem], measures: Mapping[str, Measure]
) -> str:
    """Draft the letter to one holder: what for, what is missing where and why, and what would close it."""
    names = sorted({name for row in asked for name in row["problems"]})
    what_for = [
        f"- {plain(problems[name].header.question)}\n  It serves this decision: {plain(problems[name].header.decision)}"
        for name in names
    ]
    owners = sorted({plain(problems[name].header.owner) for name in names})
    items = [_item(number, row, measures[row["measure"]]) for number, row in enumerate(asked, 1)]
    parts = [
        f"To: {plain(holder)}",
        "Dear colleague,",
        "We are working on:",
        *what_for,
        "For that we need figures which we understand you may be able to supply, or to open:",
        *items,
        _CLOSING,
        "Yours faithfully,",
        *owners,
    ]
    return "\n\n".join(_wrapped(part) for part in parts) + "\n"


_CLOSING = (
    "If you hold the figures and they can't be published, please tell us why, and whether a total, a range or a larger "
    "area could be. If you do not hold them, please tell us who does. Please send figures with the codes of the "
    "places, the period that they are of, and how they are rounded or suppressed; leave blank what is not known."
)


def _wrapped(part: str) -> str:
    """Break the lines of a paragraph at 80 characters; what is indented stays so."""
    lines = (
        textwrap.fill(line, 80, subsequent_indent=" " * (len(line) - len(line.lstrip())), break_long_words=False)
        for line in part.split("\n")
    )
    return "\n".join(lines)


def _item(number: int, row: dict[str, Any], measure: Measure) -> str:
    names = [plain(name) for name in row["names"]]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    of_one = "" if row["cells"] == 1 else "for one of them, "
    evidence = f": {of_one}{plain(row['evidence'])}" if row["evidence"] else ""
    lines = [
        f"{number}. {plain(measure.title)}, in {plain(measure.unit)} (request {row['request']})",
        f"   Missing for: {'; '.join(names[:NAMED])}{more}",
        f"   Why, as far as we can tell: {REASONS[row['reason']].title}{evidence}",
        f"   What would help: {plain(row['remedy'])}",
    ]
    if row["people"] is not None:
        lines.append(f"   People who live in those places, as far as is known: {row['people']:,.0f}")
    return "\n".join(lines)


def write_letters(project: Project, made: Plan, folder: Path) -> list[Path]:
    """Write the draft letters of a plan into a folder, of what is chosen or else of all; give the files."""
    asked = made.requests.filter("chosen") if made.chosen else made.requests
    found = letters(asked, project.catalogue.problems, project.catalogue.measures)
    texts = {folder.resolve() / file_name(holder): text.encode("utf-8") for holder, text in found.items()}
    sources = rests_on(project.catalogue, asked["problems"].explode().unique().drop_nulls())
    named = ((listed_name(project.home, path), content) for path, content in texts.items())
    write_outputs(project.home, f"letters {folder.resolve()}", sources, named)
    return list(texts)
