"""Expected returns: which sources have them, on which figures and residents they depend, and when they are stored."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.core.schema import OBSERVATION_COLUMNS, empty_table, table_from_records
from pipelines.core.store import state_path, table_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import returns_load as module
from pipelines.gaps.returns_load import load_returns, stack_returns
from pipelines.observations import PROVIDER_RETURN
from tests.gaps.plain import catalogue_of, source_of

RETURNS = {"providers": "councils", "expected": "every"}
SOURCES = {
    "plain": source_of("a"), "own": source_of("b", returns=RETURNS), "later": source_of("c", returns=RETURNS),
    "police": source_of("d", returns={**RETURNS, "geography": "pfa_2023"}),
    "some": source_of("e", returns={**RETURNS, "absent_row": "none_or_not_reported"}),
    "closed": source_of("f", returns=RETURNS, access="not_open"), "census": source_of("people"),
}  # fmt: skip


@pytest.fixture()
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of sources with figures in two geographies; what each count gets is in `calls`."""
    rows = [{"place_code": code, "geography": system} for code, system in
            (("A", "lad_2023"), ("B", "lad_2022"), ("C", "lad_2023"), ("D", None))]  # fmt: skip
    observation = table_from_records(rows, OBSERVATION_COLUMNS)
    calls: list[Any] = []
    keys = {name: f"key of {name}" for name in SOURCES}

    def count(seen: pl.DataFrame, doubt: Any, source: Any, places: Any, people: Any, changes: Any) -> pl.DataFrame:
        (name,) = (name for name, other in SOURCES.items() if other is source)
        people = people.schema if isinstance(people, pl.DataFrame) else people
        calls.append((name, seen["place_code"].to_list(), doubt, places, people, changes))
        return table_from_records([{"source": name, "place_code": "A"}], PROVIDER_RETURN)

    monkeypatch.setattr(module, "program_key", lambda room: f"program of {room}")
    monkeypatch.setattr(module, "compute_table_keys", lambda *_: SimpleNamespace(observation=keys))
    monkeypatch.setattr(module, "population_measure", lambda catalogue: catalogue.counting)
    monkeypatch.setattr(module, "load_source_table", lambda _, name, kind: f"{kind} of {name}")
    monkeypatch.setattr(module, "load_geography", lambda _, system: SimpleNamespace(places=f"places of {system}"))
    monkeypatch.setattr(module, "load_places", lambda _: SimpleNamespace(changes="changes"))
    monkeypatch.setattr(module, "scan_observations", lambda *_: observation.lazy())
    monkeypatch.setattr(module, "system_residents", lambda _, measure, system: f"{measure} of {system}")
    monkeypatch.setattr(module, "has_observations", lambda _, name: name != "later")
    monkeypatch.setattr(module, "count_returns", count)
    catalogue = catalogue_of(**SOURCES)
    given = SimpleNamespace(
        sources=SOURCES, measure_source=catalogue.measure_source, counting="people",
        observation_sources=catalogue.observation_sources,
    )  # fmt: skip
    return cast(Project, SimpleNamespace(catalogue=given, home=tmp_path, as_of=None, calls=calls, keys=keys))


def calls(project: Project) -> list[Any]:
    return project.calls  # type: ignore[attr-defined,no-any-return]


def test_figures_in_the_geography_of_the_source_are_counted_with_its_places_and_residents(project: Project) -> None:
    table = load_returns(project, "own")
    assert table.select("source", "place_code").rows() == [("own", "A")] and table.columns == list(PROVIDER_RETURN)
    expected = ("own", ["A", "C"], "doubt of own", "places of lad_2023", "people of lad_2023", "changes")
    assert calls(project) == [expected]
    assert table_input_sources(state_path(project.home, "returned", "own")) == ("census", "own")


def test_table_is_stored_until_the_files_of_the_source_or_of_the_residents_change(project: Project) -> None:
    for name in (None, "own", "census", "plain"):
        if name:
            project.keys[name] = "another"  # type: ignore[attr-defined]
        load_returns(project, "own")
        load_returns(project, "own")
    assert len(calls(project)) == 3, "first, then after a change of the source, and of the residents"


def test_returns_without_residents_have_no_people(project: Project) -> None:
    project.catalogue.counting = ""  # type: ignore[attr-defined]
    load_returns(project, "own")
    assert calls(project)[0][4] == pl.Schema({"place_code": pl.String, "people": pl.Float64})
    assert table_input_sources(state_path(project.home, "returned", "own")) == ("own",)


def test_residents_are_an_input_of_their_own_returns_once(project: Project) -> None:
    load_returns(project, "census")
    assert table_input_sources(state_path(project.home, "returned", "census")) == ("census",)


@pytest.mark.parametrize(
    ("only", "names"), [(None, ["own"]), (["own", "police"], ["own"]), (["plain", "later"], []), ([], [])]
)
def test_only_open_sources_with_whole_returns_of_their_own_places_are_stacked(
    project: Project, only: list[str] | None, names: list[str]
) -> None:
    """A source by provider, one with rows above 0 alone, and one without observations have no expected returns."""
    table = stack_returns(project, only)
    assert table["source"].to_list() == names and [call[0] for call in calls(project)] == names
    assert table.schema == empty_table(PROVIDER_RETURN).schema
