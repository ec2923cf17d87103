"""A new file rebuilds the tables that depend on it, directly or through its places, and no others."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.core.snapshots import Snapshot, store_snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys, public_input_sources

ROOT = Path(__file__).resolve().parents[2]
AS_OF = date(2026, 11, 24)
OWN, OTHER = "ons_claimant_rate", "mhclg_rough_sleeping"
BY_TABLES = ("gov_scot_deprivation", "dwp_uc_households_msoa", "nhse_kh03", "nomis_claimants_wards")
"""Sources with codes that only tables of areas or shares may define: zones, trusts and wards."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT)


def hold(home: Path, name: str, content: bytes = b"x", released: date = AS_OF, file: str = "a.csv") -> None:
    line = Snapshot(name, hash_bytes(content), released, "", "2026-11-24T00:00:00", "test", file, len(content), "")
    store_snapshot(home, content, line)


def changed(before: TableKeys, after: TableKeys) -> dict[str, set[str]]:
    """Return the names with a changed key: sources, answers, tables of areas, and the two single tables."""
    assert before.observation.keys() == after.observation.keys() and before.answer.keys() == after.answer.keys()
    actual = {
        field: {name for name, key in getattr(before, field).items() if getattr(after, field)[name] != key}
        for field in ("observation", "answer", "apportioning")
    }
    return {
        **actual,
        "one": {field for field in ("places", "boundaries") if getattr(before, field) != getattr(after, field)},
    }


NOTHING: dict[str, set[str]] = {"observation": set(), "answer": set(), "apportioning": set(), "one": set()}


def test_keys_are_stable_while_nothing_changes(catalogue: Catalogue, tmp_path: Path) -> None:
    first = compute_table_keys(catalogue, tmp_path, AS_OF)
    assert changed(first, compute_table_keys(catalogue, tmp_path, AS_OF)) == NOTHING
    assert len(set(first.observation.values())) == len(first.observation) > len(BY_TABLES)
    assert len(set(first.answer.values())) == len(first.answer) > 1


@pytest.mark.parametrize("table", ["ons_small_areas", "nhs_trust_catchments", "ons_output_areas"])
def test_table_of_areas_rebuilds_sources_that_use_it_and_all_answers(
    catalogue: Catalogue, tmp_path: Path, table: str
) -> None:
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    hold(tmp_path, table)
    actual = changed(before, compute_table_keys(catalogue, tmp_path, AS_OF))
    assert actual["observation"] >= set(BY_TABLES) and not actual["observation"] & {OWN, OTHER}
    assert (actual["answer"], actual["apportioning"], actual["one"]) == (set(before.answer), {table}, set())


def test_release_with_codes_of_an_earlier_geography_depends_on_tables_of_areas(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    releases = catalogue.sources[OWN].releases
    zones = releases[0].model_copy(update={"geography": "msoa_2011"})
    source = catalogue.sources[OWN].model_copy(update={"releases": (zones, *releases[1:])})
    other = catalogue._replace(sources={**catalogue.sources, OWN: source})
    before = compute_table_keys(other, tmp_path, AS_OF)
    hold(tmp_path, "ons_small_areas")
    assert OWN in changed(before, compute_table_keys(other, tmp_path, AS_OF))["observation"]


@pytest.mark.parametrize("table", ["ons_lad_register", "ons_lad_changes"])
def test_register_and_code_changes_rebuild_all_but_boundaries(catalogue: Catalogue, tmp_path: Path, table: str) -> None:
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    hold(tmp_path, table)
    actual = changed(before, compute_table_keys(catalogue, tmp_path, AS_OF))
    assert actual == {"observation": set(before.observation), "answer": set(before.answer),
                     "apportioning": set(before.apportioning), "one": {"places"}}  # fmt: skip


def test_boundaries_rebuild_answers_but_no_observations(catalogue: Catalogue, tmp_path: Path) -> None:
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    hold(tmp_path, "ons_lad_boundaries")
    actual = changed(before, compute_table_keys(catalogue, tmp_path, AS_OF))
    assert actual == {**NOTHING, "answer": set(before.answer), "one": {"boundaries"}}


def test_file_of_observations_rebuilds_its_source_and_dependent_answers(catalogue: Catalogue, tmp_path: Path) -> None:
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    hold(tmp_path, OTHER)
    actual = changed(before, compute_table_keys(catalogue, tmp_path, AS_OF))
    resting = {name for name in catalogue.problems if OTHER in public_input_sources(catalogue, [name])}
    assert actual == {**NOTHING, "observation": {OTHER}, "answer": resting}
    assert "rough_sleeping" in resting and "jobs_recovery" not in resting


@pytest.mark.parametrize(
    ("released", "is_changed"), [(date(2026, 11, 23), True), (AS_OF, True), (date(2026, 11, 25), False)]
)
def test_file_is_used_from_its_release_day(
    catalogue: Catalogue, tmp_path: Path, released: date, is_changed: bool
) -> None:
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    hold(tmp_path, OTHER, released=released)
    assert changed(before, compute_table_keys(catalogue, tmp_path, AS_OF))["observation"] == (
        {OTHER} if is_changed else set()
    )


def test_new_bytes_day_or_name_rebuild_and_an_identical_fetch_does_not(catalogue: Catalogue, tmp_path: Path) -> None:
    hold(tmp_path, OTHER)
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    hold(tmp_path, OTHER)
    assert changed(before, compute_table_keys(catalogue, tmp_path, AS_OF)) == NOTHING
    for content, released, file in ((b"y", AS_OF, "a.csv"), (b"y", date(2026, 1, 1), "a.csv"), (b"y", AS_OF, "b.csv")):
        hold(tmp_path, OTHER, content, released, file)
        after = compute_table_keys(catalogue, tmp_path, AS_OF)
        assert changed(before, after)["observation"] == {OTHER}
        before = after


def test_day_without_a_release_changes_no_key(catalogue: Catalogue, tmp_path: Path) -> None:
    hold(tmp_path, OTHER)
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    after = compute_table_keys(catalogue, tmp_path, date(2026, 11, 25))
    assert changed(before, after) == NOTHING and before.last_release == after.last_release
    assert after.last_release["rough_sleeping"] == AS_OF and after.last_release["jobs_recovery"] == date.min


def test_changed_declaration_rebuilds_its_source(catalogue: Catalogue, tmp_path: Path) -> None:
    before = compute_table_keys(catalogue, tmp_path, AS_OF)
    other = catalogue._replace(declaration_hashes={**catalogue.declaration_hashes, OTHER: "something else"})
    actual = changed(before, compute_table_keys(other, tmp_path, AS_OF))
    assert (actual["observation"], actual["one"]) == ({OTHER}, set())
    assert "rough_sleeping" in actual["answer"] and "jobs_recovery" not in actual["answer"]
