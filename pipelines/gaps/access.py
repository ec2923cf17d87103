"""Cells of built problems, read from the store."""

from pathlib import Path

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.reasons import REASONS
from pipelines.core.store import read_table, state_path, table_key
from pipelines.declarations.acceptances import Accepted, with_acceptance
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import ANSWERED, Keys
from pipelines.declarations.project import Project
from pipelines.gaps.ledger_load import ledger_path
from pipelines.gaps.proxies import is_open, open_reason
from pipelines.gaps.requests import NOTHING_TO_ASK, REQUEST, Gaps, request_id
from pipelines.gaps.verdicts import weighed


def built_cells(project: Project, problem: str) -> pl.DataFrame:
    """Read the typed cells of a built problem; raise CommongroundError where it is not built."""
    path = state_path(project.home, "cell", project.catalogue.problem(problem).name)
    if not path.is_file():
        raise CommongroundError(f"{problem}: not built yet; run `commonground build {problem}`")
    return read_table(path)


def gaps_of_problem(
    problem: Problem, cells: pl.DataFrame, judged: pl.DataFrame, accepted: tuple[Accepted, ...], project: Project
) -> Gaps:
    """Collect the open gaps of one problem, from its cells (schema.CELL) and verdicts (verdicts.VERDICT)."""
    blocking = weighed(cells, problem.header).filter("blocks").select("cell_id", pl.lit(True).alias("blocks"))
    found = cells.filter(is_open()).with_columns(open_reason().alias("reason"))
    told = with_acceptance(_with_holder(found), accepted, project.as_of)
    asked = ~pl.col("is_accepted") & ~pl.col("reason").is_in(sorted(NOTHING_TO_ASK))
    kinds = {row: request_id(*row) for row in told.select(REQUEST).unique().iter_rows()}
    named = pl.DataFrame(
        [(*row, name) for row, name in kinds.items()],
        schema=dict.fromkeys((*REQUEST, "request"), pl.String),
        orient="row",
    )
    gaps = (
        told.join(named, on=REQUEST, how="left", maintain_order="left")
        .join(blocking, on="cell_id", how="left", maintain_order="left")
        .with_columns(pl.when(asked).then("request").alias("request"), pl.col("blocks").fill_null(False))
    )
    periods = judged["period_start"].n_unique()
    answers = judged.filter(pl.col("verdict") == "not_answerable").select(
        "problem", "place_code", "period_start", pl.lit(1 / max(periods, 1)).alias("share"), "people"
    )
    columns = ("problem", "measure", "place_code", "place_name", "period_start", *("holder", "reason", "remedy"),
               "evidence", "request", "blocks")  # fmt: skip
    people = judged.select("place_code", "people").drop_nulls().unique("place_code")
    return Gaps(gaps.select(columns), answers, people)


def _with_holder(gaps: pl.DataFrame) -> pl.DataFrame:
    """Fill a missing data owner or remedy from the definition of the gap's reason."""
    return gaps.with_columns(
        pl.coalesce(column, pl.col("reason").replace_strict({c: getattr(r, column) for c, r in REASONS.items()}))
        for column in ("holder", "remedy")
    )


def gaps_held(project: Project, problems: list[str]) -> Gaps:
    """Collect the open gaps of some built problems."""
    each = [
        gaps_of_problem(
            project.catalogue.problems[name],
            read_table(state_path(project.home, "cell", name)),
            read_table(state_path(project.home, "verdict", name)),
            project.catalogue.accepted.get(name, ()),
            project,
        )
        for name in problems
    ]
    people = pl.concat([one.people for one in each]).unique("place_code", keep="first", maintain_order=True)
    return Gaps(pl.concat([one.gaps for one in each]), pl.concat([one.answers for one in each]), people)


def answer_is_fresh(home: Path, name: str, made: Keys) -> bool:
    """Return whether a problem's tables exist and were built from the current inputs."""
    return all(table_key(state_path(home, table, name)) == made.answer[name] for table in ANSWERED)


def answered_now(project: Project, made: Keys) -> list[str]:
    """List the problems with tables built from the current inputs; outputs use no others."""
    return [name for name in sorted(project.catalogue.problems) if answer_is_fresh(project.home, name, made)]


def answered_before(project: Project, made: Keys) -> list[str]:
    """List the problems with tables built from other inputs than the current ones.

    A problem with a ledger counts as built, even where its tables are missing, as after an upgrade.
    """
    home = project.home
    there = (
        name
        for name in project.catalogue.problems
        if state_path(home, "cell", name).is_file() or ledger_path(home, name).is_file()
    )
    return sorted(name for name in there if not answer_is_fresh(home, name, made))
