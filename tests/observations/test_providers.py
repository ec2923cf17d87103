"""Places of a provider, and the figures of a source that are compared with the sums of their providers."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from checks import PLAUSIBILITY_FLAG
from pipelines.core.schema import OBSERVATION_COLUMNS, PLACE_COLUMNS, conform_table, table_from_records
from pipelines.declarations.project import Project
from pipelines.observations import providers
from pipelines.observations.providers import flag_provider_shortfalls, load_providers
from tests.gaps.plain import catalogue_of, measure_of, source_of

CROSSWALK = pl.DataFrame(
    [("A", "F1", 0.75), ("A", "F2", 0.25), ("B", "F2", 0.5), ("B", "F1", 0.5), ("C", "F1", 0.49), ("C", None, 0.51),
     ("D", None, 1.0), ("E", "F1", 0.1), ("E", "F2", 0.9), ("F", "F3", 1.0), (None, "F1", None)],
    schema={"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64}, orient="row",
)  # fmt: skip
FORCES = table_from_records(
    [{"place_code": code, "place_name": f"Force {code[1]}"} for code in ("F1", "F2")], PLACE_COLUMNS
)
RETURNS = {"providers": "police forces", "expected": "every", "geography": "pfa_2023"}


@pytest.fixture()
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Replace the stored geographies by tables of this module; return the crosswalks that a step asks for."""
    asked: list[tuple[str, str]] = []

    def build(data: str, system: str, provider_system: str) -> pl.DataFrame:
        assert data == "geography data"
        asked.append((system, provider_system))
        return CROSSWALK.sample(fraction=1, shuffle=True, seed=len(asked))

    def load_system(_: Project, system: str) -> SimpleNamespace:
        assert system == "pfa_2023"
        return SimpleNamespace(places=FORCES)

    keys = SimpleNamespace(places="a", apportioning={"areas": "b"})
    monkeypatch.setattr(providers, "compute_table_keys", lambda *_: keys)
    monkeypatch.setattr(providers, "load_places", lambda _: "places")
    monkeypatch.setattr(providers, "load_place_data", lambda *_: "geography data")
    monkeypatch.setattr(providers, "build_crosswalk", build)
    monkeypatch.setattr(providers, "load_geography", load_system)
    return asked


def project_at(home: Path, **said: Any) -> Project:
    """Return a project with one source of two counts or stocks and a rate."""
    measures = {"crimes": measure_of("count"), "officers": measure_of("stock"), "crime_rate": measure_of("rate")}
    catalogue = catalogue_of(police=source_of(measures=measures, **said))
    return cast(Project, SimpleNamespace(catalogue=catalogue, home=home, as_of=date(2026, 1, 1)))


def figure(measure: str, code: str, geography: str) -> dict[str, Any]:
    days = {"period_start": date(2020, 1, 1), "period_end": date(2020, 12, 31)}
    return {"measure": measure, "place_code": code, "geography": geography, "value": 1.0, **days}


def test_provider_of_a_place_has_at_least_half_its_area(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    """C is mostly in no provider's area; D is in none; of equal halves the last code is taken; F3 has no name."""
    table = load_providers(project_at(tmp_path), "lad_2023", "pfa_2023")
    assert table.sort("place_code").rows() == [("A", "F1", "Force 1"), ("B", "F2", "Force 2"), ("E", "F2", "Force 2")]
    assert table.columns == ["place_code", "provider", "name"]
    assert asked == [("lad_2023", "pfa_2023")]
    again = load_providers(project_at(tmp_path), "lad_2023", "pfa_2023")
    assert again.equals(table) and len(asked) == 1, "the stored table serves the next call"


def flag(project: Project, monkeypatch: pytest.MonkeyPatch, measures: list[str] | None) -> tuple[list[Any], list[Any]]:
    """Return the calls of the search for shortfalls, and the flags."""
    rows = [
        figure(measure, code, geography) for measure in ("officers", "crimes", "crime_rate")
        for code, geography in (("A", "lad_2023"), ("F1", "pfa_2023"), ("B", "lad_2023"))
    ]  # fmt: skip
    current = conform_table(pl.DataFrame(rows), OBSERVATION_COLUMNS)
    calls: list[Any] = []

    def read(_: Project, name: str, names: list[str]) -> pl.DataFrame:
        assert name == "police"
        return current.filter(pl.col("measure").is_in(names))

    def find(part: pl.DataFrame, table: pl.DataFrame, noun: str) -> pl.DataFrame:
        calls.append((part["measure"].unique().to_list(), part["place_code"].to_list(), table.height, noun))
        return table_from_records(
            [{"measure": part["measure"][0], "place_code": "A", "reason": "provider_shortfall"}], PLAUSIBILITY_FLAG
        )

    monkeypatch.setattr(providers, "read_current", read)
    monkeypatch.setattr(providers, "find_provider_shortfalls", find)
    return calls, flag_provider_shortfalls(project, "police", measures).select("measure", "place_code").rows()


def test_counts_and_stocks_are_compared_one_at_a_time_in_the_geography_of_the_source(
    asked: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, flags = flag(project_at(tmp_path, returns=RETURNS), monkeypatch, None)
    assert calls == [([measure], ["A", "B"], 3, "police forces") for measure in ("officers", "crimes")]
    assert flags == [("officers", "A"), ("crimes", "A")]
    assert asked == [("lad_2023", "pfa_2023")]


@pytest.mark.parametrize(("measures", "compared"), [(["crimes"], ["crimes"]), (["crime_rate"], []), ([], [])])
@pytest.mark.usefixtures("asked")
def test_only_measures_that_are_asked_for_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measures: list[str], compared: list[str]
) -> None:
    calls, flags = flag(project_at(tmp_path, returns=RETURNS), monkeypatch, measures)
    assert [call[0] for call in calls] == [[name] for name in compared]
    assert flags == [(name, "A") for name in compared]


@pytest.mark.parametrize("said", [{}, {"returns": {"providers": "councils", "expected": "every"}}])
def test_source_without_the_geography_of_its_providers_has_no_flags(
    asked: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    project = project_at(tmp_path, **said)
    assert flag(project, monkeypatch, None) == ([], []) and not asked
    assert flag_provider_shortfalls(project, "police").schema == table_from_records([], PLAUSIBILITY_FLAG).schema
