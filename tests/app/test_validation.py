"""Contracts in a build, in the command `validate` and in Dagster: one verdict, and no large import in a build."""

import os

import dagster as dg
import polars as pl
import pytest

from checks import POLARS
from pipelines.app import assets
from pipelines.app.assets import observation_key
from pipelines.app.checked_tables import check_source
from pipelines.app.project_resource import ProjectResource, dagster_resources
from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.core.store import read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from tests.breadth import wide
from tests.command import run, run_apart
from tests.gaps.test_cells import AS_OF, MERTON, Case, project_of, with_peers

pytestmark = wide

SOURCE = "period_kind: year\ngeography: lad_2023\n"
CASE = Case(None, "x", with_peers(f"{MERTON},x,2023,7oops"), source=SOURCE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project built by the command line where neither Great Expectations nor Dagster can be imported."""
    folder = tmp_path_factory.mktemp("validated")
    project = project_of(CASE, folder)
    for name in ("great_expectations", "dagster"):
        library = folder / "library" / name
        library.mkdir(parents=True)
        (library / "__init__.py").write_text(
            f"import pathlib\npathlib.Path({str(folder / 'imported')!r}).touch()\nraise ImportError('not in a build')\n"
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "library"), os.environ.get("PYTHONPATH", "")]))
        done = run_apart("build", store=project.home, project=project.catalogue.root)
    assert done.returncode == 0, done.stderr
    assert not (folder / "imported").exists()
    return Project(load_catalogue(project.catalogue.root), project.home, AS_OF)


def broken_rules(project: Project) -> pl.DataFrame:
    return read_table(state_path(project.home, "contract", "a_source")).filter(~pl.col("met"))


def test_build_judges_a_broken_cell_without_great_expectations(built: Project) -> None:
    assert broken_rules(built).select("expectation", "failing").rows() == [("readable", 1)]


def test_validate_lists_rules_that_are_not_met(built: Project) -> None:
    done = run("validate", "a_source", store=built.home, project=built.catalogue.root)
    assert done.returncode == 0, done.stderr
    assert "7oops" in done.stdout and "readable" in done.stdout and "dated" not in done.stdout
    assert "rules of 1 releases: 1 not met, 0 of these beyond the tolerance." in done.stdout
    every = run("validate", "--format", "csv", store=built.home, project=built.catalogue.root)
    assert "dated" in every.stdout


def test_validate_names_an_unknown_source(built: Project) -> None:
    done = run("validate", "another", store=built.home, project=built.catalogue.root)
    assert done.returncode == UnknownNameError.exit_code
    assert "unknown source 'another'" in done.stderr


def contract_check(project: Project) -> dg.AssetCheckEvaluation:
    place = ProjectResource(project.home, AS_OF)
    done = dg.materialize(assets.answer_assets(project.catalogue, ["a_source"], []), resources=dagster_resources(place))
    key = observation_key("a_source")
    return next(
        item for item in done.get_asset_check_evaluations() if item.check_name == "contract" and item.asset_key == key
    )


def test_build_and_dagster_state_their_runners_and_the_same_rows(built: Project) -> None:
    web = contract_check(built)
    [line] = [item for item in check_source(built, "a_source", POLARS).checks if item.check == "contract"]
    assert (web.passed, line.passed) == (False, False)
    seen, due = {name: entry.value for name, entry in web.metadata.items()}, dict(line.metadata)
    assert (seen.pop("judged by"), due.pop("judged by")) == ("Great Expectations", "Polars")
    assert seen == due
    assert seen["as in the build"] is True and "7oops" in str(seen["which"])


def test_verdict_unlike_the_build_is_reported(built: Project) -> None:
    path = state_path(built.home, "contract", "a_source")
    sound, key = path.read_bytes(), table_key(path)
    write_table(path, read_table(path).with_columns(pl.lit(True).alias("met")), key or "")
    try:
        check = contract_check(built)
        done = run("validate", store=built.home, project=built.catalogue.root)
    finally:
        path.write_bytes(sound)
    assert not check.passed and check.metadata["as in the build"].value is False
    assert done.returncode == CommongroundError.exit_code
    assert "Great Expectations and the build differ" in done.stderr
