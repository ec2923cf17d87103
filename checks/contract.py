"""Contract of a source: columns, types, keys, ranges and sets, as `checks.rules` declares them, judged in Polars.

Each expectation has a tolerance. Within it the build continues and failures become findings. Beyond it the file has the
wrong shape: the release is rejected and the previous release stays in use.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from checks.rules import EXPECTATION_FAULTS, MOST_EXAMPLES, Rule, Verdict, is_tolerated, judge_height, source_rules
from pipelines.core.distinct import number_entries
from pipelines.declarations.source import Source

CONTRACT: dict[str, Any] = {
    "source": pl.String,
    "release": pl.String,
    "expectation": pl.String,
    "measure": pl.String,
    "met": pl.Boolean,
    "tolerated": pl.Boolean,
    "cells": pl.Int64,
    "failing": pl.Int64,
    "sample": pl.String,
}
ContractRunner = Callable[[pl.DataFrame, Sequence[Rule]], list[Verdict]]
"""Runner of a contract: from the cells of a release (conform.CELLS) and rules to one verdict for each rule."""


def judge_cells(cells: pl.DataFrame, rules: Sequence[Rule]) -> list[Verdict]:
    """Judge the cells of a release (conform.CELLS) in Polars; return one verdict for each rule.

    A rule of texts is judged by the number of cells with each text of its column.
    """
    texts = {name: _count_texts(cells[name]) for name in {rule.column for rule in rules if _is_of_texts(rule)}}
    fails = {number: _fails_rule(rule) for number, rule in enumerate(rules) if _is_of_figures(rule)}
    counts = cells.select(
        expression.alias(f"{name}{number}")
        for number, failed in fails.items()
        for name, expression in (("judged", failed.count()), ("failing", failed.sum()))
    )
    verdicts = []
    for number, rule in enumerate(rules):
        if rule.kind == "has_rows":
            verdicts.append(judge_height(cells.height))
            continue
        judged, failing = (
            _judge_texts(texts[rule.column], rule)
            if _is_of_texts(rule)
            else (counts[f"judged{number}"][0], counts[f"failing{number}"][0])
        )
        verdicts.append(_state_verdict(cells, rule, _fails_rule(rule), judged, failing))
    return verdicts


def _is_of_texts(rule: Rule) -> bool:
    return rule.kind in ("in_set", "not_in_set") and not rule.measure


def _is_of_figures(rule: Rule) -> bool:
    return rule.kind != "has_rows" and not _is_of_texts(rule)


def _count_texts(column: pl.Series) -> dict[str | None, int]:
    """Count the cells with each text of a column; null where they have none."""
    numbers, entries = number_entries(column)
    counts = np.bincount(numbers, minlength=entries.len()).tolist()
    return dict(zip(entries.cast(pl.String).to_list(), counts, strict=False))


def _judge_texts(counts: dict[str | None, int], rule: Rule) -> tuple[int, int]:
    """Return the number of cells that a rule of texts judges, and of those that fail it."""
    known = {text: number for text, number in counts.items() if text is not None}
    without = counts.get(None, 0) if rule.kind == "not_in_set" else 0
    wrong = [number for text, number in known.items() if (text in rule.texts) == (rule.kind == "not_in_set")]
    return sum(known.values()) + without, sum(wrong)


def _fails_rule(rule: Rule) -> pl.Expr:
    """Return whether a cell fails a rule; null where the rule does not judge the cell."""
    column = pl.col(rule.column)
    if rule.kind == "not_null":
        fails = column.is_null()
    elif rule.kind == "between":
        fails = ~column.fill_nan(None).is_between(*rule.limits)
    elif rule.kind == "not_in_set":
        fails = column.cast(pl.String).is_in(list(rule.texts)).fill_null(False)
    else:
        fails = ~column.cast(pl.String).is_in(list(rule.texts))
    return pl.when(pl.col("measure") == rule.measure).then(fails) if rule.measure else fails


def _state_verdict(cells: pl.DataFrame, rule: Rule, fails: pl.Expr, judged: int, failing: int) -> Verdict:
    examples = cells.select(fails.fill_null(False).arg_true().head(MOST_EXAMPLES)).to_series() if failing else ()
    return Verdict(judged, failing, tuple(examples), is_tolerated(rule, judged, failing))


def judge_releases(
    source: Source, releases: Sequence[pl.DataFrame], runner: ContractRunner = judge_cells
) -> pl.DataFrame:
    """Judge each release (conform.CELLS, one frame a release) by the source's contract; return CONTRACT rows.

    A build uses the runner in Polars. `checks.expectations.judge_with_expectations` judges the same rules with Great
    Expectations.
    """
    rules = source_rules(source)
    rows = [row for cells in releases for row in _list_contract_rows(cells, rules, runner(cells, rules))]
    return pl.DataFrame(rows, schema=CONTRACT, orient="row")


def _list_contract_rows(
    cells: pl.DataFrame, rules: Sequence[Rule], verdicts: Sequence[Verdict]
) -> list[tuple[object, ...]]:
    """Return the CONTRACT rows of one release, in the order of the rules."""
    name, release = (str(cells[column][0]) if cells.height else "" for column in ("source", "release"))
    by_measure = _count_texts(cells["measure"]) if any(rule.measure for rule in rules) else {}
    rows: list[tuple[object, ...]] = []
    for rule, verdict in zip(rules, verdicts, strict=True):
        subset = by_measure.get(rule.measure, 0) if rule.measure else cells.height
        met = verdict.failing == 0
        sample = _name_fault(rule) if met or rule.kind == "has_rows" else _describe_failures(cells, rule, verdict)
        rows.append(
            (name, release, rule.name, rule.measure, met, verdict.is_tolerated, subset, verdict.failing, sample)
        )
    return rows


def _name_fault(rule: Rule) -> str:
    return "rows of the file" if rule.kind == "has_rows" else EXPECTATION_FAULTS.get(rule.name, rule.name)


def _describe_failures(cells: pl.DataFrame, rule: Rule, verdict: Verdict) -> str:
    """Describe the failures: the fault, and a few of the places and figures; the findings have all of them."""
    place, text = (pl.col(name).cast(pl.String) for name in ("place_label", "text"))
    some = cells[list(verdict.examples)].select(
        pl.format("{} {}", pl.coalesce(place, pl.col("place_code").cast(pl.String)).fill_null("?"), text.fill_null(""))
    )
    return f"{_name_fault(rule)}: " + ", ".join(some.to_series())
