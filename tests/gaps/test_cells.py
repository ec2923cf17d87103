"""Why a cell is empty: every reason made to hold on purpose, in a small project of real files."""

import shutil
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import CommongroundError
from pipelines.core.reasons import REASON_PRECEDENCE, REASONS
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.gaps import grid
from tests.small import copied, stored_places

ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = date(2024, 6, 30)
MERTON, SUTTON, CUMBERLAND, BELFAST, BARNSLEY = "E09000024", "E09000029", "E06000063", "N09000003", "E08000016"
EVERYONE = [f"E090000{n:02}" for n in range(1, 34)]


class Case(NamedTuple):
    """Case of one cell: the source, its rows, the limits of the problem, and the expected cell."""

    reason: str | None
    place: str
    rows: list[str]
    source: str = "period_kind: year\ngeography: lad_2023\n"
    need: str = "{}"
    grain: str = "grain: latest"
    measure: str = "kind: stock"
    value: float | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    older: list[str] | None = None
    also: str | None = None
    columns: str = "{place: code, label: name, period: period}"


def with_peers(*rows: str, year: int | str = 2023) -> list[str]:
    """Add a row for each borough that the rows do not name, so that peers are there."""
    named = {row.split(",")[0] for row in rows}
    return [*rows, *(f"{code},x,{year},5" for code in EVERYONE if code not in named)]


OLD = "period_kind: year\ngeography: lad_2019\n"
MONTH = "period_kind: month\ngeography: lad_2023\ncadence: monthly, 2 months later\n"
BY_MONTH = "grain: month\nperiods: {start: 2024-03, end: 2024-03}"
IN_2022 = "grain: year\nperiods: {start: '2022', end: '2022'}"
PARTS = [f"{code},x,2023,{value}" for code, value in (("E07000026", 10), ("E07000028", 20), ("E07000029", 30))]
RATE = "kind: rate, denominator: unheld"

