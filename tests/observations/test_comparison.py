"""Sources of which the disagreement with others is asked."""

from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from checks import PLAUSIBILITY_FLAG
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.project import Project
from pipelines.observations import comparison
from pipelines.observations.comparison import _other_observations, all_disagreement_flags

COMPARED = {"a": ("m",), "b": ("m",), "unread": ("m",), "alone": ()}


def source(geography: str | None) -> Any:
    return SimpleNamespace(returns=SimpleNamespace(geography=geography) if geography is not None else None)


def flag(name: str) -> pl.DataFrame:
    return table_from_records([dict.fromkeys(PLAUSIBILITY_FLAG) | {"source": name}], PLAUSIBILITY_FLAG)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [(None, ["a", "b", "providers"]), (["b", "alone", "unread"], ["b"]), (["providers"], ["providers"]), ([], [])],
)
def test_sources_that_are_compared_and_have_observations_are_asked(
    selection: list[str] | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {**dict.fromkeys(COMPARED, source(None)), "providers": source("lad_2023"), "returns": source("")}
    catalogue = SimpleNamespace(
        observation_sources=lambda: list(sources), sources=sources,
        comparable_measures={**COMPARED, "providers": (), "returns": ()},
    )  # fmt: skip
    monkeypatch.setattr(comparison, "has_observations", lambda _, name: name != "unread")
    monkeypatch.setattr(comparison, "flag_disagreements", lambda _, name: flag(name))
    project = cast(Project, SimpleNamespace(catalogue=catalogue, home=None))
    assert all_disagreement_flags(project, selection)["source"].to_list() == expected


def test_observations_of_the_owners_of_some_measures_are_read_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only sources with observations and of the same geography are read."""
    read: list[str] = []

    def read_one(_: Project, name: str, measures: tuple[str, ...]) -> pl.DataFrame:
        assert measures == ("m", "n", "o", "p")
        read.append(name)
        table = table_from_records([{"source": name, "measure": "m"}], OBSERVATION_COLUMNS)
        return table.with_columns(pl.lit(3, pl.Int64).alias("order"))

    monkeypatch.setattr(comparison, "read_current", read_one)
    geographies = {"a": "lad_2023", "b": "lad_2023", "c": "lad_2021", "asked": "lad_2023", "z": "lad_2023"}
    catalogue = SimpleNamespace(
        measure_source={"m": "b", "n": "a", "o": "b", "p": "c", "q": "z"},
        observation_sources=lambda: ["a", "b", "c", "z"],
        sources={name: SimpleNamespace(geography=geography) for name, geography in geographies.items()},
    )  # fmt: skip
    project = cast(Project, SimpleNamespace(catalogue=catalogue))
    stacked = _other_observations(project, "asked", ("m", "n", "o", "p"))
    assert read == ["a", "b"] and stacked.select("source", "order").rows() == [("a", 3), ("b", 3)]
    catalogue.observation_sources = list
    nothing = _other_observations(project, "asked", ("m", "n", "o", "p"))
    assert nothing.is_empty() and nothing.columns == stacked.columns
