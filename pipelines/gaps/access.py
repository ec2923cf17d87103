"""Cells of built problems, read from the store."""

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.core.store import read_table, state_path
from pipelines.declarations.acceptances import Acceptance, add_acceptances
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.project import Project
from pipelines.gaps.need_scope import is_open, open_reason
from pipelines.gaps.requests import NOTHING_TO_ASK, REQUEST_KEY, OpenGaps, request_id
from pipelines.gaps.verdicts import weigh_cells

REQUEST_COLUMNS = (
    *("cell_id", "problem", "need", "measure", "place_code", "place_name", "period_start", "value", "reason"),
    *("other_reasons", "caveats", "proxy_measure", "evidence", "data_owner", "remedy"),
)
"""Columns of cells that requests are made from: a copy of all would take more memory than the cells."""


def collect_problem_gaps(
    problem: Problem,
    cells: pl.DataFrame,
    verdict_table: pl.DataFrame,
    acceptances: tuple[Acceptance, ...],
    project: Project,
) -> OpenGaps:
    """Collect the open gaps of one problem, from its cells (REQUEST_COLUMNS) and verdicts (verdicts.VERDICT)."""
    missing = cells.filter(pl.col("reason").is_not_null())
    blocking = weigh_cells(missing, problem.header).filter("blocks").select("cell_id", pl.lit(True).alias("blocks"))
    open_cells = cells.filter(is_open()).with_columns(open_reason().alias("reason"))
    candidates = add_acceptances(_fill_owner_and_remedy(open_cells), acceptances, project.as_of)
    is_requestable = ~pl.col("is_accepted") & ~pl.col("reason").is_in(sorted(NOTHING_TO_ASK))
    kinds = {row: request_id(*row) for row in candidates.select(REQUEST_KEY).unique().iter_rows()}
    request_ids = pl.DataFrame(
        [(*row, name) for row, name in kinds.items()],
        schema=dict.fromkeys((*REQUEST_KEY, "request"), pl.String),
        orient="row",
    )
    gaps = (
        candidates.join(request_ids, on=REQUEST_KEY, how="left", maintain_order="left")
        .join(blocking, on="cell_id", how="left", maintain_order="left")
        .with_columns(pl.when(is_requestable).then("request").alias("request"), pl.col("blocks").fill_null(False))
    )
    periods = verdict_table["period_start"].n_unique()
    answers = verdict_table.filter(pl.col("verdict") == "not_answerable").select(
        "problem",
        "place_code",
        "period_start",
        pl.lit(1 / max(periods, 1)).alias("share"),
        pl.col("residents").alias("people"),
    )
    columns = ("problem", "measure", "place_code", "place_name", "period_start", *("data_owner", "reason", "remedy"),
               "evidence", "request", "blocks")  # fmt: skip
    people = verdict_table.select("place_code", people="residents").drop_nulls().unique("place_code")
    return OpenGaps(gaps.select(columns), answers, people)


def _fill_owner_and_remedy(gaps: pl.DataFrame) -> pl.DataFrame:
    """Fill a missing data owner or remedy from the definition of the gap's reason."""
    return gaps.with_columns(
        pl.coalesce(column, pl.col("reason").replace_strict({c: getattr(r, column) for c, r in REASONS.items()}))
        for column in ("data_owner", "remedy")
    )


def collect_gaps(project: Project, problems: list[str]) -> OpenGaps:
    """Collect the open gaps of some built problems."""
    per_problem = [
        collect_problem_gaps(
            project.catalogue.problems[name],
            read_table(state_path(project.home, "cell", name), REQUEST_COLUMNS),
            read_table(state_path(project.home, "verdict", name)),
            project.catalogue.acceptances.get(name, ()),
            project,
        )
        for name in problems
    ]
    people = pl.concat([one.people for one in per_problem]).unique("place_code", keep="first", maintain_order=True)
    return OpenGaps(
        pl.concat([one.gaps for one in per_problem]), pl.concat([one.answers for one in per_problem]), people
    )
