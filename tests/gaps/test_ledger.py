"""The gap ledger: first seen, last seen, closed, opened again; what has been accepted; and what a crash leaves."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.core.errors import DeclarationError, UnreadableError
from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.core.store import state_path, write_table
from pipelines.declarations.acceptances import Acceptance, list_obsolete_acceptances
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.ledger import (
    Ledger,
    add_build,
    build_gap_ledger,
    describe_last_build,
    empty_ledger,
    ledger_as_at,
    summarise_changes,
)
from pipelines.gaps.ledger_load import ledger_path, load_opening_days, read_ledger, update_ledger, write_ledger
from pipelines.outputs.warehouse_tables import publish_warehouse
from tests.breadth import wide
from tests.command import build_by_steps
from tests.gaps.test_verdicts import SQL, asked
from tests.small import copied, districts_only

DAY = [date(2026, 1, n) for n in range(1, 9)]


def cells(**reasons: str | None) -> pl.DataFrame:
    """One cell for each place named; a reason, or null where there is a figure."""
    return table_from_records(
        [
            {"cell_id": f"p/m/{place}/latest", "problem": "p", "need": "needed", "measure": "m", "place_code": place,
             "place_name": place.title(), "value": None if reason else 1.0, "reason": reason, "data_owner": "h"}
            for place, reason in reasons.items()
        ],
        CELL_COLUMNS,
    )  # fmt: skip


def story(*builds: pl.DataFrame) -> Ledger:
    """Carry an empty ledger on, a build a day."""
    ledger = empty_ledger()
    for day, build in zip(DAY, builds, strict=False):
        ledger = add_build(ledger, build, day, str(day) + str(build.rows()))
    return ledger


def ledger_by_place(ledger: Ledger, day: date = DAY[7], *accepted: Acceptance) -> dict[str, dict[str, object]]:
    return {row["place_code"]: row for row in build_gap_ledger(ledger, accepted, "the owner", day).to_dicts()}


def test_gap_is_recorded_from_its_first_build_until_it_closes() -> None:
    ledger = story(cells(a="late", b=None), cells(a="late", b="late"), cells(a=None, b="late"))
    gaps = ledger_by_place(ledger)
    assert [gaps["a"][k] for k in ("first_seen", "last_seen", "closed", "state")] == [DAY[0], DAY[1], DAY[2], "closed"]
    assert gaps["a"]["closure_reason"] == "answered" and gaps["a"]["age_days"] == 2
    assert [gaps["b"][k] for k in ("first_seen", "last_seen", "closed", "state")] == [DAY[1], DAY[2], None, "open"]
    assert gaps["b"]["age_days"] == 1 and gaps["b"]["problem_owner"] == "the owner"


def test_returning_gap_is_the_same_gap_reopened() -> None:
    ledger = story(cells(a="late"), cells(a=None), cells(a="withdrawn"))
    gap = ledger_by_place(ledger)["a"]
    assert (gap["first_seen"], gap["opened"], gap["reopened"], gap["state"]) == (DAY[0], DAY[2], 1, "open")
    assert gap["reason"] == "withdrawn"
    assert summarise_changes(ledger).select("what", "cells").rows() == [("reopened", 1)]


def test_gap_with_a_new_reason_stays_open_with_the_previous_reason() -> None:
    gap = ledger_by_place(story(cells(a="not_due"), cells(a="late")))["a"]
    assert (gap["reason"], gap["previous_reason"], gap["reason_since"]) == ("late", "not_due", DAY[1])
    assert (gap["opened"], gap["reopened"]) == (DAY[0], 0)


def test_cell_no_longer_requested_is_not_closed_as_answered() -> None:
    assert (
        ledger_by_place(story(cells(a="late", b="late"), cells(b="late")))["a"]["closure_reason"] == "no_longer_asked"
    )


def test_proxy_leaves_the_gap_open() -> None:
    proxied = cells(a=None).with_columns(
        pl.lit("x").alias("proxy_measure"), pl.lit("late,stale").alias("other_reasons")
    )
    gap = ledger_by_place(story(cells(a="late"), proxied))["a"]
    assert (gap["state"], gap["reason"]) == ("open", "late")


def test_same_cells_on_the_same_day_change_nothing() -> None:
    one = story(cells(a="late"))
    again = add_build(one, cells(a="late"), DAY[0], one.notes[-1].contents)
    assert again is one
    assert add_build(one, cells(a=None), DAY[0], "other").builds.height == 2


def test_build_for_an_earlier_day_does_not_rewrite_history() -> None:
    ledger = story(cells(a="late"), cells(a="late"))
    assert add_build(ledger, cells(a=None, b="late"), DAY[0], "x") is ledger


def test_ledger_can_be_read_as_of_a_day() -> None:
    ledger = story(cells(a="late"), cells(a="late", b="late"), cells(a=None, b="late"))
    then = ledger_as_at(ledger, DAY[1])
    gaps = ledger_by_place(then, DAY[1])
    assert gaps["a"]["state"] == "open" and gaps["a"]["closed"] is None
    assert then.builds.height == 2 and describe_last_build(then) == f"since the build of {DAY[0]}: 1 new; 2 open"
    assert ledger_by_place(ledger_as_at(ledger, date(2025, 1, 1)), DAY[0]) == {}


def test_changes_of_the_last_build_are_counted() -> None:
    ledger = story(cells(a="late", b="late", c="late"), cells(a=None, b="stale", c="late", d="late"))
    assert (
        describe_last_build(ledger)
        == f"since the build of {DAY[0]}: 1 closed, 1 new, 1 open for another reason; 3 open"
    )
    assert set(summarise_changes(ledger).select("what", "cells").rows()) == {
        ("closed", 1),
        ("opened", 1),
        ("changed", 1),
    }
    trend = ledger.builds.select("build", "asked", "known", "open").rows()
    assert trend == [(1, 3, 0, 3), (2, 4, 1, 3)]


def earlier_version(**reasons: str | None) -> Ledger:
    """Return the ledger of one build by a version with other reasons."""
    return story(cells(**reasons))._replace(has_old_reasons=True)


def test_reason_of_an_earlier_version_is_replaced_and_no_gap_changes(tmp_path: Path) -> None:
    before = earlier_version(
        a="period_mismatch",
        b="discontinued",
        c="fetch_failed",
        d="late",
        e="late",
        f="crosswalk_loss",
        g="not_returned",
    )
    write_ledger(tmp_path, "p", before, "k")
    read = read_ledger(tmp_path, "p")
    assert read.has_old_reasons
    now = cells(
        a="before_series", b="after_series", c="not_loaded", d="late", e="suppressed", f="membership_not_loaded",
        g="outside_source",
    )  # fmt: skip
    after = add_build(read, now, DAY[1], "new")
    gaps = ledger_by_place(after)
    assert summarise_changes(after).select("what", "reason", "cells").rows() == [("changed", "suppressed", 1)]
    assert [gaps[place]["reason"] for place in "abcdefg"] == [
        "before_series", "after_series", "not_loaded", "late", "suppressed", "membership_not_loaded", "outside_source",
    ]  # fmt: skip
    assert {gaps[place]["first_seen"] for place in "abcdefg"} == {DAY[0]}
    assert [gaps[place]["previous_reason"] for place in "abcdefg"] == [None, None, None, None, "late", None, None]
    write_ledger(tmp_path, "p", after, "k")
    assert not read_ledger(tmp_path, "p").has_old_reasons


def test_closed_gap_of_an_earlier_version_has_a_reason_of_this_one() -> None:
    ledger = story(cells(a="period_mismatch"), cells(a=None))._replace(has_old_reasons=True)
    after = add_build(ledger, cells(a=None, b=None), DAY[2], "new")
    assert ledger_by_place(after)["a"]["reason"] == "no_figure_for_period"
    assert ledger_by_place(ledger)["a"]["reason"] == "no_figure_for_period"


def accepted(**said: object) -> Acceptance:
    plain = {"measure": "m", "reason": "late", "who": "The owner", "why": "Known.", "when": DAY[0], "until": DAY[2]}
    return Acceptance(**{**plain, **said})  # type: ignore[arg-type]


def test_an_accepted_gap_is_open_again_when_the_acceptance_has_run_out() -> None:
    ledger = story(cells(a="late", b="late"))
    for day, state in ((DAY[0], "accepted"), (DAY[2], "accepted"), (DAY[3], "open")):
        gap = ledger_by_place(ledger, day, accepted(place_codes=("a",)))["a"]
        assert (gap["state"], gap["accepted_by"], gap["accepted_until"]) == (state, "The owner", DAY[2])
    assert ledger_by_place(ledger, DAY[0], accepted(place_codes=("a",)))["b"]["state"] == "open"


def test_an_acceptance_holds_for_its_reason_and_from_its_day_only() -> None:
    ledger = story(cells(a="stale"))
    assert ledger_by_place(ledger, DAY[0], accepted())["a"]["state"] == "open"
    assert ledger_by_place(ledger, DAY[0], accepted(reason="stale", when=DAY[1]))["a"]["accepted_by"] is None


def test_an_acceptance_renewed_holds_although_an_older_one_has_run_out() -> None:
    both = (accepted(until=DAY[1]), accepted(who="The next", until=DAY[6]))
    assert ledger_by_place(story(cells(a="late")), DAY[4], *both)["a"]["accepted_by"] == "The next"


def test_acceptances_that_expired_or_match_no_gap_are_listed() -> None:
    gaps = story(cells(a="late")).spells
    assert list_obsolete_acceptances(gaps, (accepted(),), DAY[1]) == []
    assert "expired" in list_obsolete_acceptances(gaps, (accepted(),), DAY[4])[0]
    assert "no open gap matches" in list_obsolete_acceptances(gaps, (accepted(reason="stale"),), DAY[1])[0]


WHOLE = "who: w, why: y, when: 2026-01-01, until: 2027-01-01"


@pytest.mark.parametrize(
    ("text", "ledger_by_place"),
    [
        ("accepted: [{measure: furlough_take_up, reason: lost, " + WHOLE + "}]", r":1: .*did you mean|:1: .*choices"),
        ("accepted: [{measure: furlough_take_up, reason: discontinued, " + WHOLE + "}]",
         r":1: .*discontinued is no longer a gap reason; write after_series"),
        ("accepted:\n- {measure: furlough, reason: late, " + WHOLE + "}", r":2: problem p does not request 'furlough'"),
        ("accepted: [{measure: furlough_take_up, reason: late, who: w, when: 2026-01-01, until: 2027-01-01}]", r"why"),
        ("accepted: [{measure: furlough_take_up, reason: late, who: w, why: y, when: 2026-01-02, until: 2026-01-01}]",
         r"until is 2026-01-01, expected a day on or after"),
        ("accept: []", r"accept"),
    ],
)  # fmt: skip
def test_an_invalid_acceptance_is_refused_with_file_and_line(bare: Project, text: str, ledger_by_place: str) -> None:
    copy = bare.catalogue.root
    asked(copy, SQL.replace("STAND_IN", "claimant_rate"))
    path = copy / "pipelines" / "problems" / "p.accepted.yaml"
    path.write_text(text)
    with pytest.raises(DeclarationError, match=ledger_by_place) as refused:
        load_catalogue(copy).find_problem("p")
    assert str(path) in str(refused.value)
    path.unlink()
    (path.parent / "q.accepted.yaml").write_text("accepted: []")
    with pytest.raises(DeclarationError, match=r"unknown problem 'q'; (did you mean p|choices: p)"):
        load_catalogue(copy)


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """A project of districts and two measures, without a problem and a store: the test writes its own."""
    return _write_bare(tmp_path)


def _write_bare(folder: Path) -> Project:
    furlough, claims = ("hmrc_furlough", "hmrc_furlough_eligible"), ("ons_claimant_rate", "nomis_claimants")
    root = districts_only(folder, *furlough, *claims, "ons_residents_16_64")
    return Project(load_catalogue(root), folder / "store", DAY[0])


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that project, a problem, and a store built on the first day."""
    folder = tmp_path_factory.mktemp("built")
    build_p(_write_bare(folder), DAY[0])
    return folder


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Project:
    """A copy of the project and its store, for a test that changes them."""
    root, home = (copied(built_once / name, tmp_path / name) for name in ("project", "store"))
    return Project(load_catalogue(root), home, DAY[0])


