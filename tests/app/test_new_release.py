"""A build after one new release writes only pages and tables with another content."""

import gzip
from pathlib import Path

from pipelines.core.store import hash_file, output_path, read_table, state_path
from pipelines.declarations.project import Project
from tests.command import AS_OF, run

SOURCE, PLACE = "ons_claimant_rate", "E09000024"


def release_with_another_figure(root: Path) -> None:
    """Add a release of the source, a copy of the newest with another figure of one place."""
    starter = root / "sources" / "starter"
    newest = max(starter.glob(f"{SOURCE}_*"))
    lines = gzip.decompress(newest.read_bytes()).decode("utf-8").split("\n")
    at = max((n for n, line in enumerate(lines) if line.startswith(f"{PLACE},")), key=lambda n: lines[n].split(",")[4])
    fields = lines[at].split(",")
    fields[5] = f"{float(fields[5]) + 0.1:.1f}"
    lines[at] = ",".join(fields)
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
