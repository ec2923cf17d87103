"""Runs of fetches in Dagster: which fail, which are repeated, and what a new release builds."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from pipelines.app import snapshot_assets
from pipelines.app.assets import PAGES_KEY, WAREHOUSE_KEY, answer_key, observation_key, snapshot_key
from pipelines.app.definitions import define_project
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.endpoint import NOMIS_KEY
from tests.app.test_refresh import CSV, project
from tests.fetch.test_network import nomis_of
from tests.publisher import Publisher, file, publishing, says

SOURCE = "dwp_uc_households"
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(snapshot_assets, "RETRIES", dg.RetryPolicy(max_retries=2, delay=0))
    with publishing() as server:
        yield server


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT)


@pytest.fixture(scope="module")
def shipped(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return define_project(catalogue, tmp_path_factory.mktemp("store"), date(2026, 11, 24))


def fetch(defs: dg.Definitions, instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def(f"refresh_{name}")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def fault(result: dg.ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data and data.description
    return data.description


def retries(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.is_step_up_for_retry for event in result.all_events)


def test_only_a_new_release_is_a_materialisation(tmp_path: Path, office: Publisher) -> None:
    root = project(tmp_path, good=f"url: {office.at('/good.csv', file(CSV, '1'), file(CSV, '1'))}")
    defs, instance = define_project(load_catalogue(root), tmp_path / "store"), dg.DagsterInstance.ephemeral()
    for expected in (1, 0):
        result = fetch(defs, instance, "good")
        assert result.success
        assert len([event for event in result.all_events if event.is_step_materialization]) == expected
    seen = instance.fetch_observations(snapshot_key("good"), limit=5).records
    assert [record.asset_observation.metadata["outcome"].value for record in seen] == ["unchanged"]


def test_temporary_fault_is_repeated_and_a_lasting_one_is_not(tmp_path: Path, office: Publisher) -> None:
    busy = office.at("/busy.csv", says(503, Retry_After="3600"), says(503, Retry_After="3600"), says(200, CSV))
    gone, empty = office.at("/gone.csv", says(404)), office.at("/empty.csv", says(200, b"code,value\n"))
    root = project(tmp_path, busy=f"url: {busy}", gone=f"url: {gone}", empty=f"url: {empty}")
    defs, instance = define_project(load_catalogue(root), tmp_path / "store"), dg.DagsterInstance.ephemeral()
    busy_run, gone_run, empty_run = (fetch(defs, instance, name) for name in ("busy", "gone", "empty"))
    assert (busy_run.success, retries(busy_run)) == (True, 2)
    for run, words in ((gone_run, "found HTTP 404"), (empty_run, "one line and no rows")):
        assert (run.success, retries(run)) == (False, 0)
        assert words in fault(run) and "\n" not in fault(run)


def test_list_without_a_file_since_the_declared_day_fails(tmp_path: Path, office: Publisher) -> None:
    page = office.at("/page", says(200, b'<html><a href="/figures-2020-01.csv">January</a></html>'))
    pattern = r"figures-(?P<period>20\d\d-\d\d)\.csv$"
    since = "since: 2026-01-01"
    root = project(
        tmp_path,
        old=f"fetch: {{link: {{page: '{page}', pattern: '{pattern}', newest: period, take: every, {since}}}}}",
    )
    defs = define_project(load_catalogue(root), tmp_path / "store")
    assert "found no file since the declared day" in fault(fetch(defs, dg.DagsterInstance.ephemeral(), "old"))


def test_key_of_a_service_is_in_no_event(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(NOMIS_KEY, "0xsecretsecretsecret")
    road = json.dumps(nomis_of(office))
    office.at("/api/v01/dataset/NM_162_1.data.csv", says(403))
    defs = define_project(load_catalogue(project(tmp_path, keyed=f"fetch: {road}")), tmp_path / "store")
    instance = dg.DagsterInstance.ephemeral()
    monkeypatch.setattr(snapshot_assets, "RETRIES", None)
    result = fetch(defs, instance, "keyed")
    assert not result.success and any("0xsecret" in asked.path for asked in office.asked)
    logged = "".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert "0xsecret" not in logged + "".join(capfd.readouterr())
    assert not any("0xsecret" in path.read_text() for path in (tmp_path / "store").rglob("*.jsonl"))


def test_new_release_builds_what_rests_on_it(catalogue: Catalogue, shipped: dg.Definitions) -> None:
    instance = dg.DagsterInstance.ephemeral()
    before = dg.evaluate_automation_conditions(shipped, instance)
    assert before.total_requested == 0
    instance.report_runless_asset_event(dg.AssetMaterialization(snapshot_key(SOURCE)))
    after = dg.evaluate_automation_conditions(shipped, instance, cursor=before.cursor)
    wanted = {result.key for result in after.results if result.true_subset.size}
    problems = catalogue.problems.items()
    resting = [name for name, problem in problems if SOURCE in catalogue.problem_sources(problem)]
    assert resting and len(resting) < len(catalogue.problems)
    assert wanted == {observation_key(SOURCE), WAREHOUSE_KEY, PAGES_KEY} | {
        key for name in resting for key in (answer_key(name), dg.AssetKey(["report", name]))
    }
    assert dg.evaluate_automation_conditions(shipped, instance, cursor=after.cursor).total_requested == 0


def test_each_problem_has_a_job_that_publishes_it(catalogue: Catalogue, shipped: dg.Definitions) -> None:
    for name, problem in catalogue.problems.items():
        keys = shipped.resolve_job_def(f"publish_{name}").asset_layer.selected_asset_keys
        sources = set(catalogue.problem_sources(problem)) & set(catalogue.observation_sources())
        assert {WAREHOUSE_KEY, PAGES_KEY, answer_key(name), dg.AssetKey(["report", name])} <= keys
        assert {key.path[1] for key in keys if key.path[0] == "observation"} == sources
        assert not [key for key in keys if key.path[0] == "snapshot"]