def build_p(project: Project, day: date) -> Project:
    root, two = project.catalogue.root, "geography: lad_2023\nplace_codes: [E06000063, E09000024]\n"
    asked(root, SQL.replace("    proxy: STAND_IN\n", "").replace("geography: lad_2023\n", two))
    return build_by_steps(Project(load_catalogue(root), project.home, day))


@wide
def test_building_twice_changes_nothing_and_deleting_outputs_loses_nothing(built: Project) -> None:
    path = ledger_path(built.home, "p")
    before = path.read_bytes()
    build_p(built, DAY[0])
    assert path.read_bytes() == before
    for item in (built.home / "out").iterdir():
        shutil.rmtree(item) if item.is_dir() else item.unlink()
    shutil.rmtree(built.home / "state")
    project = build_p(built, DAY[5])
    with duckdb.connect(str(publish_warehouse(project)), read_only=True) as con:
        seen = con.sql("select distinct first_seen, last_seen from gap_ledger").fetchall()
        days = con.sql("select day, last_day from builds order by build").fetchall()
    assert seen == [(DAY[0], DAY[5])] and days == [(DAY[0], DAY[5])]


def test_opening_days_are_of_the_gaps_open_on_the_day(bare: Project) -> None:
    ledger = story(cells(a="late", b="late"), cells(a=None, b="late", c="late"), cells(a="late", b="late", c="late"))
    asked(bare.catalogue.root, SQL.replace("    proxy: STAND_IN\n", ""))
    project = Project(load_catalogue(bare.catalogue.root), bare.home, DAY[0])
    write_ledger(bare.home, "p", ledger, "")

    def opened(day: date) -> dict[str, date]:
        return dict(load_opening_days(project._replace(as_of=day), "p").iter_rows())

    ids = dict(ledger.spells.select("place_code", "gap_id").unique().iter_rows())
    last = {ids["a"]: DAY[2], ids["b"]: DAY[0], ids["c"]: DAY[1]}
    assert opened(DAY[2]) == opened(DAY[3]) == last
    assert opened(DAY[1]) == {ids["b"]: DAY[0], ids["c"]: DAY[1]}
    assert opened(DAY[0]) == {ids["a"]: DAY[0], ids["b"]: DAY[0]}
    assert opened(DAY[4]) == last
    write_ledger(bare.home, "p", story(cells(a="late")), "")
    assert opened(DAY[4]) == {ids["a"]: DAY[0]}


