"""Requests to data owners: open gaps grouped by request, and the answers that each request would unlock.

A request goes to one data owner, for one measure, missing for one reason. An answer is a place and period of a problem.
It needs every essential gap in it closed, so the effect of several requests is not the sum of their single effects.
"""

import hashlib
from typing import NamedTuple

import polars as pl

from pipelines.core.table_cache import keep_results

REQUEST_KEY = ("data_owner", "measure", "reason")
NOTHING_TO_ASK = frozenset({"not_applicable", "not_due"})
"""Reasons without a request: the figure cannot exist, or will be published without one."""


class OpenGaps(NamedTuple):
    """Open gaps of some problems, and the answers that they block.

    `gaps` has one row a cell: problem, measure, place_code, place_name, period_start, data_owner, reason, remedy,
    evidence, request and blocks. `request` is null where the gap is accepted or needs no request. `answers` has one row
    for each place and period that is not answerable: problem, place_code, period_start, share and people. `share` is 1
    over the number of periods of the problem. `people` has place_code and people, where the population is known.
    """

    gaps: pl.DataFrame
    answers: pl.DataFrame
    people: pl.DataFrame


def request_id(holder: str, measure: str, reason: str) -> str:
    """Return the stable identifier of a request: the start of the hash of its content."""
    return hashlib.sha256("\x00".join((holder, measure, reason)).encode()).hexdigest()[:8]


@keep_results(1)
def bundle_answers(open_gaps: OpenGaps) -> pl.DataFrame:
    """Group answers that wait for the same requests: requests (sorted), answers, places, people.

    Answers with a blocking gap that has no request are left out, since no plan unlocks them. `people` counts a place's
    population once over all periods of a problem; places with unknown population add none.
    """
    key = ["problem", "place_code", "period_start"]
    blocking = (
        open_gaps.gaps.filter("blocks")
        .group_by(key)
        .agg(pl.col("request").unique().sort().alias("requests"), pl.col("request").is_null().any().alias("stuck"))
    )
    waiting = open_gaps.answers.join(blocking.filter(~pl.col("stuck")), on=key, how="inner")
    weighted = waiting.with_columns((pl.col("people") * pl.col("share")).alias("people"))
    grouped = weighted.with_columns(pl.col("requests").list.join(",").alias("together")).group_by("together").agg(
        pl.col("requests").first(), pl.len().alias("answers"), pl.col("place_code").n_unique().alias("places"),
        pl.col("people").sum(),
    )  # fmt: skip
    return grouped.sort("together").drop("together")


def rank_requests(open_gaps: OpenGaps) -> pl.DataFrame:
    """Rank requests by the people and answers that each would unlock alone, then by the answers that wait for it.

    Returns request, data_owner, measure, reason, remedy, evidence (of one gap), problems, cells, places and people.
    `people` counts each place once and is null where no population is known. `answers_alone` and `people_alone` count
    what the request unlocks by itself, `answers_waiting` the answers that cannot be unlocked without it.
    """
    requestable = open_gaps.gaps.drop_nulls("request").sort("problem", "place_code", "period_start")
    rows = requestable.group_by("request", *REQUEST_KEY).agg(
        pl.col("remedy").first(), pl.col("evidence").first(), pl.col("problem").unique().sort().alias("problems"),
        pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().alias("names"),
    )  # fmt: skip
    with_unlocked = rows.join(_count_people(requestable, open_gaps), on="request", how="left").join(
        _answers_alone(open_gaps), on="request", how="left"
    )
    waiting = _answers_waiting(open_gaps)
    full = with_unlocked.join(waiting, on="request", how="left").with_columns(
        pl.col("answers_alone", "answers_waiting", "people_alone").fill_null(0)
    )
    by = ["people_alone", "answers_alone", "answers_waiting", "people", "cells", "request"]
    return full.sort(by, descending=[True] * 5 + [False], nulls_last=True)


def _count_people(requestable: pl.DataFrame, open_gaps: OpenGaps) -> pl.DataFrame:
    once = requestable.select("request", "place_code").unique().join(open_gaps.people, on="place_code", how="inner")
    return once.group_by("request").agg(pl.col("people").sum())


def _answers_alone(open_gaps: OpenGaps) -> pl.DataFrame:
    single = bundle_answers(open_gaps).filter(pl.col("requests").list.len() == 1)
    return single.select(
        pl.col("requests").list.first().alias("request"), pl.col("answers").alias("answers_alone"),
        pl.col("people").alias("people_alone"),
    )  # fmt: skip


def _answers_waiting(open_gaps: OpenGaps) -> pl.DataFrame:
    bundle_rows = bundle_answers(open_gaps).explode("requests")
    return bundle_rows.group_by(pl.col("requests").alias("request")).agg(
        pl.col("answers").sum().alias("answers_waiting")
    )