CASES = {
    "a figure": Case(None, MERTON, with_peers(f"{MERTON},x,2023,7"), value=7.0, bounds=(7.0, 7.0)),
    "a nought": Case(None, MERTON, with_peers(f"{MERTON},x,2023,0"), value=0.0, bounds=(0.0, 0.0)),
    "rounded": Case(
        None, MERTON, with_peers(f"{MERTON},x,2023,5"), measure="kind: stock, rounding: 5", value=5.0, bounds=(2.5, 7.5)
    ),
    "merged": Case(None, CUMBERLAND, PARTS, source=OLD, value=60.0, bounds=(60.0, 60.0)),
    "former councils of the period": Case(
        None, CUMBERLAND, with_peers(*(row.replace("2023", "2022") for row in PARTS), year=2022), grain=IN_2022,
        value=60.0, bounds=(60.0, 60.0),
    ),
    "former councils of the period, one without a row": Case(
        "children_incomplete", CUMBERLAND, with_peers(*(row.replace("2023", "2022") for row in PARTS[:2]), year=2022),
        grain=IN_2022, bounds=(30.0, None),
    ),
    "former councils beside a row of their successor without a figure": Case(
        None, CUMBERLAND, with_peers(*(row.replace("2023", "2022") for row in PARTS), f"{CUMBERLAND},x,2022,z",
                                     year=2022), grain=IN_2022, value=60.0, bounds=(60.0, 60.0),
    ),
    "former councils beside their successor's figure": Case(
        None, CUMBERLAND, with_peers(*(row.replace("2023", "2022") for row in PARTS), f"{CUMBERLAND},x,2022,61",
                                     year=2022), grain=IN_2022, value=61.0, bounds=(61.0, 61.0),
    ),
    "former councils after their end": Case("retired_code", CUMBERLAND, with_peers(*(
        row.replace("2023", "2024") for row in PARTS), year=2024), grain=IN_2022.replace("2022", "2024")),
    "no row where none was": Case(
        "none_or_not_reported", "E08000035", with_peers(),
        source="period_kind: year\ngeography: lad_2023\n"
        "returns: {providers: councils, absent_row: none_or_not_reported}\n",
    ),
    "suppressed": Case("suppressed", MERTON, with_peers(f"{MERTON},x,2023,c"), bounds=(1.0, 4.0)),
    "blank": Case("not_available", MERTON, with_peers(f"{MERTON},x,2023,")),
    "can't be": Case("not_applicable", MERTON, with_peers(f"{MERTON},x,2023,z")),
    "no row": Case(
        "not_returned", "E08000035", with_peers()
    ),
    "row gone from the newest release": Case(
        "withdrawn", "E08000035", with_peers(), older=with_peers("E08000035,x,2023,9")
    ),
    "blank, its row marked": Case(
        "suppressed", MERTON, [f"{MERTON},c,2023,", *(f"{code},,2023,5" for code in EVERYONE if code != MERTON)],
        columns="{place: code, status: name, period: period}", bounds=(1.0, 4.0),
    ),
    "text": Case("unreadable", MERTON, with_peers(f"{MERTON},x,2023,about ten")),
    "beyond its range": Case("implausible", MERTON, with_peers(f"{MERTON},x,2023,99998")),
    "twice, differently": Case(
        "duplicate",
        MERTON,
        [*with_peers(f"{MERTON},x,2023,7"), f"{MERTON},x,2023,8", *(f"{code},x,2022,1" for code in EVERYONE)],
    ),
    "under a later code": Case("retired_code", BARNSLEY, with_peers("E08000038,x,2023,7")),
    "too old": Case("stale", MERTON, with_peers(f"{MERTON},x,2020,7", year=2020), need="{max_age: 1 year}"),
    "too old and hidden": Case(
        "stale", MERTON, with_peers(f"{MERTON},x,2020,c", year=2020), need="{max_age: 1 year}", also="suppressed"
    ),
    "after the only one there is": Case(
        "after_series", MERTON, with_peers(f"{MERTON},x,2024-01,7", year="2024-01"), grain=BY_MONTH,
        source=MONTH.replace("monthly", "once"),
    ),
    "not due": Case(
        "not_due", MERTON, with_peers(f"{MERTON},x,2024-01,7", year="2024-01"), grain=BY_MONTH,
        source=MONTH.replace("2 months", "6 months"),
    ),
    "past due": Case("late", MERTON, with_peers(f"{MERTON},x,2024-01,7", year="2024-01"), source=MONTH, grain=BY_MONTH),
    "before the first": Case(
        "before_series", MERTON, with_peers(f"{MERTON},x,2024-05,7", year="2024-05"), source=MONTH, grain=BY_MONTH
    ),
    "a month left out": Case(
        "no_figure_for_period", MERTON, with_peers(f"{MERTON},x,2024-02,7", f"{MERTON},x,2024-04,7", year="2024-04"),
        source=MONTH, grain=BY_MONTH,
    ),
    "of a longer time": Case(
        "no_figure_for_period", MERTON, with_peers(f"{MERTON},x,2023,7"), grain=BY_MONTH
    ),
    "of a longer time and hidden": Case(
        "no_figure_for_period", MERTON, with_peers(f"{MERTON},x,2023,c"), grain=BY_MONTH
    ),
    "of days of a count": Case(
        "no_figure_for_period", MERTON, with_peers(f"{MERTON},x,2024-03-31,7", year="2024-03-31"), grain=BY_MONTH,
        source=MONTH.replace("period_kind: month", "period_kind: day"), measure="kind: count",
    ),
    "of a day of a stock": Case(
        None, MERTON, with_peers(f"{MERTON},x,2024-03-30,7", f"{MERTON},x,2024-04-01,8", year="2024-03-30"),
        source=MONTH.replace("period_kind: month", "period_kind: day"), grain=BY_MONTH, value=7.0, bounds=(7.0, 7.0),
    ),
    "a place's own newest figure": Case(
        None, "E08000035", [*with_peers(), "E08000035,x,2022,9"], need="{carry: 1 year}", value=9.0, bounds=(9.0, 9.0),
    ),
    "a place's own figure, too old": Case(
        "not_returned", "E08000035", [*with_peers(), "E08000035,x,2021,9"], need="{carry: 1 year}",
    ),
    "a place's own figure, not allowed": Case("not_returned", "E08000035", [*with_peers(), "E08000035,x,2022,9"]),
    "carried forward": Case(
        None, MERTON, with_peers(f"{MERTON},x,2024-02,7", year="2024-02"), source=MONTH, grain=BY_MONTH,
        need="{carry: 1 month}", value=7.0, bounds=(7.0, 7.0),
    ),
    "carried forward and hidden": Case(
        "suppressed", MERTON, with_peers(f"{MERTON},x,2024-02,c", year="2024-02"), source=MONTH, grain=BY_MONTH,
        need="{carry: 1 month}",
    ),
    "carried no further": Case(
        "late", MERTON, with_peers(f"{MERTON},x,2024-01,7", year="2024-01"), source=MONTH, grain=BY_MONTH,
        need="{carry: 1 month}",
    ),
    "older than two years and the lag": Case("stale", MERTON, with_peers(f"{MERTON},x,2021,7", year=2021)),
    "another nation": Case(
        "nation_not_covered", BELFAST, with_peers(), source=OLD.replace("2019", "2023") + "coverage: [England]\n"
    ),
    "published together": Case(
        "combined_area", MERTON, with_peers(f"{MERTON},x,2023,50", f"{SUTTON},x,2023,50"),
        source=f"period_kind: year\ngeography: lad_2023\npublished_together: [[{MERTON}, {SUTTON}]]\n",
        bounds=(0.0, 50.0),
    ),
    "an old district missing": Case("children_incomplete", CUMBERLAND, PARTS[:2], source=OLD, bounds=(30.0, None)),
    "an old district hidden": Case(
        "children_incomplete", CUMBERLAND, [*PARTS[:2], "E07000029,x,2023,c"], source=OLD, bounds=(31.0, 34.0)
    ),
    "a rate of merged districts": Case(
        "needs_parts", CUMBERLAND, PARTS, source=OLD, measure=RATE, bounds=(10.0, 30.0)
    ),
    "a file that is none": Case("fetch_failed", MERTON, ["<html>"], source=OLD),
}  # fmt: skip


