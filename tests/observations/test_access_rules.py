"""Tables of sources: which stored ones are read, when they are built again, and which slices a reader gets."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.core.schema import empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import release_path, state_path, write_table
from pipelines.declarations.fingerprints import OBSERVATION_TABLES
from pipelines.declarations.project import Project
from pipelines.observations import access, scan
from pipelines.observations.access import (
    all_reconciliations,
    current_tables,
    has_observations,
    list_observed_places,
    load_revisions,
    load_source_table,
    load_source_tables,
    read_current,
    read_current_batches,
    reconcile_source,
    scan_observations,
    summarise_revisions,
)
from pipelines.observations.newest_period import newest_stored_period
from pipelines.observations.reconciliation import RECONCILIATION
from pipelines.observations.revisions import REVISION_SUMMARY
from pipelines.observations.scan import OBSERVATION_SCHEMA
from tests.gaps.plain import catalogue_of, source_of
from tests.observations.test_scan import expected_rows, make_store

KEYS = {"s": "key of s", "t": "key of t", "u": "key of u"}
FLAGS = pl.DataFrame({"flag": ["one"]}).clear()


@pytest.fixture()
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of four sources; only s has tables, and they are current. Those built again are in `built`."""
    store(tmp_path, "s", make_store(tmp_path))
    keys = SimpleNamespace(observation=KEYS, reading={name: f"reading of {name}" for name in KEYS})
    built: list[tuple[Any, ...]] = []

    def build(home: Path, _: Any, name: str, places: str, systems: str, day: date, key: str) -> tuple[Any, ...]:
        built.append((home, name, places, systems, day, key))
        return tables_of(make_store(tmp_path))

    monkeypatch.setattr(access, "compute_table_keys", lambda *_: keys)
    monkeypatch.setattr(access, "load_places", lambda _: "places")
    monkeypatch.setattr(access, "list_source_geographies", lambda _, name: f"geographies of {name}")
    monkeypatch.setattr(access, "build_source_tables", build)
    catalogue = catalogue_of(
        s=source_of("m", "n"), t=source_of("o"), u=source_of("q"), v=source_of("w", access="not_open")
    )
    return cast(Project, SimpleNamespace(catalogue=catalogue, home=tmp_path, as_of=date(2026, 1, 1), built=built))


def tables_of(slices: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
    return tuple(
        slices if kind == "slice" else FLAGS.with_columns(pl.lit(kind).alias("kind")) for kind in OBSERVATION_TABLES
    )


def store(home: Path, name: str, slices: pl.DataFrame, key: str | None = None) -> None:
    for kind, table in zip(OBSERVATION_TABLES, tables_of(slices), strict=True):
        write_table(state_path(home, kind, name), table, KEYS[name] if key is None else key)


def built(project: Project) -> list[str]:
    return [row[1] for row in project.built]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "read", [lambda p: load_source_tables(p, "s").slice, lambda p: load_source_table(p, "s", "slice")]
)
def test_current_tables_are_read_and_others_built(project: Project, read: Callable[[Project], pl.DataFrame]) -> None:
    slices = read(project)
    assert slices.height == 5 and built(project) == []
    store(project.home, "s", slices.head(1), "older key")
    assert read(project).height == 5 and read(project).height == 5
    day = date(2026, 1, 1)
    assert project.built == [  # type: ignore[attr-defined]
        (project.home, "s", "places", "geographies of s", day, "reading of s")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "read", [lambda p: load_source_tables(p, "s").slice, lambda p: load_source_table(p, "s", "slice")]
)
def test_tables_are_built_again_where_a_file_of_figures_is_gone(
    project: Project, read: Callable[[Project], pl.DataFrame]
) -> None:
    release_path(project.home, "values", "s", "two").unlink()
    assert read(project).height == 5 and built(project) == ["s"]
    assert release_path(project.home, "values", "s", "two").is_file()
    assert read(project).height == 5 and built(project) == ["s"]


def test_table_of_a_kind_is_the_one_of_that_name(project: Project) -> None:
    for kind in OBSERVATION_TABLES[1:]:
        assert load_source_table(project, "s", kind).columns == ["flag", "kind"]
    write_table(state_path(project.home, "total", "s"), FLAGS, "older key")
    assert load_source_table(project, "s", "doubt").columns == ["flag", "kind"] and built(project) == ["s"]


