"""The sensor that shows builds and fetches of the command line in Dagster, and the events that it shows."""

from pathlib import Path

import dagster as dg

from pipelines.app.build_events import QueuedEvent, read_events

MOST_EVENTS = 1_000
"""Most events of one evaluation of the sensor; the next evaluation reads the others."""
_AssetEvent = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def define_event_sensor(home: Path, seconds: int) -> dg.SensorDefinition:
    """Define the sensor that shows in Dagster what the command line built."""

    @dg.sensor(
        name="builds_of_the_command_line",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows what `commonground build` and `commonground refresh` built and fetched.",
        # A sensor needs a target, and this one starts nothing.
        target=dg.AssetSelection.groups("published"),
    )
    def event_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        queued = read_events(home, int(context.cursor or 0))[:MOST_EVENTS]
        if not queued:
            return dg.SkipReason("The command line has built nothing since the last look.")
        return dg.SensorResult(
            asset_events=[_show_event(item) for item in queued],
            cursor=str(queued[-1].number),
            skip_reason=f"Showed {len(queued)} events of the command line.",
        )

    return event_sensor


def _show_event(queued: QueuedEvent) -> _AssetEvent:
    event = queued.event
    key, metadata = dg.AssetKey(event.asset), {**event.metadata, "built by": "the command line", "at": queued.at}
    if event.check:
        severity = dg.AssetCheckSeverity.ERROR if event.is_error else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckEvaluation(
            asset_key=key, check_name=event.check, passed=event.passed, metadata=metadata, severity=severity
        )
    if event.is_new:
        return dg.AssetMaterialization(key, metadata=metadata, tags=event.tags)
    return dg.AssetObservation(key, metadata=metadata)
