"""The code location that Dagster loads: everything is made from the declarations when it asks."""

import logging
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.assets import Place, all_assets, resources
from pipelines.automation import jobs, schedules
from pipelines.catalogue import Catalogue, load
from pipelines.project import root, store_of


def build(catalogue: Catalogue, home: Path, as_of: date | None = None) -> dg.Definitions:
    """Make all definitions from a catalogue and a store, as of a day or of each day on which they run."""
    return dg.Definitions(
        assets=all_assets(catalogue),
        jobs=jobs(catalogue),
        schedules=schedules(catalogue),
        resources=resources(Place(home, as_of)),
        executor=dg.in_process_executor,
    )


def one_run(
    assets: Sequence[dg.AssetsDefinition], home: Path, as_of: date, on_step: Callable[[str], None]
) -> dg.Definitions:
    """Make what is needed to run some assets once, as the job `run`: to define all the others takes time too.

    The log goes nowhere but to `on_step`, which is called with the name of each step that ends.
    """
    return dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("run")],
        resources=resources(Place(home, as_of)),
        executor=dg.in_process_executor,
        loggers={"console": _steps_only(on_step)},
    )


def _steps_only(on_step: Callable[[str], None]) -> dg.LoggerDefinition:
    class Steps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event: Any = getattr(record, "dagster_event", None)
            if event is not None and event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"):
                on_step(event.step_key)

    @dg.logger
    def steps(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("commonground.steps", level=logging.DEBUG)
        logger.addHandler(Steps())
        return logger

    return steps


@dg.definitions
def defs() -> dg.Definitions:
    """Give Dagster the project's definitions."""
    return build(load(root()), store_of())
