"""Rules of a source's contract, each declared once: what a cell must be, and the least share of cells that must be so.

Two runners judge the same rules: `checks.contract` in Polars, and `checks.expectations` with Great Expectations.
"""

from typing import Literal, NamedTuple

from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.declarations.source import Source

CELL_TOLERANCE = 0.95
"""Least share of a release's cells that must meet an expectation for the release to be used."""
CODES_TOLERANCE = 0.9
"""Tolerance for codes of another vintage: time series keep rows of councils that have merged since."""
EXPECTATION_FAULTS = {
    "places_known": "unmatched_place",
    "readable": "unreadable",
    "given_once": "duplicate",
    "no_retired_codes": "retired_code",
}
"""Fault of the cells that fail each expectation."""
MOST_EXAMPLES = 5
"""Number of failing cells that a contract states; the findings have all of them."""


class Rule(NamedTuple):
    """One expectation of a source's cells (conform.CELLS).

    `in_set` and `not_in_set` take the texts in `texts`, `between` takes both `limits` inclusively. A cell without a
    text or a figure is not judged, except that it passes `not_in_set` and fails `not_null`. `has_rows` fails where a
    release has no cells. A rule with a `measure` is for the cells of that measure only.
    """

    name: str
    kind: Literal["has_rows", "in_set", "not_in_set", "not_null", "between"]
    column: str
    texts: tuple[str, ...] = ()
    limits: tuple[float, float] = (0.0, 0.0)
    measure: str = ""
    least: float = CELL_TOLERANCE


class Verdict(NamedTuple):
    """Verdict on one rule: cells judged, cells that fail, and the row numbers of the first few failing cells."""

    judged: int
    failing: int
    examples: tuple[int, ...]
    is_tolerated: bool


def source_rules(source: Source) -> tuple[Rule, ...]:
    """Return the rules of a source's contract, from its declaration."""
    tolerances = {"no_retired_codes": CODES_TOLERANCE}
    return (
        Rule("cells", "has_rows", "source", least=1.0),
        Rule("measures_declared", "in_set", "measure", tuple(sorted(source.measures))),
        Rule("statuses_known", "in_set", "obs_status", OBSERVATION_STATUSES),
        Rule("dated", "not_null", "period_start"),
        *(
            Rule(name, "not_in_set", "fault", (fault,), least=tolerances.get(name, CELL_TOLERANCE))
            for name, fault in EXPECTATION_FAULTS.items()
        ),
        *(
            Rule("in_range", "between", "value", limits=measure.range, measure=name)
            for name, measure in source.measures.items()
            if measure.range
        ),
    )


def is_tolerated(rule: Rule, judged: int, failing: int) -> bool:
    """Return whether enough of the judged cells meet a rule; a rule without a judged cell is met."""
    return not judged or (judged - failing) / judged >= rule.least


def judge_height(height: int) -> Verdict:
    """Judge the rule `has_rows` by the number of a release's cells."""
    return Verdict(height, int(height == 0), (), height > 0)
