"""Refusals of `over_time`, `accept` and `carry` for kinds of measures that they would make wrong."""

from collections.abc import Mapping
from pathlib import Path

from pipelines.core.errors import DeclarationError, file_location
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.yaml_lines import LineNumbers

_KINDS_OVER_TIME = {"sum": ("count",), "mean": ("stock",)}
"""Kinds of measures that may be added up, or averaged, over time."""


def refuse_wrong_time_keys(
    header: ProblemHeader, lines: LineNumbers, path: Path, measures: Mapping[str, Measure]
) -> None:
    """Raise DeclarationError for a sum of other figures than counts, a mean of others than stocks, or a count accepted.

    A rate is never summed or averaged: its parts are, and the SELECT divides them.
    """
    for name, need in header.needs.items():
        for measure in need.one_of or (name,):
            kind = measures[measure].kind
            allowed = _KINDS_OVER_TIME.get(need.over_time or "")
            if allowed and kind not in allowed:
                advice = "; ask for its numerator and denominator, and divide them in the SELECT" * (kind == "rate")
                where = file_location(path, lines.get(("needs", name, "over_time")))
                raise DeclarationError(
                    f"{where}: needs: {name}: found over_time: {need.over_time} for {measure}, a {kind}, expected a "
                    f"{allowed[0]}{advice}"
                )
            if need.accept and kind == "count":
                where = file_location(path, lines.get(("needs", name, "accept")))
                raise DeclarationError(
                    f"{where}: needs: {name}: {measure} is a count, and a count for a "
                    f"{need.accept.replace('_', ' ')} is several times as high as for a {header.grain}; remove accept"
                )