def test_opening_days_of_a_damaged_ledger_come_back_with_a_copy(bare: Project) -> None:
    asked(bare.catalogue.root, SQL.replace("    proxy: STAND_IN\n", ""))
    project, path = Project(load_catalogue(bare.catalogue.root), bare.home, DAY[1]), ledger_path(bare.home, "p")
    write_ledger(bare.home, "p", story(cells(a="late")), "")
    whole = path.read_bytes()
    sightings, footer = pl.read_parquet(path), pl.read_parquet_metadata(path)
    sightings.clear().write_parquet(path, metadata={name: footer[name] for name in footer if name != "ARROW:schema"})
    assert load_opening_days(project, "p").is_empty()
    path.write_bytes(whole)
    assert load_opening_days(project, "p")["opened"].to_list() == [DAY[0]]


def test_damaged_ledger_stops_only_steps_that_need_it(built: Project) -> None:
    path = ledger_path(built.home, "p")
    path.write_bytes(b"no parquet")
    with pytest.raises(UnreadableError, match="The file was not changed"):
        build_p(built, DAY[1])
    assert path.read_bytes() == b"no parquet"
    assert state_path(built.home, "verdict", "p").is_file()
    assert publish_warehouse(built._replace(as_of=DAY[1])).is_file()


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1 cut short", None], ids=repr)
def test_damaged_ledger_is_named_and_not_changed(bare: Project, content: bytes | None) -> None:
    asked(bare.catalogue.root, SQL.replace("    proxy: STAND_IN\n", ""))
    project = bare._replace(catalogue=load_catalogue(bare.catalogue.root))
    update_ledger(project, "p", cells(a="late"))
    path = ledger_path(project.home, "p")
    content = path.read_bytes()[:-40] + b"x" * 40 if content is None else content
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="The file was not changed") as refused:
        update_ledger(project, "p", cells(a=None))
    assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_unchanged_file_is_read_once_and_a_changed_one_again(tmp_path: Path) -> None:
    write_ledger(tmp_path, "p", story(cells(a="late")), "k")
    first = read_ledger(tmp_path, "p")
    assert read_ledger(tmp_path, "p").sightings is first.sightings
    write_ledger(tmp_path, "p", story(cells(a="late"), cells(a=None)), "k")
    second = read_ledger(tmp_path, "p")
    assert (first.builds.height, second.builds.height) == (1, 2)


