"""Doubting what a source gives: its figures looked at, each doubt a caveat of its figure, and a finding."""

from typing import TYPE_CHECKING

import polars as pl

from checks.doubt import cautioned_by, findings_of
from checks.figures import figure_doubts
from checks.upheld import Larger
from pipelines.model import Measure

if TYPE_CHECKING:
    from pipelines.observe import Observed


def doubted(seen: "Observed", measures: dict[str, Measure], members: dict[str, pl.DataFrame]) -> "Observed":
    """Add to what a source gives the doubts of its figures; no figure changes, and no row goes.

    `members` has for each place system of its releases which places larger ones are made of (totals.MEMBER).
    """
    found = figure_doubts(seen.observation, measures, Larger(seen.total, members))
    told = cautioned_by(seen.observation, found)
    return seen._replace(observation=told, finding=pl.concat([seen.finding, findings_of(found)]), doubt=found)
