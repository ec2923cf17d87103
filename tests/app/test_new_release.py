"""A build after one new release writes only pages and tables with another content."""

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from pipelines.core.store import hash_file, output_path, read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.outputs import site
from pipelines.outputs.freshness import page_parts_path, pages_path
from tests.breadth import wide
from tests.command import AS_OF, run

SOURCE, PLACE = "ons_claimant_rate", "E09000024"


def release_with_another_figure(root: Path) -> None:
    """Add a release of the source, a copy of the newest with another figure of one place."""

    def change(line: str) -> str:
        fields = line.split(",")
        fields[5] = f"{float(fields[5]) + 0.1:.1f}"
        return ",".join(fields)

    _add_release(root, change)


def release_without_a_figure(root: Path) -> None:
    """Add a release of the source, a copy of the newest without the newest figure of one place."""
    _add_release(root, lambda line: line.replace(f",{line.split(',')[5]},", ",x,"))


def corrected_figure(root: Path) -> None:
    """Declare a correction of the newest figure of one place."""
    (root / "sources" / f"{SOURCE}.corrections.yaml").write_text(CORRECTION, encoding="utf-8")


CORRECTION = f"""\
corrections:
  - action: override
    measure: claimant_rate
    period: 2025-01-01/P1Y
    expected: {{{PLACE}: 4.7}}
    value: 7.4
    reason: The digits were exchanged.
    who: The team
    when: 2026-07-01
    link: https://example.org/letter
"""


def _add_release(root: Path, change: Callable[[str], str]) -> None:
    starter = root / "sources" / "starter"
    newest = max(starter.glob(f"{SOURCE}_*"))
    lines = gzip.decompress(newest.read_bytes()).decode("utf-8").split("\n")
    at = max((n for n, line in enumerate(lines) if line.startswith(f"{PLACE},")), key=lambda n: lines[n].split(",")[4])
    lines[at] = change(lines[at])
    content = gzip.compress("\n".join(lines).encode("utf-8"))
    (starter / f"{SOURCE}_{AS_OF}.csv.gz").write_bytes(content)


def pages(home: Path) -> dict[str, tuple[str, int]]:
    """Return the hash and the time of writing of each place page."""
    files = output_path(home, "places").glob("*.html")
    return {path.stem: (hash_file(path), path.stat().st_mtime_ns) for path in files}


def parts(home: Path) -> dict[str, str]:
    """Return the key of each part of the analyst's file."""
    record = read_table(state_path(home, "warehouse", "commonground"))
    return dict(record.select("part", "key").iter_rows())


@wide
def test_new_release_writes_only_pages_and_tables_that_changed(small: Project) -> None:
    root, home = small.catalogue.root, small.home
    # The stored outputs are those of this program and day.
    assert run("build", "--as-of", AS_OF, store=home, project=root).returncode == 0
    pages_before, parts_before = pages(home), parts(home)
    release_with_another_figure(root)
    assert run("build", "--as-of", AS_OF, store=home, project=root).returncode == 0
    pages_after, parts_after = pages(home), parts(home)
    changed = {code for code, (content, _) in pages_after.items() if content != pages_before[code][0]}
    written = {code for code, (_, time) in pages_after.items() if time != pages_before[code][1]}
    # Briefs name revisions by the newest release, so the pages of other places change too.
    assert PLACE in changed == written != set(pages_after)
    made = {part for part, key in parts_after.items() if key != parts_before.get(part)}
    own = {f"observations {SOURCE}", f"revisions {SOURCE}", f"findings {SOURCE}", "problem.jobs_recovery",
           "cells jobs_recovery", "ranks jobs_recovery"}  # fmt: skip
    kept = {"places", "area_hierarchy", "code_changes", "neighbours", "boundaries", "measures", "reasons", "problems"}
    assert own <= made
    by_source = {part for part in made if part.startswith(("observations ", "revisions ", "published_totals "))}
    assert by_source and all(part.endswith(f" {SOURCE}") for part in by_source), by_source
    assert not made & kept


def taken_parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which a build adds the name of each part that it takes from an earlier page."""
    taken: list[str] = []

    def read(*given: Any) -> dict[str, Markup]:
        parts = read_page_parts(*given)
        taken.extend(parts)
        return dict(parts)

    read_page_parts = site.read_page_parts
    monkeypatch.setattr(site, "read_page_parts", read)
    return taken


def render_from_nothing(project: Project) -> None:
    """Write all place pages as in a store without pages."""
    for path in (pages_path(project), page_parts_path(project)):
        path.unlink()
    site.publish_place_pages(project)


def contents(home: Path, codes: Iterable[str]) -> dict[str, str]:
    return {code: output_path(home, f"places/{code}.html").read_text(encoding="utf-8") for code in codes}


@wide
@pytest.mark.parametrize("change", [release_with_another_figure, release_without_a_figure, corrected_figure])
def test_page_after_a_change_equals_the_page_from_nothing(
    small: Project, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    root, home = small.catalogue.root, small.home
    assert run("build", "--as-of", AS_OF, store=home, project=root).returncode == 0
    before, taken = contents(home, pages(home)), taken_parts(monkeypatch)
    change(root)
    assert run("build", "--as-of", AS_OF, store=home, project=root).returncode == 0
    after = contents(home, before)
    assert after[PLACE] != before[PLACE]
    assert {"answers", "missing", "compare"} <= set(taken) and any(part.startswith("t-") for part in taken)
    assert not {"m-claimant_rate", "t-claimant_rate"} & set(taken)
    taken.clear()
    render_from_nothing(small._replace(catalogue=load_catalogue(root)))
    assert not taken and contents(home, before) == after


def test_another_program_takes_no_part(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    site.publish_place_pages(small)
    before = contents(small.home, pages(small.home))
    taken = taken_parts(monkeypatch)
    for module in ("place_keys", "freshness"):
        monkeypatch.setattr(f"pipelines.outputs.{module}.program_key", lambda _room: "another template")
    monkeypatch.setattr(site, "render_place_page", lambda page, *_: f"of another template: {page.name}")
    site.publish_place_pages(small)
    after = contents(small.home, before)
    assert not taken and all(text.startswith("of another template: ") for text in after.values())
