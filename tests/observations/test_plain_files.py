"""Plain files of figures for an engine: numbers of slices, columns without blanks, and what an engine cannot place."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.store import table_version
from pipelines.observations.plain_files import number_slices, prune_plain_files, write_plain_files
from tests.observations import test_scan
from tests.observations.test_scan import figure, make_store


def test_number_of_a_slice_depends_on_its_file_and_its_place_there(tmp_path: Path) -> None:
    slices = number_slices(make_store(tmp_path))
    numbers = slices["slice"]
    assert numbers.is_unique().all() and numbers.null_count() == 0
    assert (numbers[1] - numbers[0], numbers[2] - numbers[1], numbers[4] - numbers[3]) == (1, 1, 1)
    assert numbers[0] % (1 << 20) == numbers[3] % (1 << 20) == 0
    turned = number_slices(make_store(tmp_path).reverse()).reverse()
    assert turned.equals(slices)
    assert number_slices(slices.drop("slice").clear()).schema["slice"] == pl.Int64


def written(home: Path, measure: str = "m") -> tuple[list[Path], str, pl.DataFrame]:
    """Write the plain files of a measure; return them, the obstacle and the slices."""
    slices = number_slices(make_store(home)).filter(pl.col("measure") == measure)
    paths, obstacle = write_plain_files(home, slices)
    return paths, obstacle, slices


def test_plain_file_has_the_figures_of_a_measure_in_one_release(tmp_path: Path) -> None:
    paths, obstacle, slices = written(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "engine/s/one/m.parquet", "engine/s/two/m.parquet"
    ]  # fmt: skip
    assert obstacle == ""
    first, second = slices["slice"].head(2)
    hidden, normal = (OBSERVATION_STATUSES.index(name) for name in ("confidential", "normal"))
    rest = {"lower_bound": 0.5, "upper_bound": 99.5}
    assert [{name: value for name, value in row.items() if value is not None}
            for row in pl.read_parquet(paths[0]).iter_rows(named=True)] == [
        {"slice": first, "place_code": "A", "value": 1.0, **rest, "status": normal, "is_hidden": False,
         "published_marker": "p", "caveats": "late", "caveat_evidence": "Seen", "file_row": 2},
        {"slice": first, "place_code": "B", **rest, "status": hidden, "is_hidden": True, "published_marker": "c",
         "file_row": 3},
        {"slice": second, "place_code": "A", "value": 3.0, **rest, "interval_lower": 2.0, "interval_upper": 4.0,
         "status": normal, "is_hidden": False, "file_row": 4},
        {"slice": second, "place_code": "B", "value": 4.0, **rest, "status": normal, "is_hidden": False, "file_row": 5},
    ]  # fmt: skip


OBSTACLES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "none": ([figure("m", 1, "A", 1.0, 2), figure("m", 1, "B", 1.0, 3), figure("m", 2, "B", 2.0, 4)], ""),
    "together": ([figure("m", 1, "A", 1.0, 2), figure("m", 1, "B+C", 1.0, 3)], "figures of several places together"),
    "twice": ([figure("m", 1, "A", 1.0, 2), figure("m", 1, "A", 1.0, 3)], "two figures of one place"),
    "both": ([figure("m", 1, "A+B", 1.0, 2), figure("m", 1, "A+B", 1.0, 3)], "figures of several places together"),
    "blanks": ([figure("m", 1, "A", float("nan"), 2, published_marker="", caveats="", obs_status=None)], ""),
}


@pytest.mark.parametrize(("figures", "obstacle"), OBSTACLES.values(), ids=list(OBSTACLES))
def test_obstacle_of_a_measure_is_named(
    tmp_path: Path, figures: list[dict[str, Any]], obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_scan, "FILES", {"one": figures})
    paths, actual, _ = written(tmp_path)
    assert (actual, table_version(paths[0])) == (obstacle, obstacle or "plain")
    if any(row["value"] != row["value"] for row in figures):
        row = pl.read_parquet(paths[0]).row(0, named=True)
        normal = OBSERVATION_STATUSES.index("normal")
        columns = ("value", "published_marker", "caveats", "status", "is_hidden")
        assert [row[name] for name in columns] == [None, None, None, normal, False]


def test_several_headings_in_a_slice_are_an_obstacle(tmp_path: Path) -> None:
    assert written(tmp_path, "n")[1] == "several headings in a slice"


def test_plain_file_is_written_once_and_again_for_other_slices(tmp_path: Path) -> None:
    paths, _, slices = written(tmp_path)
    before = [path.stat().st_mtime_ns for path in paths]
    assert write_plain_files(tmp_path, slices)[0] == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
    write_plain_files(tmp_path, slices.filter(pl.col("slice") != slices["slice"][0]))
    assert pl.read_parquet(paths[0])["file_row"].to_list() == [4, 5]
    assert paths[1].stat().st_mtime_ns == before[1]
    assert [path.name for path in paths[0].parent.iterdir()] == ["m.parquet"]


def test_plain_files_of_sources_that_are_gone_are_removed(tmp_path: Path) -> None:
    paths, _, _ = written(tmp_path)
    prune_plain_files(tmp_path, ["s", "t"])
    assert paths[0].is_file()
    prune_plain_files(tmp_path, ["t"])
    assert not paths[0].exists() and (tmp_path / "engine").is_dir()
    prune_plain_files(tmp_path / "nowhere", [])
