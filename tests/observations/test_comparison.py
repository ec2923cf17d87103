"""Sources of which the disagreement with others is asked."""

from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from checks import PLAUSIBILITY_FLAG
from pipelines.core.schema import table_from_records
from pipelines.declarations.project import Project
from pipelines.observations import comparison
from pipelines.observations.comparison import all_disagreement_flags

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
