"""Checks of what a build of the command line built, and the events by which Dagster shows them later.

A failure of one source or problem stops only what rests on it. Dagster itself is not needed here.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from checks import POLARS
from pipelines.app.build_events import BuildEvent, queue_events, version_tags
from pipelines.app.check_results import CheckResult
from pipelines.app.checked_tables import CheckedTable, check_answer, check_register, check_source
from pipelines.app.outcome import BuildOutcome
from pipelines.core.errors import EngineError
from pipelines.core.store import lock_store
from pipelines.declarations.project import Project

StepCallback = Callable[[str], None]


class _Checked(NamedTuple):
    """A step that ran: the asset, and its table or the fault that ended the step."""

    asset: tuple[str, str]
    table: CheckedTable | None
    fault: str = ""

    @property
    def is_sound(self) -> bool:
        return self.table is not None and not self.table.errors


def check_tables(
    project: Project, sources: Sequence[str], problems: Sequence[str], on_step: StepCallback
) -> BuildOutcome:
    """Check the observations of sources and the answers of problems, in a store that the caller has prepared.

    Both are built first where they are not current. `on_step` is called with the name of each finished step.
    """
    with lock_store(project.home):
        register = _check_step(("place", "register"), partial(check_register, project), on_step)
        observed = [
            _check_step(("observation", name), partial(check_source, project, name, POLARS), on_step)
            for name in sources
            if register.is_sound
        ]
        unusable = {step.asset[1] for step in observed if not step.is_sound}
        resting = {name: project.catalogue.problem_sources(project.catalogue.problems[name]) for name in problems}
        answerable = [name for name in problems if register.is_sound and not unusable.intersection(resting[name])]
        answered = [
            _check_step(("problem", name), partial(check_answer, project, name, POLARS), on_step) for name in answerable
        ]
    steps = [register, *observed, *answered]
    queue_events(project.home, _describe_steps(steps))
    return BuildOutcome(
        [fault for step in steps for fault in _list_faults(step)],
        frozenset(step.asset[1] for step in answered if step.is_sound),
        all(step.table is None or not step.table.errors for step in steps),
    )


def _check_step(asset: tuple[str, str], step: Callable[[], CheckedTable], on_step: StepCallback) -> _Checked:
    """Run a step. A fault ends this step only, but a fault of the engine ends the build."""
    with ThreadPoolExecutor(1) as here:
        future = here.submit(step)
        error = future.exception()
    if isinstance(error, EngineError):
        raise error
    on_step(asset[1])
    if error:
        return _Checked(asset, None, f"{asset[1]}: {str(error).strip() or type(error).__name__}")
    return _Checked(asset, future.result())


def _list_faults(step: _Checked) -> list[str]:
    """Return the faults of a step: why it ended, each check with an ERROR, and why a problem is unanswered."""
    if step.table is None:
        return [step.fault]
    errors = [f"{step.asset[1]}: check {result.check} failed; nothing is published" for result in step.table.errors]
    return errors + [str(result.metadata["fault"]) for result in step.table.checks if _is_unanswered(result)]


def _is_unanswered(result: CheckResult) -> bool:
    return result.check == "answered" and not result.passed


def _describe_steps(steps: Sequence[_Checked]) -> list[BuildEvent]:
    """Return the events of built tables, then those of their checks."""
    done = [(step.asset, step.table) for step in steps if step.table is not None]
    built = [BuildEvent(asset, dict(table.counts), version_tags(table.version)) for asset, table in done]
    checked = [
        BuildEvent(asset, dict(result.metadata), check=result.check, passed=result.passed, is_error=result.is_error)
        for asset, table in done
        for result in table.checks
    ]
    return built + checked
