"""`refresh` and `add`: what they do and print, with a progress bar."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from pipelines.app.steps import prepare_store
from pipelines.core.errors import CommongroundError, FetchError
from pipelines.core.export import progress_bar
from pipelines.core.store import Snapshot, hash_bytes, lock_store
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source_parts import BundledRelease
from pipelines.fetch import Outcome, add_file, refresh_all, safe_file_name, validate_file
from pipelines.geography import validate_geography_release
from pipelines.observations import inspect_file, refusal_message


class Addition(NamedTuple):
    """A file to be kept as a release of a source."""

    source: str
    path: Path
    released: date


def add_release(
    project: Project, name: str, file: Path, release_day: date, console: Console, accept: bool = False
) -> None:
    """Keep a file that a person downloaded or filled in, and say so; one that can't be right is refused."""
    project.catalogue.find_source(name)
    _print_outcomes(project, _add_files(project, [Addition(name, file, release_day)], accept), console)


def add_folder(
    project: Project, folder: Path, release_day: date | None, console: Console, accept: bool = False
) -> None:
    """Keep every file of a folder whose name is a source's, say which, and say which files are not known.

    Where one of them is refused none is kept: raises FetchError with what is wrong with each.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    matches = {path: match_additions(project.catalogue, path, release_day) for path in files}
    additions = [addition for file_matches in matches.values() for addition in file_matches]
    strange = [path for path, file_matches in matches.items() if not file_matches]
    for path in strange:
        console.print(f"not known: {safe_file_name(path.name)}", soft_wrap=True, highlight=False, markup=False)
    if not additions:
        raise FetchError(
            f"{folder}: found {len(files)} files and none whose name is a source's; name a file as the source, "
            "as ons_output_areas.csv.gz, or as a release of it"
        )
    _print_outcomes(project, _add_files(project, additions, accept), console)


def match_additions(catalogue: Catalogue, path: Path, release_day: date | None) -> list[Addition]:
    """Tell by its name which sources a file is a release of, and of which day; none where it is not known.

    The very file that travels with the project is of the day declared for it; another one named as its source is of
    the day given. Raises FetchError where no day can be told.
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
        raise FetchError(f"{path.name}: found no day of release; give the day of files named so with --released")
    if declared and not names:
        raise FetchError(
            f"{path.name}: found other bytes than the release of {declared[0][1].released} that travels with the "
            f"project; name it {declared[0][0]}{''.join(path.suffixes)} and give its day with --released"
        )
    return [Addition(name, path, release_day) for name in names if release_day]


def _is_release(catalogue: Catalogue, path: Path, release: BundledRelease) -> bool:
    bundled = catalogue.sources_dir / release.file
    return not bundled.is_file() or hash_bytes(bundled.read_bytes()) == hash_bytes(path.read_bytes())


def _add_files(project: Project, additions: list[Addition], accept: bool) -> list[Outcome]:
    """See all files, then keep all; raise FetchError, and keep none, where one can't be right."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    sources = project.catalogue.sources
    with lock_store(project.home):
        prepare_store(project)  # codes are looked up in the register of places
        faults = [fault for addition in additions if (fault := _find_fault(project, addition, accept))]
        if faults:
            raise FetchError("\n".join(faults))
        outcomes = [add_file(project.home, n, sources[n], path, day, now) for n, path, day in additions]
    failures = [outcome.detail for outcome in outcomes if not outcome.is_success]
    if failures:
        raise FetchError("\n".join(failures))
    return outcomes


def _find_fault(project: Project, addition: Addition, accept: bool) -> str:
    """Say what is wrong with a file; blank where nothing is. What figures are shared out by is read whole."""
    if addition.released > max(datetime.now(UTC).date(), project.as_of):
        return f"{addition.path.name}: released {addition.released} is a day to come; give the day on which it came out"
    source = project.catalogue.find_source(addition.source)
    try:
        content = validate_file(addition.source, source, addition.path)
        snapshot = Snapshot(
            addition.source, hash_bytes(content), addition.released, "", "", "", addition.path.name, len(content), ""
        )
        validate_geography_release(project, content, snapshot)
        if source.provides == "observation" and not accept:
            return refusal_message(snapshot, inspect_file(project, content, snapshot))
    except CommongroundError as error:
        return str(error)
    return ""


def _print_outcomes(project: Project, outcomes: list[Outcome], console: Console) -> None:
    for outcome in outcomes:
        private = (
            "" if project.catalogue.sources[outcome.source].is_public else "; private: no output shows a figure of it"
        )
        detail = format_outcome(outcome.result, outcome.detail + private)
        console.print(detail, soft_wrap=True, highlight=False, markup=False)
    console.print("Run `commonground build` to use it.", markup=False)


def format_outcome(outcome: str, detail: str) -> str:
    """Say what came of one fetch; the detail names the source."""
    return f"{outcome.replace('_', ' ')}: {detail}"


def refresh_sources(project: Project, sources: Sequence[str], console: Console) -> int:
    """Ask publishers for what is new, say what came, and give how many sources brought nothing.

    Without names it asks for every source that has an address, and counts those that have none.
    """
    catalogue = project.catalogue
    chosen = {name: catalogue.find_source(name) for name in sources}
    sources_to_fetch = chosen or catalogue.refreshable_sources()
    now = datetime.now(UTC)
    with progress_bar(console) as bar:
        task = bar.add_task("fetching", total=len(sources_to_fetch))

        def advance_bar(outcome: Outcome) -> None:
            bar.update(task, advance=1, description=outcome.source)

        def show_progress(source: str, size: int, total: int) -> None:
            proportion = f" of {total / 1e6:.1f}" if total else ""
            bar.update(task, description=f"{source}: {size / 1e6:.1f}{proportion} MB")

        with lock_store(project.home):
            outcomes = refresh_all(
                project.home,
                sources_to_fetch,
                today=now.date(),
                now=now.isoformat(timespec="seconds"),
                on_done=advance_bar,
                on_bytes=show_progress,
            )
    for outcome in outcomes:
        console.print(format_outcome(outcome.result, outcome.detail), soft_wrap=True, highlight=False, markup=False)
    if not chosen and (by_hand := len(catalogue.open_sources()) - len(sources_to_fetch)):
        proportion = f"{by_hand:,} of {len(catalogue.open_sources()):,} sources"
        console.print(
            f"Not asked, for want of an address: {proportion}; a person brings their files with `commonground add`."
        )
    return sum(not outcome.is_success for outcome in outcomes)