ABOUT = "title: t\npublisher: A publisher\nlicence: l\npage: https://example.org\n"


def project_of(case: Case, folder: Path) -> Project:
    """Write the project of one case: the real register and changes, one source, one problem.

    Its store has the tables of the register and of the changes, which are the same in each case.
    """
    return _project_of({"a_problem": {"a_source": ("figure", case)}}, folder)


def _project_of(problems: dict[str, dict[str, tuple[str, Case]]], folder: Path) -> Project:
    """Write a project of problems, each with its sources, one for the case of each measure."""
    root, sources = folder / "project", folder / "project" / "sources"
    write_districts(folder)
    copied(Path(stored_places(write_districts, AS_OF).name), folder / "store")
    for problem, needs in problems.items():
        for source, (measure, case) in needs.items():
            _write_source(sources, source, measure, case, "" if len(needs) == 1 else f"{source}_")
        _write_problem(root / "pipelines" / "problems" / f"{problem}.sql", dict(needs.values()))
    (sources / "no_source.yaml").write_text(
        f"{ABOUT}access: not_held\nrequest: Ask.\nmeasures: {{unheld: {{title: u, unit: things, kind: stock}}}}\n"
    )
    return Project(load_catalogue(root), folder / "store", AS_OF)


def _write_source(sources: Path, name: str, measure: str, case: Case, files: str) -> None:
    """Declare a source with the releases of a case; `files` begins the names of its files."""
    releases = (
        [("2024-05-01", case.rows)] if case.older is None else [("2024-04-01", case.older), ("2024-05-01", case.rows)]
    )
    for day, rows in releases:
        path = sources / "starter" / f"{files}{day}.csv"
        path.write_text("\n".join(["code,name,period,figure", *rows]) + "\n")
    listed = ", ".join(f"{{file: starter/{files}{day}.csv, released: {day}}}" for day, _ in releases)
    (sources / f"{name}.yaml").write_text(
        f"{ABOUT}{case.source}columns: {case.columns}\nreleases: [{listed}]\n"
        "markers: {c: {status: confidential, lower_bound: 1, upper_bound: 4}, z: not_applicable}\n"
        f"measures: {{{measure}: {{title: f, unit: things, column: figure, range: [0, 1000], {case.measure}}}}}\n"
    )


def _write_problem(path: Path, needs: dict[str, Case]) -> None:
    grain = next(iter(needs.values())).grain
    spine, key = ("place", "") if grain == "grain: latest" else ("place_period", ", period_start")
    columns = "".join(f", {measure}.value as {measure}" for measure in needs)
    joins = " ".join(f"join lad_2023.{measure} using (place_code{key})" for measure in needs)
    path.write_text(
        f"/*\nquestion: q\ndecision: d\nowner: o\ngeography: lad_2023\n{grain}\n"
        f"needs: {{{', '.join(f'{measure}: {case.need}' for measure, case in needs.items())}}}\n*/\n"
        f"select {spine}.place_code{key and f', {spine}.period_start'}{columns}\n"
        f"from lad_2023.{spine} {joins}\n"
    )