def test_other_table_is_not_a_ledger(tmp_path: Path) -> None:
    path = ledger_path(tmp_path, "p")
    path.parent.mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(UnreadableError, match="is not readable"):
        read_ledger(tmp_path, "p")


KILLED = """
import os, signal, sys
from pathlib import Path
import pipelines.gaps.ledger_load as store
from tests.gaps.test_ledger import cells, story
def cut(path, content):
    path.parent.mkdir(exist_ok=True)
    (path.parent / ".making-x.parquet").write_bytes(content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
store.write_atomically = cut
store.write_ledger(Path(sys.argv[1]), "p", story(cells(a="late"), cells(a=None)), "key")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a POSIX system")
def test_build_killed_while_writing_leaves_the_ledger_unchanged(tmp_path: Path) -> None:
    write_ledger(tmp_path, "p", story(cells(a="late")), "before")
    before = ledger_path(tmp_path, "p").read_bytes()
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == -signal.SIGKILL
    assert ledger_path(tmp_path, "p").read_bytes() == before
    assert ledger_by_place(read_ledger(tmp_path, "p"))["a"]["state"] == "open"


def test_ledger_recovers_after_a_build_is_killed_before_it_is_written(built: Project) -> None:
    now = built._replace(as_of=DAY[1])
    # The cells of the second build are there, its ledger is not.
    write_table(state_path(built.home, "cell", "p"), cells(a="late"), "of the second build")
    assert read_ledger(built.home, "p").day == DAY[0]
    update_ledger(now, "p", cells(a="late"))
    assert read_ledger(built.home, "p").day == DAY[1]


def test_changes_are_listed_by_kind_and_the_most_cells_first() -> None:
    first = cells(a=None, b=None, c=None, d="late", e="late")
    ledger = story(first, cells(a="suppressed", b="suppressed", c="late", d=None, e="suppressed"))
    assert summarise_changes(ledger).select("what", "reason", "cells").rows() == [
        ("changed", "suppressed", 1), ("closed", "late", 1), ("opened", "suppressed", 2), ("opened", "late", 1),
    ]  # fmt: skip
    tied = story(first, cells(a="suppressed", b="late", c=None, d="late", e="late"))
    assert summarise_changes(tied)["reason"].to_list() == ["late", "suppressed"]
    before = cells(a="late", b="not_returned", c="withdrawn", d=None, e=None)
    ledger = story(before, cells(a="suppressed", b="suppressed", c="suppressed", d=None, e=None))
    for _ in range(5):
        changes = summarise_changes(ledger)["previous_reason"].to_list()
        assert changes == ["late", "not_returned", "withdrawn"]
