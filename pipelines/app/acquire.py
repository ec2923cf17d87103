"""`refresh` and `add`: what they do and print, with a progress bar."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from pipelines.app.steps import prepare
from pipelines.core.errors import CommongroundError, FetchError
from pipelines.core.export import progress_bar
from pipelines.core.store import Snapshot, digest, sole_builder
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source_parts import Release
from pipelines.fetch import Outcome, add_file, refresh_all, safe_name, see_file
from pipelines.geography import areas_in, register_places, registered_in, shares_in
from pipelines.observations import looked_at, refusal

_READERS = {"areas": areas_in, "shares": shares_in}


class Addition(NamedTuple):
    """A file to be kept as a release of a source."""

    source: str
    path: Path
    released: date


def add_and_tell(
    project: Project, name: str, file: Path, released: date, console: Console, accept: bool = False
) -> None:
    """Keep a file that a person downloaded or filled in, and say so; one that can't be right is refused."""
    project.catalogue.source(name)
    _tell(project, _kept(project, [Addition(name, file, released)], accept), console)


def add_folder_and_tell(
    project: Project, folder: Path, released: date | None, console: Console, accept: bool = False
) -> None:
    """Keep every file of a folder whose name is a source's, say which, and say which files are not known.

    Where one of them is refused none is kept: raises FetchError with what is wrong with each.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = {path: additions(project.catalogue, path, released) for path in files}
    wanted = [addition for each in found.values() for addition in each]
    strange = [path for path, each in found.items() if not each]
    for path in strange:
        console.print(f"not known: {safe_name(path.name)}", soft_wrap=True, highlight=False, markup=False)
    if not wanted:
        raise FetchError(
            f"{folder}: found {len(files)} files and none whose name is a source's; name a file as the source, "
            "as ons_output_areas.csv.gz, or as a release of it"
        )
    _tell(project, _kept(project, wanted, accept), console)


def additions(catalogue: Catalogue, path: Path, released: date | None) -> list[Addition]:
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
    named = sorted({name for name, _ in declared} | {own}) if own in catalogue.sources else []
    if released is None and named:
        raise FetchError(f"{path.name}: found no day of release; give the day of files named so with --released")
    if declared and not named:
        raise FetchError(
            f"{path.name}: found other bytes than the release of {declared[0][1].released} that travels with the "
            f"project; name it {declared[0][0]}{''.join(path.suffixes)} and give its day with --released"
        )
    return [Addition(name, path, released) for name in named if released]


def _is_release(catalogue: Catalogue, path: Path, release: Release) -> bool:
    bundled = catalogue.sources_dir / release.file
    return not bundled.is_file() or digest(bundled.read_bytes()) == digest(path.read_bytes())


def _kept(project: Project, wanted: list[Addition], accept: bool) -> list[Outcome]:
    """See all files, then keep all; raise FetchError, and keep none, where one can't be right."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    sources = project.catalogue.sources
    with sole_builder(project.home):
        prepare(project)  # codes are looked up in the register of places
        faults = [fault for each in wanted if (fault := _fault(project, each, accept))]
        if faults:
            raise FetchError("\n".join(faults))
        outcomes = [add_file(project.home, n, sources[n], path, day, now) for n, path, day in wanted]
    failed = [outcome.detail for outcome in outcomes if not outcome.answered]
    if failed:
        raise FetchError("\n".join(failed))
    return outcomes


def _fault(project: Project, one: Addition, accept: bool) -> str:
    """Say what is wrong with a file; blank where nothing is. What figures are shared out by is read whole."""
    if one.released > max(datetime.now(UTC).date(), project.as_of):
        return f"{one.path.name}: released {one.released} is a day to come; give the day on which it came out"
    source = project.catalogue.source(one.source)
    try:
        content = see_file(one.source, source, one.path)
        held = Snapshot(one.source, digest(content), one.released, "", "", "", one.path.name, len(content), "")
        if reader := _READERS.get(source.provides):
            reader(content, project.catalogue, one.source, held, register_places(project).register)
        elif source.provides in ("place", "change"):
            registered_in(content, project.catalogue, one.source, held)
        elif source.provides == "observation" and not accept:
            return refusal(held, looked_at(project, content, held))
    except CommongroundError as error:
        return str(error)
    return ""


def _tell(project: Project, outcomes: list[Outcome], console: Console) -> None:
    for outcome in outcomes:
        private = "" if project.catalogue.sources[outcome.source].shown else "; private: no output shows a figure of it"
        detail = said(outcome.what, outcome.detail + private)
        console.print(detail, soft_wrap=True, highlight=False, markup=False)
    console.print("Run `commonground build` to use it.", markup=False)


def said(what: str, detail: str) -> str:
    """Say what came of one fetch; the detail names the source."""
    return f"{what.replace('_', ' ')}: {detail}"


def refresh_and_tell(project: Project, sources: Sequence[str], console: Console) -> int:
    """Ask publishers for what is new, say what came, and give how many sources brought nothing.

    Without names it asks for every source that has an address, and counts those that have none.
    """
    catalogue = project.catalogue
    named = {name: catalogue.source(name) for name in sources}
    wanted = named or catalogue.fetched()
    now = datetime.now(UTC)
    with progress_bar(console) as bar:
        task = bar.add_task("fetching", total=len(wanted))

        def done(outcome: Outcome) -> None:
            bar.update(task, advance=1, description=outcome.source)

        def coming(source: str, size: int, total: int) -> None:
            of = f" of {total / 1e6:.1f}" if total else ""
            bar.update(task, description=f"{source}: {size / 1e6:.1f}{of} MB")

        with sole_builder(project.home):
            outcomes = refresh_all(
                project.home,
                wanted,
                today=now.date(),
                now=now.isoformat(timespec="seconds"),
                on_done=done,
                on_bytes=coming,
            )
    for outcome in outcomes:
        console.print(said(outcome.what, outcome.detail), soft_wrap=True, highlight=False, markup=False)
    if not named and (by_hand := len(catalogue.held()) - len(wanted)):
        of = f"{by_hand:,} of {len(catalogue.held()):,} sources"
        console.print(f"Not asked, for want of an address: {of}; a person brings their files with `commonground add`.")
    return sum(not outcome.answered for outcome in outcomes)