def test_only_sources_with_slices_have_observations(project: Project) -> None:
    assert has_observations(project.home, "s") and not has_observations(project.home, "t")
    assert built(project) == []
    assert load_source_tables(project, "t").slice.height == 5 and has_observations(project.home, "t")


def test_figures_in_use_are_of_the_newest_release_with_the_filters_given(project: Project) -> None:
    """The second month has another release; the order is by measure and month."""
    whole = read_current(project, "s")
    assert whole.select("measure", "release", "value").rows() == [
        ("m", "one", 1.0), ("m", "one", None), ("m", "two", 30.0), ("m", "two", 31.0), ("n", "one", 5.0)
    ]  # fmt: skip
    assert whole.schema == OBSERVATION_SCHEMA
    assert read_current(project, "s", ["n"])["value"].to_list() == [5.0]
    assert read_current(project, "s", []).schema == OBSERVATION_SCHEMA and read_current(project, "s", []).is_empty()
    some = read_current(project, "s", columns=["value", "place_code"])
    assert some.columns == ["value", "place_code"] and some.height == 5


def in_geographies(project: Project, *geographies: str) -> None:
    """Give the slices of s these geographies, in order."""
    slices = make_store(project.home).with_columns(pl.Series("geography", geographies))
    store(project.home, "s", slices)


def test_geography_selects_its_own_releases_before_the_newest(project: Project) -> None:
    in_geographies(project, "old", "old", "old", "new", "new")
    assert read_current(project, "s", geography="new")["value"].to_list() == [30.0, 31.0]
    assert read_current(project, "s", geography="old")["value"].to_list() == [1.0, None, 3.0, 4.0, 5.0]
    assert read_current(project, "s", ["m"], "old")["value"].to_list() == [1.0, None, 3.0, 4.0]
    assert read_current(project, "s", geography="none").is_empty()


