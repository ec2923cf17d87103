"""The commands `refresh` and `add`: their steps, progress bars and printed results."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from pipelines.app.build_events import describe_fetches, queue_events
from pipelines.app.scaffold import read_source_file
from pipelines.app.steps import prepare_store
from pipelines.app.undeclared_columns import UNDECLARED_ACCESS, describe_missing_columns
from pipelines.core.clock import current_date, current_time
from pipelines.core.errors import CommongroundError, FetchError
from pipelines.core.export import progress_bar
from pipelines.core.snapshots import Snapshot
from pipelines.core.store import hash_bytes, lock_store
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source_parts import BundledRelease
from pipelines.fetch import Outcome, add_file, refresh_all, safe_file_name, validate_file
from pipelines.geography import validate_geography_release
from pipelines.observations import copied_file_inspector, describe_refusal


class Addition(NamedTuple):
    """File to store as a release of a source."""

    source: str
    path: Path
    released: date


def add_release(
    project: Project, name: str, file: Path, release_day: date, console: Console, accept: bool = False
) -> None:
    """Check and store a downloaded or completed file, and print the result. Raises FetchError for an invalid file."""
    project.catalogue.find_source(name)
    _print_outcomes(project, _add_files(project, [Addition(name, file, release_day)], accept), console)


def add_folder(
    project: Project, folder: Path, release_day: date | None, console: Console, accept: bool = False
) -> None:
    """Check and store every file of a folder that has the name of a source, and print the results.

    If one file is invalid, no file is stored. Raises FetchError with the fault of each file.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    matches = {path: match_additions(project.catalogue, path, release_day) for path in files}
    additions = [addition for file_matches in matches.values() for addition in file_matches]
    strange = [path for path, file_matches in matches.items() if not file_matches]
    for path in strange:
        console.print(f"not a source file: {safe_file_name(path.name)}", soft_wrap=True, highlight=False, markup=False)
    if not additions:
        raise FetchError(
            f"{folder}: found {len(files)} files, none with the name of a source; name each file after its source, "
            "for example ons_output_areas.csv.gz, or after one of its releases"
        )
    _print_outcomes(project, _add_files(project, additions, accept), console)


def match_additions(catalogue: Catalogue, path: Path, release_day: date | None) -> list[Addition]:
    """Return the sources and release days that match a file name. The list is empty if no source matches.

    A bundled file has its declared release day. Another file with the name of its source has the given day. Raises
    FetchError if the release day cannot be determined.
    """
    declared = [
        (name, release)
        for name, source in catalogue.sources.items()
        for release in source.releases
        if Path(release.file).name == path.name
    ]
    same = [(name, release) for name, release in declared if _is_release(catalogue, path, release)]
    if same:
        return [Addition(name, path, release.released) for name, release in same]
    own = path.name.partition(".")[0]
    names = sorted({name for name, _ in declared} | {own}) if own in catalogue.sources else []
    if release_day is None and names:
        raise FetchError(f"{path.name}: found no release day; give it with --released")
    if declared and not names:
        raise FetchError(
            f"{path.name}: found content that differs from the bundled release of {declared[0][1].released}; rename "
            f"the file to {declared[0][0]}{''.join(path.suffixes)} and give its release day with --released"
        )
    return [Addition(name, path, release_day) for name in names if release_day]


def _is_release(catalogue: Catalogue, path: Path, release: BundledRelease) -> bool:
    bundled = catalogue.sources_dir / release.file
    return not bundled.is_file() or hash_bytes(bundled.read_bytes()) == hash_bytes(path.read_bytes())


def _add_files(project: Project, additions: list[Addition], accept: bool) -> list[Outcome]:
    """Check all files, then store all files. Raises FetchError and stores no file if one is invalid."""
    now = current_time().isoformat(timespec="seconds")
    sources = project.catalogue.sources
    with lock_store(project.home):
        prepare_store(project)  # the checks look up codes in the register of places
        faults = [fault for addition in additions if (fault := _find_fault(project, addition, accept))]
        if faults:
            raise FetchError("\n".join(faults))
        outcomes = [add_file(project.home, n, sources[n], path, day, now) for n, path, day in additions]
    failures = [outcome.detail for outcome in outcomes if not outcome.is_success]
    if failures:
        raise FetchError("\n".join(failures))
    return outcomes


def _find_fault(project: Project, addition: Addition, accept: bool) -> str:
    """Return the fault of a file, or an empty text. Files with apportionment weights are read completely."""
    if addition.released > max(current_date(), project.as_of):
        return (
            f"{addition.path.name}: found release day {addition.released}, in the future; give the actual release day"
        )
    source = project.catalogue.find_source(addition.source)
    try:
        if source.access == UNDECLARED_ACCESS:
            content, file = read_source_file(str(addition.path))
            return describe_missing_columns(project, addition.source, content, file)
        content = validate_file(addition.source, source, addition.path)
        snapshot = Snapshot(
            addition.source, hash_bytes(content), addition.released, "", "", "", addition.path.name, len(content), ""
        )
        validate_geography_release(project, content, snapshot)
        if source.provides == "observation" and not accept:
            return describe_refusal(project, content, snapshot)
    except CommongroundError as error:
        return str(error)
    return ""


def _print_outcomes(project: Project, outcomes: list[Outcome], console: Console) -> None:
    queue_events(project.home, describe_fetches(outcomes))
    for outcome in outcomes:
        private = (
            "" if project.catalogue.sources[outcome.source].is_public else "; private: no output shows its figures"
        )
        detail = format_outcome(outcome.result, outcome.detail + private)
        console.print(detail, soft_wrap=True, highlight=False, markup=False)
    console.print("Run `commonground build` to use the new data.", markup=False)


def format_outcome(outcome: str, detail: str) -> str:
    """Return the result of one fetch as a line. The detail names the source."""
    return f"{outcome.replace('_', ' ')}: {detail}"


def refresh_sources(project: Project, sources: Sequence[str], console: Console) -> int:
    """Fetch new releases, print the results, and return the number of sources without a result.

    Without names, it fetches every source with an address and prints the number of sources without one.
    """
    catalogue = project.catalogue
    chosen = {name: catalogue.find_source(name) for name in sources}
    sources_to_fetch = chosen or catalogue.refreshable_sources()
    now = current_time()
    with progress_bar(console) as bar:
        task = bar.add_task("fetching", total=len(sources_to_fetch))

        def advance_bar(outcome: Outcome) -> None:
            bar.update(task, advance=1, description=outcome.source)

        def show_progress(source: str, size: int, total: int) -> None:
            proportion = f" of {total / 1e6:.1f}" if total else ""
            bar.update(task, description=f"{source}: {size / 1e6:.1f}{proportion} MB")

        with lock_store(project.home):
            prepare_store(project)  # bundled releases are among those with which a file is compared
            outcomes = refresh_all(
                project.home,
                sources_to_fetch,
                today=now.date(),
                now=now.isoformat(timespec="seconds"),
                inspector=partial(copied_file_inspector, project),
                on_done=advance_bar,
                on_bytes=show_progress,
            )
    queue_events(project.home, describe_fetches(outcomes))
    for outcome in outcomes:
        console.print(format_outcome(outcome.result, outcome.detail), soft_wrap=True, highlight=False, markup=False)
    if not chosen and (by_hand := len(catalogue.open_sources()) - len(sources_to_fetch)):
        proportion = f"{by_hand:,} of {len(catalogue.open_sources()):,} sources"
        console.print(f"Not fetched, no address: {proportion}; add their files with `commonground add`.")
    return sum(not outcome.is_success for outcome in outcomes)
