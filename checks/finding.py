"""What a check is given and what it gives: a source as read, and findings."""

from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.core.schema import FINDING, conformed, rows
from pipelines.core.store import Snapshot
from pipelines.declarations.source import Source


class Read(NamedTuple):
    """One release of a source as read: what a check of a source looks at.

    `cells` has the columns of conform.CELLS: every cell, the ones that can't be used with their fault.
    `places` has the columns of schema.PLACE: the places of the source's own system. `left_out` counts the rows that the
    declaration leaves out; `vain` says what it names and the file does not have.
    """

    name: str
    source: Source
    snapshot: Snapshot
    cells: pl.DataFrame
    places: pl.DataFrame
    left_out: int = 0
    vain: tuple[str, ...] = ()


Check = Callable[[Read], pl.DataFrame]
"""A check of a source: from one release as read to findings (schema.FINDING). No rows is a pass."""


def findings(read: Read, check: str, reason: str, found: pl.DataFrame, **given: Any) -> pl.DataFrame:
    """Make findings of one reason from rows that tell the place, the period and the evidence.

    Columns that `found` lacks are null; `given` sets a column for all. Severity, holder and remedy are
    those of the reason.
    """
    told = REASONS[reason]
    holder = told.holder.replace("the publisher", read.source.publisher)
    fixed = {
        "source": read.name,
        "release": read.snapshot.sha256,
        "check": check,
        "reason": reason,
        "severity": told.severity,
        "holder": holder,
        "remedy": told.remedy,
        "set_aside": False,
        "file": read.snapshot.file,
        **given,
    }
    set_here = [
        pl.lit(value).alias(name) for name, value in fixed.items() if name in given or name not in found.columns
    ]
    return conformed(found.with_columns(set_here), FINDING)


def in_vain(name: str, check: str, reason: str, texts: list[str], file: str, remedy: str) -> pl.DataFrame:
    """Make findings of what a person declared for a source and no file held has: one for each text."""
    row = {"source": name, "check": check, "reason": reason, "severity": "info", "set_aside": False, "file": file}
    row |= {"holder": "the maintainer of the source declaration", "remedy": remedy}
    return rows([{**row, "evidence": text} for text in texts], FINDING)


def source_fault(name: str, check: str, evidence: str, file: str) -> pl.DataFrame:
    """Make the finding that a whole file could not be used."""
    told = REASONS["fetch_failed"]
    row = {
        "source": name,
        "check": check,
        "reason": "fetch_failed",
        "severity": "error",
        "set_aside": True,
        "evidence": evidence,
        "holder": told.holder,
        "remedy": told.remedy,
        "file": file,
    }
    return conformed(pl.DataFrame([row]), FINDING)