def test_batches_have_whole_slices_of_one_geography(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def batches(*measures: str) -> list[tuple[str, list[Any], list[Any]]]:
        return [
            (batch.geography, batch.slices["rows"].to_list(), batch.observation["value"].to_list())
            for batch in read_current_batches(project, "s", measures)
        ]

    assert batches("m", "n") == [("lad_2023", [2, 1, 1, 1], [1.0, None, 30.0, 31.0, 5.0])]
    assert batches("n") == [("lad_2023", [1], [5.0])] and batches() == batches("x") == [("", [], [])]
    in_geographies(project, "old", "old", "older", "new", "old")
    whole = [("old", [2, 1], [1.0, None, 31.0]), ("new", [1], [30.0]), ("older", [1], [5.0])]
    assert batches("m", "n") == whole
    monkeypatch.setattr(scan, "ROWS_PER_BATCH", 2)
    assert batches("m", "n") == [("old", [2], [1.0, None]), ("old", [1], [31.0]), *whole[1:]]


def test_view_and_places_are_of_every_release(project: Project) -> None:
    assert scan_observations(project, "s").collect().equals(expected_rows())
    assert list_observed_places(project, "s") == {"A", "B"}


def test_tables_of_other_keys_are_left_out(project: Project) -> None:
    keys = cast(Any, SimpleNamespace(observation=KEYS))
    store(project.home, "t", make_store(project.home).head(2))
    store(project.home, "u", make_store(project.home).head(3), "older key")

    def heights(selection: list[str] | None = None) -> list[int]:
        return [table.height for table in current_tables(project, "slice", keys, selection)]

    assert heights() == [5, 2] and heights(["t", "u"]) == [2] and heights([]) == []


def test_revisions_compare_each_release_with_the_one_before(project: Project) -> None:
    """The second release has another figure for A in the second month, and one month more; it lacks all else."""
    revised, summary = load_revisions(project, "s")
    month = pl.col("period_start").dt.month().alias("month")
    assert sorted(revised.select("kind", "measure", month, "place_code").rows()) == [
        ("appeared", "m", 3, "A"), ("changed", "m", 2, "A"), ("disappeared", "m", 1, "A"),
        ("disappeared", "m", 1, "B"), ("disappeared", "m", 2, "B"), ("disappeared", "n", 1, "A"),
    ]  # fmt: skip
    assert summary.columns == list(REVISION_SUMMARY)
    keys = cast(Any, SimpleNamespace(observation=KEYS))
    store(project.home, "u", make_store(project.home), "older key")
    for names, expected in ((None, summary), (["s", "u"], summary), (["u", "t"], summary.clear())):
        assert summarise_revisions(project, keys, names).equals(expected)
    assert built(project) == []


TOTAL = {"role": "total", "value": 9.0, "measure": "m", "order": 1, "file_row": 1}


def totals_of(slices: pl.DataFrame, *rows: dict[str, Any]) -> pl.DataFrame:
    """Make totals of the slices with these positions."""
    records = [
        {**TOTAL, **slices.row(row["of"], named=True), **{k: v for k, v in row.items() if k != "of"}} for row in rows
    ]
    return pl.DataFrame(records, infer_schema_length=None).select(*SLICE_KEY, "order", "role", "value")


def reconcile(project: Project, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any], name: str = "s") -> list[Any]:
    """Return the figures that the totals of a source are compared with."""
    slices = load_source_table(project, name, "slice")
    write_table(state_path(project.home, "total", name), totals_of(slices, *rows), KEYS[name])
    calls: list[Any] = []

    def compare(observation: pl.DataFrame, total: pl.DataFrame, source: Any, member: Any, places: Any) -> pl.DataFrame:
        assert (source, member, places) == (project.catalogue.sources[name], ("of lad_2023", source.coverage), "places")
        assert total.height == len(rows) and observation.schema == OBSERVATION_SCHEMA
        calls.append(observation["value"].to_list())
        return empty_table(RECONCILIATION)

    def load_system(_: Any, system: str) -> Any:
        return SimpleNamespace(places=f"of {system}")

    monkeypatch.setattr(access, "load_geography", load_system)
    monkeypatch.setattr(access, "covered_members", lambda *given: given)
    monkeypatch.setattr(access, "reconcile_totals", compare)
    assert reconcile_source(project, name).columns == list(RECONCILIATION)
    reconcile_source(project, name)
    assert len(calls) <= 1, "the stored table serves the next call"
    return calls


def test_only_slices_in_use_with_a_total_are_reconciled(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third slice is m of the second month, which the second release has again; a total of the first is unused."""
    assert reconcile(project, monkeypatch, {"of": 3}, {"of": 0}, {"of": 2, "role": "part"}) == [[1.0, None, 30.0]]


def test_total_of_another_geography_or_release_has_no_slice(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    in_geographies(project, "lad_2023", "lad_2023", "lad_2023", "lad_2022", "lad_2022")
    assert reconcile(project, monkeypatch, {"of": 3}, {"of": 1}, {"of": 4}) == [[3.0, 4.0]]


@pytest.mark.parametrize("row", [{"of": 0, "role": "part"}, {"of": 0, "value": None}])
def test_source_without_a_total_has_nothing_to_reconcile(
    project: Project, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any]
) -> None:
    assert reconcile(project, monkeypatch, row) == []


def test_reconciliations_are_of_chosen_sources_with_observations(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(project.home, "u", make_store(project.home))
    asked: list[str] = []
    monkeypatch.setattr(access, "reconcile_source", lambda _, name: asked.append(name) or empty_table(RECONCILIATION))
    for selection, expected in ((None, ["s", "u"]), (["u", "t"], ["u"]), ([], [])):
        asked.clear()
        assert all_reconciliations(project, selection).columns == list(RECONCILIATION) and asked == expected


def test_newest_period_is_the_last_with_a_figure(tmp_path: Path) -> None:
    assert newest_stored_period(tmp_path, "s") is None
    days = [date(2024, 12, 31), date(2025, 12, 31), date(2026, 12, 31), date(2023, 12, 31)]
    for known, newest in (([3, 1, 0, 5], days[1]), ([2, 0, 0, 0], days[0]), ([0, 0, 0, 0], None)):
        write_table(state_path(tmp_path, "slice", "s"), pl.DataFrame({"known": known, "period_end": days}), str(known))
        assert newest_stored_period(tmp_path, "s") == newest
