"""What `refresh` does and says, with a progress bar."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from pipelines.fetch import Outcome, refresh_all
from pipelines.printing import progress_bar
from pipelines.steps import Project
from pipelines.store import sole_builder


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