def write_districts(folder: Path) -> None:
    """Write a project with the register of districts and their changes, and no problem."""
    root = folder / "project"
    (root / "pipelines" / "problems").mkdir(parents=True)
    (root / "sources" / "starter").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", root / "sources" / "shared")
    for name in ("ons_lad_register", "ons_lad_changes"):
        shutil.copy(ROOT / "sources" / f"{name}.yaml", root / "sources")
        # Its own day of release does not matter here: the cases are of before it.
        path = root / "sources" / f"{name}.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("2024-07-01", "2024-01-01"), encoding="utf-8")
        shutil.copy(ROOT / "sources" / "starter" / f"{name}.csv", root / "sources" / "starter")


def cell_of(case: Case, folder: Path) -> dict[str, object]:
    project = project_of(case, folder)
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "a_problem")
    assert cells.height == 361
    return cells.filter(pl.col("place_code") == case.place).row(0, named=True)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The cells of all cases: those with one grain are needs of one problem, each with its own source."""
    problems: dict[str, dict[str, tuple[str, Case]]] = {}
    for number, case in enumerate(CASES.values()):
        name = f"by_{sorted({item.grain for item in CASES.values()}).index(case.grain)}"
        problems.setdefault(name, {})[f"source_{number}"] = (f"figure_{number}", case)
    project = _project_of(problems, tmp_path_factory.mktemp("cases"))
    steps.prepare_store(project)
    return pl.concat([answering.answer_problem(project, name) for name in problems])


@pytest.mark.parametrize("name", sorted(CASES))
def test_cell_has_a_value_or_a_reason(name: str, cells: pl.DataFrame) -> None:
    case, measure = CASES[name], f"figure_{list(CASES).index(name)}"
    own = cells.filter(pl.col("measure") == measure)
    assert own.height == 361
    cell = own.filter(pl.col("place_code") == case.place).row(0, named=True)
    assert (cell["reason"], cell["value"]) == (case.reason, case.value)
    assert (cell["lower_bound"], cell["upper_bound"]) == case.bounds
    assert cell["other_reasons"] == case.also
    if case.reason:
        assert cell["severity"] == REASONS[case.reason].severity
        assert cell["evidence"] and cell["data_owner"] and cell["remedy"]


def test_period_without_a_figure_names_the_nearest_period_and_source(tmp_path: Path) -> None:
    cell = cell_of(CASES["of a longer time"], tmp_path)
    assert cell["evidence"] == "a_source has no figure for March 2024; the nearest is for 2023; its value was 7"
    assert (cell["reference_start"], cell["reference_end"]) == (None, None)


def test_figure_carried_forward_is_marked_in_every_output(tmp_path: Path) -> None:
    case = CASES["carried forward"]
    cell = cell_of(case, tmp_path)
    assert (cell["caveats"], cell["reference_end"]) == ("carried_forward", date(2024, 2, 29))
    assert cell["evidence"] == ("figure for February 2024, carried forward to March 2024; the problem allows 1 month")
    view = pl.read_parquet(tmp_path / "store" / "state" / "view" / "a_problem.parquet")
    assert view.filter(pl.col("place_code") == MERTON).select(
        "figure", "figure_status", "figure_period", "verdict", "blocking_reasons"
    ).rows() == [(7.0, "carried_forward", "February 2024", "with_caveats", "figure: carried_forward")]
    elsewhere = view.filter(pl.col("place_code") == BELFAST).select("figure", "figure_period").rows()
    assert elsewhere == [(None, None)]
    hidden = cell_of(CASES["carried forward and hidden"], tmp_path / "hidden")
    assert "figure for February 2024" in str(hidden["evidence"])


def test_build_stores_no_figure_for_another_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_of(CASES["of a longer time"], tmp_path)
    steps.prepare_store(project)
    monkeypatch.setattr(grid, "choose_figure", lambda *given: given[1][-1])
    with pytest.raises(
        CommongroundError, match=r"a_problem: figure of E\d+: found a figure for 2023, expected one for March 2024"
    ):
        answering.answer_problem(project, "a_problem")
    assert not (tmp_path / "store" / "state" / "cell" / "a_problem.parquet").exists()


def unheld_cells(about: str, folder: Path) -> pl.DataFrame:
    """Answer a problem that requests a measure without a file, with extra keys in its source."""
    project = project_of(CASES["a figure"], folder)
    path = project.catalogue.sources_dir / "no_source.yaml"
    path.write_text(path.read_text().replace("access: not_held", about))
    problem = project.catalogue.root / "pipelines" / "problems" / "a_problem.sql"
    old, new = ("needs: {", "needs: {unheld: , ") if "not_held" in about else ("needs:", "unknowns: [unheld]\nneeds:")
    text = problem.read_text().replace(old, new)
    text = text.replace("figure.value", "unheld.value as unheld, figure.value")
    problem.write_text(text.rstrip() + " join lad_2023.unheld using (place_code)\n")
    again = project._replace(catalogue=load_catalogue(project.catalogue.root))
    steps.prepare_store(again)
    return answering.answer_problem(again, "a_problem").filter(pl.col("measure") == "unheld")


@pytest.mark.parametrize(
    ("access", "reason"), [("not_collected", "not_collected"), ("not_open", "not_open"), ("not_held", "not_loaded")]
)
def test_measure_without_a_file_has_a_reason(access: str, reason: str, tmp_path: Path) -> None:
    cells = unheld_cells(f"access: {access}\ndata_owner: The holder", tmp_path)
    assert cells.height == 361
    owner, remedy = ("The holder", "Ask.")
    if access == "not_held":
        # The file is published: loading it is a task of whoever runs this store.
        columns = "Then run `commonground add no_source FILE --released DAY`, which names the lines to declare."
        owner, remedy = "your Commonground administrator", f"Ask. {columns}"
    assert cells.select("need", "reason", "data_owner", "remedy").unique().rows() == [
        ("needed" if access == "not_held" else "wanted", reason, owner, remedy)
    ]


@pytest.mark.parametrize("access", ["not_open", "not_held"])
def test_publishers_are_not_asked_for_nations_they_do_not_cover(access: str, tmp_path: Path) -> None:
    cells = unheld_cells(f"access: {access}\ndata_owner: The holder\ncoverage: [England]", tmp_path)
    abroad = cells.filter(~pl.col("place_code").str.starts_with("E"))
    assert abroad["reason"].unique().to_list() == ["nation_not_covered"]
    assert "The holder" not in abroad["data_owner"].unique().to_list()
    owner = "The holder" if access == "not_open" else "your Commonground administrator"
    assert cells.filter(pl.col("place_code").str.starts_with("E"))["data_owner"].unique().to_list() == [owner]


def test_every_gap_reason_is_produced_by_some_test() -> None:
    made = {case.reason for case in CASES.values()} | {"not_collected", "not_open", "not_loaded"}
    caveats = {
        "rounded",
        "perturbed",
        "provisional",
        "estimated",
        "low_reliability",
        "definition_break",
        "carried_forward",
        "extent_changed",
        "recalled",
        "boundary_cliff",
        "provider_shortfall",
        "corrected",
        "flagged",
        "limits_contradict",
    }
    # These are of rows or columns, not of cells; a split needs a change that the register does not have.
    elsewhere = {"unmatched_place", "unallocated", "input_missing", "split", "unexplained"}
    # Codes that the register does not have, or not in that period, are tested in test_public_cases.
    elsewhere |= {"newer_than_register", "label_contradicts_code", "not_existing"}
    # These reasons are tested in test_corrections and test_refine, and those of apportioned figures in test_sharing.
    elsewhere |= {
        "dropped",
        "correction_expired",
        "coarser_only",
        "low_reach",
        "membership_not_loaded",
        "outside_source",
        "too_uncertain",
    }
    elsewhere |= {"incomplete_aggregate"}
    # Plausibility flags are tested in test_flags and test_agreement.
    elsewhere |= {"unit_change", "suspected_zero", "near_zero_leak", "partial_return", "repeated_value"}
    elsewhere |= {"conflict", "inconsistent_rate", "denominator_mismatch", "not_comparable"}
    # Stand-ins are in test_verdicts.
    elsewhere |= {"proxy_used"}
    # Figures of shorter and longer periods are in test_over_time.
    elsewhere |= {"periods_incomplete", "coarser_period"}
    # Numbers that are no figures are in test_floor.
    elsewhere |= {"numeric_marker", "zero_denominator"}
    assert made - {None} | caveats | elsewhere == set(REASONS)


def test_reasons_are_tried_in_their_documented_order() -> None:
    assert list(REASON_PRECEDENCE) == list(REASONS)
    assert (
        REASON_PRECEDENCE["nation_not_covered"]
        < REASON_PRECEDENCE["fetch_failed"]
        < REASON_PRECEDENCE["stale"]
        < REASON_PRECEDENCE["suppressed"]
    )
    assert REASON_PRECEDENCE["unexplained"] == len(REASONS) - 1
