"""Builds with an engine: the same tables, where measures ran, and one sentence where the engine cannot be used."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import dagster as dg
import pytest

from pipelines.app import assets
from pipelines.app.project_resource import ProjectResource, dagster_resources
from pipelines.core.errors import EngineError
from pipelines.core.sql_engine import ENGINE_ROWS_VARIABLE, ENGINE_VARIABLE, LARGE_MEASURE_ROWS
from pipelines.core.store import hash_file, output_path, state_path, table_version
from pipelines.declarations.fingerprints import ANSWER_TABLES
from pipelines.declarations.project import Project, engine_setting
from pipelines.fetch import open_engine, sql_engines
from tests.breadth import wide
from tests.command import Done, run
from tests.engines import sail_address
from tests.small import copied, hash_outputs

SERVER = (
    "import sys\nfrom pysail.spark import SparkConnectServer\nserver = SparkConnectServer('127.0.0.1', 0)\n"
    "server.start(background=True)\nprint(server.listening_address[1], flush=True)\nsys.stdin.read()"
)


def forget_answers(furlough: Project) -> None:
    state_path(furlough.home, "verdict", "furlough").unlink()


def build(furlough: Project, address: str, *more: str) -> Done:
    return run("build", "--engine", address, "--engine-rows", "0", *more, store=furlough.home,
               project=furlough.catalogue.root)  # fmt: skip


def hash_answers(home: Path) -> dict[str, str]:
    paths = (path for kind in ANSWER_TABLES for path in (home / "state" / kind).iterdir())
    return {str(path.relative_to(home)): hash_file(path) for path in paths}


def published_files(furlough: Project) -> dict[str, str]:
    return {str(path): hash_file(path) for path in sorted((furlough.home / "out").rglob("*")) if path.is_file()}


@contextmanager
def sail_process() -> Iterator[tuple[str, int]]:
    """Start Sail in a process of its own; yield its address and the number of the process."""
    pytest.importorskip("pysail.spark", reason="pysail, a Spark Connect server without Java, is not installed")
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as server:  # fmt: skip
        assert server.stdout and server.stdin
        yield f"sc://127.0.0.1:{server.stdout.readline().strip()}", server.pid
        server.kill()


@wide
@pytest.mark.parametrize("engine", ["sail", "duckdb"])
def test_engine_gives_the_same_answers_bit_by_bit(built_small: Path, tmp_path: Path, engine: str) -> None:
    home, project = copied(built_small / "store", tmp_path / "store", *ANSWER_TABLES), built_small / "project"
    with sail_address() if engine == "sail" else nullcontext("duckdb") as address:
        done = run("build", "--engine", address, "--engine-rows", "0", "--profile", store=home, project=project)
    assert done.returncode == 0, done.stderr
    expected = hash_answers(built_small / "store")
    assert len(expected) == 2 * len(ANSWER_TABLES) and hash_answers(home) == expected
    # The outputs rest on the same bytes, so that none is written again.
    assert hash_outputs(home) == hash_outputs(built_small / "store")
    profile = json.loads(output_path(home, "profile.json").read_text(encoding="utf-8"))
    places = {run["measure"]: run["obstacle"] for run in profile["measures"]}
    assert profile["engine"] == address and list(places.values()).count("") >= 2
    assert places["claimant_rate"] == "not a count or a stock"
    assert address in done.stdout and "here: not a count or a stock" in done.stdout


def test_small_measures_stay_here(furlough: Project) -> None:
    forget_answers(furlough)
    done = run("build", "--engine", "duckdb", "--profile", store=furlough.home, project=furlough.catalogue.root)
    assert done.returncode == 0, done.stderr
    profile = json.loads(output_path(furlough.home, "profile.json").read_text(encoding="utf-8"))
    assert all(run["obstacle"] for run in profile["measures"])
    assert f"under {LARGE_MEASURE_ROWS:,} rows" in {run["obstacle"] for run in profile["measures"]}
    assert not (furlough.home / "engine").exists()


@pytest.mark.parametrize("address", ["sc://127.0.0.1:1", "sc://no-such-host.invalid:15002", "spark://127.0.0.1:7077"])
def test_wrong_address_ends_the_build_with_one_sentence(furlough: Project, address: str) -> None:
    forget_answers(furlough)
    before = published_files(furlough)
    done = build(furlough, address)
    assert done.returncode == EngineError.exit_code
    assert address in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert published_files(furlough) == before


@wide
def test_server_that_dies_during_a_query_ends_the_build(furlough: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_answers(furlough)
    before = published_files(furlough)
    with sail_process() as (address, process):
        query = sql_engines._SparkEngine.query

        def die_during(engine: sql_engines._SparkEngine, text: str) -> object:
            os.kill(process, signal.SIGSTOP)  # the query can't end before the server does
            Timer(1, os.kill, (process, signal.SIGKILL)).start()
            return query(engine, text)

        monkeypatch.setattr(sql_engines._SparkEngine, "query", die_during)
        done = build(furlough, address)
    assert done.returncode == EngineError.exit_code
    assert f"{address}: the engine did not complete a query" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert published_files(furlough) == before


@pytest.mark.parametrize(("server", "fits"), [("4.1.0", True), ("4.3.1", True), ("4.0.2", False), ("3.5.1", False)])
def test_server_of_an_earlier_version_is_refused(server: str, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace(__version__="4.1.3"))
    with nullcontext() if fits else pytest.raises(EngineError, match=f"version {server} and the client 4.1.3"):
        sql_engines._require_fit_version("sc://127.0.0.1:1", server)


def test_setting_comes_from_the_command_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_setting() is None
    monkeypatch.setenv(ENGINE_VARIABLE, "sc://server:1")
    monkeypatch.setenv(ENGINE_ROWS_VARIABLE, "12")
    assert engine_setting() == ("sc://server:1", 12)
    assert engine_setting("duckdb", 3) == ("duckdb", 3)
    monkeypatch.setenv(ENGINE_ROWS_VARIABLE, "many")
    with pytest.raises(EngineError, match="ENGINE_ROWS: found 'many'"):
        engine_setting()


@wide
def test_dagster_takes_the_engine_from_the_environment(furlough: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table_version(state_path(furlough.home, "cell", "furlough"))
    forget_answers(furlough)
    monkeypatch.setenv(ENGINE_VARIABLE, "duckdb")
    monkeypatch.setenv(ENGINE_ROWS_VARIABLE, "0")
    resources = dagster_resources(ProjectResource(furlough.home, furlough.as_of))
    done = dg.materialize(assets.answer_assets(furlough.catalogue, [], ["furlough"]), resources=resources)
    assert done.success and list((furlough.home / "engine").rglob("*.parquet"))
    assert table_version(state_path(furlough.home, "cell", "furlough")) == before


@wide
def test_dagster_run_fails_with_one_sentence_where_the_engine_is_not_there(
    furlough: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_answers(furlough)
    monkeypatch.setenv(ENGINE_VARIABLE, "sc://127.0.0.1:1")
    monkeypatch.setenv(ENGINE_ROWS_VARIABLE, "0")
    resources = dagster_resources(ProjectResource(furlough.home, furlough.as_of))
    parts = assets.answer_assets(furlough.catalogue, [], ["furlough"])
    done = dg.materialize(parts, resources=resources, raise_on_error=False)
    data = done.failure_data_for_node("problem__furlough")
    assert data and data.user_failure_data
    text = data.user_failure_data.description
    assert text and "sc://127.0.0.1:1: no server accepts a connection there" in text and "\n" not in text
    assert not state_path(furlough.home, "verdict", "furlough").exists()


def test_missing_client_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(EngineError, match=r"commonground\[spark\]"):
        sql_engines._start_session("sc://127.0.0.1:1")


def test_lost_file_of_figures_is_one_sentence() -> None:
    engine = open_engine("duckdb")
    with pytest.raises(EngineError, match="duckdb: the engine did not complete a query"):
        engine.query("select * from read_parquet('nowhere.parquet')")
