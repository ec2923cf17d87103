"""Parallel work: each name is done once, a failure stops no other name, and dead workers are replaced."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from pipelines.app.parallel import (
    MAX_WORKERS,
    call_in_worker,
    share_cores,
    share_work,
    worker_count,
    worker_processes,
    worker_threads,
)
from pipelines.declarations.problem_file import Problem
from pipelines.declarations.problem_sql import parse_select
from tests.breadth import wide
from tests.report_sample import sample

NAMES = [f"n{number:02}" for number in range(18)]


def noted(shared: tuple[Path, int], name: str) -> None:
    """Record the process of a name. One name fails, and a deadly name ends the worker process."""
    folder, mine = shared
    if name == "n04":
        raise ValueError("no such thing")
    if folder.name == "deadly" and os.getpid() != mine:
        os._exit(1)
    with (folder / name).open("a") as file:
        file.write(f"{os.getpid()}\n")


def run(folder: Path, names: list[str], fewest: int = 2) -> tuple[list[str], list[str]]:
    result: list[str] = []
    folder.mkdir()
    with worker_processes((folder, os.getpid()), 1) as workers:
        return share_work(workers, noted, names, result.append, fewest), result


def test_each_name_is_done_once_and_a_failure_stops_no_other(tmp_path: Path) -> None:
    faults, result = run(tmp_path / "work", NAMES)
    assert faults == ["n04: no such thing"]
    assert sorted(result) == NAMES
    done = {path.name: path.read_text().split() for path in (tmp_path / "work").iterdir()}
    assert set(done) == set(NAMES) - {"n04"} and all(len(pids) == 1 for pids in done.values())


def test_work_of_a_dead_process_is_completed_by_the_other(tmp_path: Path) -> None:
    faults, result = run(tmp_path / "deadly", NAMES)
    assert faults == ["n04: no such thing"] and sorted(result) == NAMES
    done = {path.name: path.read_text().split() for path in (tmp_path / "deadly").iterdir()}
    assert set(done) == set(NAMES) - {"n04"}


def test_few_names_are_done_by_the_main_process(tmp_path: Path) -> None:
    run(tmp_path / "few", NAMES[:3], fewest=4)
    assert {path.read_text() for path in (tmp_path / "few").iterdir()} == {f"{os.getpid()}\n"}


@wide
def test_three_workers_do_each_name_once(tmp_path: Path) -> None:
    folder = tmp_path / "pids"
    finished: list[str] = []
    folder.mkdir()
    with worker_processes(folder, 3) as workers:
        assert not share_work(workers, slept, NAMES, finished.append)
    assert sorted(finished) == NAMES
    assert len({path.name for path in folder.iterdir()}) == 4


@pytest.mark.parametrize(
    ("cores", "workers"), [(1, 1), (2, 1), (3, 2), (MAX_WORKERS + 1, MAX_WORKERS), (64, MAX_WORKERS)]
)
def test_number_of_workers_follows_the_cores_up_to_a_limit(cores: int, workers: int) -> None:
    assert worker_count(cores) == workers


def test_two_names_are_split_between_two_processes(tmp_path: Path) -> None:
    run(tmp_path / "two", NAMES[:2])
    done = {path.name: int(path.read_text()) for path in (tmp_path / "two").iterdir()}
    assert done["n01"] == os.getpid() != done["n00"]


def parsed(problem: Problem, name: str) -> None:
    assert parse_select(problem.select.sql, name).inputs == {"figure": ()}


def test_workers_that_parsed_a_select_end_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    # DuckDB complains of a connection that outlives its worker only where a problem was passed to it.
    report = sample()
    select = report.select._replace(sql="select 1 as figure")
    problem = Problem("sample", report.header, select, Path("sample.sql"), "")
    with worker_processes(problem, 1) as workers:
        assert not share_work(workers, parsed, NAMES, [].append)
    assert capfd.readouterr().err == ""


STARTED = """
import sys
from pathlib import Path
from pipelines.app.parallel import MAX_WORKERS, share_work, worker_count, worker_processes
from tests.app.test_parallel import NAMES, slept

if __name__ == "__main__":
    with worker_processes(Path(sys.argv[1]), 1) as workers:
        share_work(workers, slept, NAMES, lambda _: None)
"""


def slept(folder: Path, _name: str) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(0.5)


@wide
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a POSIX system")
def test_workers_end_when_the_main_process_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(STARTED)
    folder = tmp_path / "pids"
    folder.mkdir()
    root = Path(__file__).resolve().parent.parent.parent
    first = subprocess.Popen([sys.executable, str(program), str(folder)], env={**os.environ, "PYTHONPATH": str(root)})
    while len(pids := {int(path.name) for path in folder.iterdir()}) < 2:
        assert first.poll() is None
        time.sleep(0.1)
    first.kill()
    first.wait()
    (second,) = pids - {first.pid}
    for _ in range(100):
        if not _lives(second):
            return
        time.sleep(0.1)
    raise AssertionError(f"{second} still runs")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def count_threads(*_: object) -> int:
    return pl.thread_pool_size()


@pytest.mark.parametrize(("cores", "processes", "threads"), [(1, 1, 1), (2, 1, 1), (4, 3, 1), (8, 3, 2), (64, 3, 16)])
def test_threads_of_all_processes_are_as_many_as_the_cores(cores: int, processes: int, threads: int) -> None:
    assert worker_threads(processes, cores) == threads


def test_worker_starts_its_part_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    with worker_processes(None, 1) as workers:
        assert workers.pool.submit(call_in_worker, count_threads).result() == worker_threads(1)
    monkeypatch.setenv("POLARS_MAX_THREADS", "3")
    with worker_processes(None, 1) as workers:
        assert workers.pool.submit(call_in_worker, count_threads).result() == 3


@pytest.mark.parametrize(("number", "expected"), [(5, None), (6, str(worker_threads(worker_count())))])
def test_process_of_a_build_with_sources_to_share_leaves_workers_their_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: str | None
) -> None:
    for name in range(number):
        (tmp_path / f"figures_{name}.yaml").write_text("title: Figures\nmeasures:\n  a: {}\n")
        (tmp_path / f"register_{name}.yaml").write_text("title: Register\nprovides: place\n")
    # Set first, so that the end of the test removes what the function sets.
    monkeypatch.setenv("POLARS_MAX_THREADS", "")
    monkeypatch.delenv("POLARS_MAX_THREADS")
    share_cores(tmp_path)
    assert os.environ.get("POLARS_MAX_THREADS") == expected
    monkeypatch.setenv("POLARS_MAX_THREADS", "7")
    share_cores(tmp_path)
    assert os.environ["POLARS_MAX_THREADS"] == "7"
