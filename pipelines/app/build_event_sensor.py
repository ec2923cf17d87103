"""The sensor that shows builds and fetches of the command line in Dagster, and the events that it shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.app.build_events import VERSION_TAG, BuildEvent, QueuedEvent, read_events

_INPUT_VERSIONS = "dagster/input_data_version/"
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


def describe_run(result: dg.ExecuteInProcessResult) -> list[BuildEvent]:
    """Return what a run in this process built and checked."""
    built = [
        event.step_materialization_data.materialization for event in result.all_events if event.is_step_materialization
    ]
    materialised = [
        BuildEvent(list(item.asset_key.path), _plain_metadata(item.metadata), _version_tags(item.tags or {}))
        for item in built
    ]
    checked = [
        BuildEvent(
            list(item.asset_key.path),
            _plain_metadata(item.metadata),
            check=item.check_name,
            passed=item.passed,
            is_error=item.severity is dg.AssetCheckSeverity.ERROR,
        )
        for item in result.get_asset_check_evaluations()
    ]
    return [*materialised, *checked]


def _version_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags with the version of an asset and of what it was built from."""
    return {name: value for name, value in tags.items() if name == VERSION_TAG or name.startswith(_INPUT_VERSIONS)}


def _plain_metadata(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, str | int | float | bool]:
    """Return metadata as plain values; Dagster's own types become text."""
    values = {name: value.value for name, value in metadata.items()}
    return {name: value if isinstance(value, int | float | bool) else str(value) for name, value in values.items()}
