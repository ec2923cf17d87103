"""`refresh` succeeds only if every requested source delivers its file. A local server acts as the publisher."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.app.assets import snapshot_key
from pipelines.app.definitions import define_project
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.endpoint import STATXPLORE_KEY
from tests.breadth import wide
from tests.command import Done, run
from tests.publisher import Publisher, publishing, says

CSV = b"code,value\nE06000001,5\n"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv(STATXPLORE_KEY, raising=False)
    with publishing() as server:
        yield server


def project(folder: Path, **roads: str) -> Path:
    """Write a project of sources with different endpoints. A blank endpoint means no address."""
    root = folder / "project"
    (root / "sources").mkdir(parents=True)
    (root / "pipelines" / "problems").mkdir(parents=True)
    for name, road in roads.items():
        text = f"title: {name}\npublisher: Office\nlicence: OGL 3.0\npage: https://example.org/{name}\n"
        (root / "sources" / f"{name}.yaml").write_text(f"{text}provides: boundary\n{road}\n")
    return root


def refresh(root: Path, home: Path, *names: str) -> Done:
    return run("refresh", *names, store=home, project=root)


def stat_xplore(office: Publisher) -> str:
    api = {"database": "d", "measures": ["m"], "dimensions": ["a"], "recodes": {"a": ["b"]}, "service": office.url("")}
    return f"fetch: {json.dumps({'stat_xplore': api})}"


def test_sources_with_an_address_are_fetched_and_others_counted(tmp_path: Path, office: Publisher) -> None:
    root = project(tmp_path, good=f"url: {office.at('/good.csv', says(200, CSV))}", by_hand="", also_by_hand="")
    done = refresh(root, tmp_path / "store")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().startswith("new: good: good.csv")
    assert "Not fetched, no address: 2 of 3 sources" in done.stdout and "by_hand" not in done.stdout
    assert [asked.path for asked in office.asked] == ["/good.csv"]


def test_named_source_without_an_address_fails(tmp_path: Path, office: Publisher) -> None:
    root = project(tmp_path, good=f"url: {office.at('/good.csv', says(200, CSV))}", by_hand="")
    done = refresh(root, tmp_path / "store", "by_hand", "good")
    assert done.returncode == 5
    assert "commonground add by_hand FILE" in done.stdout and "new: good" in done.stdout


def test_unpublished_source_and_source_without_a_key_fail(tmp_path: Path, office: Publisher) -> None:
    root = project(tmp_path, closed="access: not_open\nrequest: the table", keyed=stat_xplore(office))
    for name, report in (("closed", "ask Office: the table"), ("keyed", f"{STATXPLORE_KEY} is not set")):
        done = refresh(root, tmp_path / "store", name)
        assert done.returncode == 5 and report in done.stdout
    done = refresh(root, tmp_path / "store")
    assert done.returncode == 5 and f"{STATXPLORE_KEY} is not set" in done.stdout
    assert office.asked == []


@wide
def test_offline_refresh_reports_every_source_as_failed(tmp_path: Path) -> None:
    with publishing() as gone:
        where = gone.url("")
    pattern = "fetch: {link: {page: '" + where + "/page', pattern: csv}}"
    root = project(tmp_path, linked=pattern, file="url: /no/such/file.csv")
    done = refresh(root, tmp_path / "store")
    assert (done.returncode, done.stderr) == (5, "")
    report = [line[:15] for line in done.stdout.splitlines() if line.strip()]
    assert report == ["failed: file: f", "failed: linked:"], done.stdout


def test_dagster_fetches_sources_with_an_address_and_fails_without_data(tmp_path: Path, office: Publisher) -> None:
    good, empty = office.at("/good.csv", says(200, CSV)), office.at("/empty.csv", says(200, b"code,value\n"))
    roads = {"good": f"url: {good}", "empty": f"url: {empty}", "by_hand": "", "keyed": stat_xplore(office)}
    defs = define_project(load_catalogue(project(tmp_path, **roads)), tmp_path / "store")
    graph = defs.resolve_asset_graph()
    external = graph.get(snapshot_key("by_hand"))
    assert external.is_external and not external.is_materializable
    assert {schedule.name.rpartition("_")[0] for schedule in defs.schedules or []} == {
        "refresh_good", "refresh_empty", "refresh_keyed", "build_every",
    }  # fmt: skip
    named = {job.name for job in defs.jobs or []}
    assert named == {"build", "refresh", "refresh_good", "refresh_empty", "refresh_keyed"}
    for name, comes in (("good", True), ("empty", False), ("keyed", False)):
        with dg.DagsterInstance.ephemeral() as instance:
            job = defs.resolve_job_def(f"refresh_{name}")
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            assert result.success is comes, name
            assert bool(instance.get_latest_materialization_event(snapshot_key(name))) is comes
