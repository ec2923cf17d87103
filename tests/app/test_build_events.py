"""What the command line builds appears in Dagster, through a queue that both use at the same time."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import dagster as dg
import pytest
from rich.console import Console

from pipelines.app import build_events
from pipelines.app.assets import WAREHOUSE_KEY, answer_key, snapshot_key
from pipelines.app.build import build_problems
from pipelines.app.build_event_sensor import define_event_sensor
from pipelines.app.build_events import BuildEvent, describe_fetches, queue_events, queue_path, read_events
from pipelines.app.definitions import define_project
from pipelines.core.clock import clock_at
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.fetch import Outcome
from tests.app.test_refresh import project
from tests.breadth import wide

QUIET = Console(quiet=True)


def look(home: Path, instance: dg.DagsterInstance, cursor: str | None = None) -> str | None:
    """Evaluate the sensor as the daemon does; return its new cursor."""
    sensor = define_event_sensor(home, 30)
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = sensor.evaluate_tick(context)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return result.cursor


def materialised(instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    return {key for key in instance.all_asset_keys() if instance.get_latest_materialization_event(key)}


def edited(furlough: Project) -> Project:
    """Change the text of a problem, and not its meaning, so that a build answers it again."""
    path = furlough.catalogue.root / "pipelines" / "problems" / "furlough.sql"
    path.write_text(path.read_text().replace("/*", "/*\n# edited", 1))
    return furlough._replace(catalogue=load_catalogue(furlough.catalogue.root))


@wide
def test_build_of_the_command_line_appears_in_dagster(furlough: Project) -> None:
    answer = answer_key("furlough")
    defs = define_project(furlough.catalogue, furlough.home, furlough.as_of)
    with dg.DagsterInstance.ephemeral() as instance:
        assert build_problems(edited(furlough), [], QUIET) == []
        cursor = look(furlough.home, instance)
        assert {answer, dg.AssetKey(["report", "furlough"]), WAREHOUSE_KEY} <= materialised(instance)
        storage = instance.event_log_storage
        assert storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(answer, "answered")])
        entry = instance.get_latest_materialization_event(answer)
        assert entry and entry.asset_materialization
        assert entry.asset_materialization.metadata["built by"].value == "the command line"
        first = dg.evaluate_automation_conditions(defs, instance)
        assert build_problems(project := edited(furlough), [], QUIET) == []
        second, cursor = cursor, look(furlough.home, instance, cursor)
        assert cursor != second
        after = dg.evaluate_automation_conditions(defs, instance, cursor=first.cursor)
        assert after.total_requested == 0, "nothing is built twice"
        assert build_problems(project, [], QUIET) == []
        assert look(furlough.home, instance, cursor) == cursor, "nothing built, nothing shown"


def test_fetch_of_the_command_line_is_a_release_or_an_observation(tmp_path: Path) -> None:
    outcomes = [
        Outcome("a", "new", "a: new", None),
        Outcome("b", "unchanged", "b: same", None),
        Outcome("c", "failed", "no", None),
    ]
    queue_events(tmp_path, describe_fetches(outcomes))
    with dg.DagsterInstance.ephemeral() as instance:
        look(tmp_path, instance)
        assert materialised(instance) == {snapshot_key("a")}
        assert len(instance.fetch_observations(snapshot_key("b"), limit=5).records) == 1
        assert snapshot_key("c") not in instance.all_asset_keys()


def test_command_and_daemon_at_once_lose_and_repeat_nothing(tmp_path: Path) -> None:
    root = project(tmp_path, good="")
    home, done, seen = tmp_path / "store", Event(), []
    load_catalogue(root)

    def build(part: int) -> None:
        for step in range(20):
            queue_events(
                home,
                [BuildEvent(["observation", f"s{part}_{step}"], {}), BuildEvent(["report", f"s{part}_{step}"], {})],
            )

    def watch() -> None:
        last = 0
        while True:
            ended = done.is_set()
            unread = read_events(home, last)
            seen.extend(item.event.asset[1] for item in unread if item.event.asset[0] == "report")
            last = unread[-1].number if unread else last
            if ended and not unread:
                return

    with ThreadPoolExecutor(4) as pool:
        watching = pool.submit(watch)
        for building in [pool.submit(build, part) for part in range(3)]:
            building.result()
        done.set()
        watching.result()
    assert sorted(seen) == sorted(f"s{part}_{step}" for part in range(3) for step in range(20))


def test_line_that_is_being_written_is_read_later(tmp_path: Path) -> None:
    queue_events(tmp_path, [BuildEvent(["report", "a"], {})])
    whole = queue_path(tmp_path).read_bytes()
    queue_path(tmp_path).write_bytes(whole + whole[:-1])
    assert [item.event.asset[1] for item in read_events(tmp_path)] == ["a"]


def test_queue_that_no_daemon_reads_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_events, "MOST_BYTES", 2_000)
    for step in range(100):
        queue_events(tmp_path, [BuildEvent(["report", f"a{step}"], {"detail": "x" * 50})])
        assert queue_path(tmp_path).stat().st_size < 2_300
    numbers = [item.number for item in read_events(tmp_path)]
    assert numbers == sorted(set(numbers)) and read_events(tmp_path)[-1].event.asset[1] == "a99"


def test_numbers_rise_when_the_clock_goes_back_or_the_queue_is_lost(tmp_path: Path) -> None:
    with clock_at(datetime(2026, 11, 24, tzinfo=UTC)):
        queue_events(tmp_path, [BuildEvent(["report", "a"], {})])
    with clock_at(datetime(2026, 11, 23, tzinfo=UTC)):
        queue_events(tmp_path, [BuildEvent(["report", "b"], {})])
    last = read_events(tmp_path)[-1]
    assert [item.event.asset[1] for item in read_events(tmp_path)] == ["a", "b"]
    queue_path(tmp_path).unlink()
    with clock_at(datetime(2026, 11, 25, tzinfo=UTC)):
        queue_events(tmp_path, [BuildEvent(["report", "c"], {})])
    assert [item.event.asset[1] for item in read_events(tmp_path, last.number)] == ["c"]
    assert all(json.loads(line)[1] for line in queue_path(tmp_path).read_text().splitlines())
