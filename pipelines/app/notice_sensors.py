"""Sensors that send notices after each run of Dagster, successful or failed."""

from pathlib import Path

import dagster as dg

from pipelines.app.notices import notify
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project, build_date

_RUNNING = dg.DefaultSensorStatus.RUNNING


def define_notice_sensors(catalogue: Catalogue, home: Path) -> list[dg.SensorDefinition]:
    """Define the sensors after a successful run and after a failed run; without a channel they do nothing."""

    def send(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        faults = notify(Project(catalogue, home, build_date()))
        for fault in faults:
            context.log.warning(fault)
        return dg.SkipReason("; ".join(faults) or "Notices are sent where a channel is configured.")

    return [
        dg.run_status_sensor(name=name, run_status=status, default_status=_RUNNING, description="Sends notices.")(send)
        for name, status in (
            ("notices_after_success", dg.DagsterRunStatus.SUCCESS),
            ("notices_after_failure", dg.DagsterRunStatus.FAILURE),
        )
    ]
