"""Dagster asset checks: their declarations, and their results with counts and sample rows.

Every check is blocking. A finding in the data is a WARN, and a table that violates its schema rules is an ERROR.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from pipelines.app.check_results import CheckResult, Markdown


def declare_checks(key: dg.AssetKey, descriptions: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset, by name and description."""
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in descriptions.items()]


def convert_results(key: dg.AssetKey, results: Sequence[CheckResult]) -> list[dg.AssetCheckResult]:
    """Return results of checks in Dagster's form."""
    return [
        dg.AssetCheckResult(
            passed=result.passed,
            asset_key=key,
            check_name=result.check,
            severity=dg.AssetCheckSeverity.ERROR if result.is_error else dg.AssetCheckSeverity.WARN,
            metadata={
                name: dg.MetadataValue.md(value) if isinstance(value, Markdown) else value
                for name, value in result.metadata.items()
            },
        )
        for result in results
    ]
