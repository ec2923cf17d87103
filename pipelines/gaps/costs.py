"""Costs of requests: declared by hand, beside the problem or in a named file."""

from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
from pydantic import Field

from pipelines.core.errors import CommongroundError, DeclarationError, suggest_names
from pipelines.declarations.base import Declaration, ListAsTuple, Name
from pipelines.declarations.yaml_lines import read_yaml, validate_declaration

COSTS_SUFFIX = ".costs.yaml"


class Cost(Declaration):
    """Cost of one kind of request; a key that is omitted matches every request."""

    data_owner: str | None = Field(None, description="Data owner to ask, as `commonground plan` names it")
    measure: Name | None = Field(None, description="Measure to ask for")
    reason: str | None = Field(None, description="Reason why the measure is missing")
    cost: float = Field(ge=0, description="Cost of the request, in `unit`")

    def matches_request(self, request: dict[str, str]) -> bool:
        """Return whether a request is of this kind."""
        asked = ((self.data_owner, "data_owner"), (self.measure, "measure"), (self.reason, "reason"))
        return all(wanted in (None, request[column]) for wanted, column in asked)


class Costs(Declaration):
    """Costs of requests, and the most that a plan may spend."""

    unit: str = Field(description="Unit of the costs, as in days of work")
    budget: float | None = Field(None, ge=0, description="Most that a plan may cost; --budget overrides it")
    costs: Annotated[tuple[Cost, ...], ListAsTuple] = Field(
        (), description="Costs; the first line that matches a request applies"
    )
    default_cost: float | None = Field(
        None, ge=0, description="Cost of a request that no line matches; an error if omitted and needed"
    )


class CostFile(NamedTuple):
    """Costs as read, and their file."""

    costs: Costs
    path: Path | None


UNIT_COSTS = CostFile(Costs(unit="requests", default_cost=1.0), None)
"""Where no costs are declared, every request costs one."""


def read_costs(path: Path) -> CostFile:
    """Read a file of costs; raise DeclarationError with file and line where it is invalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: not readable as UTF-8 text ({error}); name a YAML file of costs") from error
    data, lines = read_yaml(text, path)
    return CostFile(validate_declaration(Costs, data, lines, path), path)


def add_costs(requests: pl.DataFrame, cost_file: CostFile) -> pl.DataFrame:
    """Add `cost` to requests (data_owner, measure, reason); raise CommongroundError where none applies.

    Also raises where a line names a data owner to whom no request goes.
    """
    rows = requests.select("data_owner", "measure", "reason").to_dicts()
    matching = [next((rule for rule in cost_file.costs.costs if rule.matches_request(row)), None) for row in rows]
    for row, line in zip(rows, matching, strict=True):
        if line is None and cost_file.costs.default_cost is None:
            raise CommongroundError(
                f"{cost_file.path}: no line matches the request to {row['data_owner']} for {row['measure']} "
                f"({row['reason']}); add one, or set default_cost: to the cost of other requests"
            )
    _validate_owners(cost_file, requests)
    prices = [line.cost if line else cost_file.costs.default_cost for line in matching]
    return requests.with_columns(pl.Series("cost", prices, dtype=pl.Float64))


def _validate_owners(cost_file: CostFile, requests: pl.DataFrame) -> None:
    """Raise CommongroundError where a line names a data owner to whom no request goes."""
    holders = requests["data_owner"].unique().to_list()
    for rule in cost_file.costs.costs:
        if holders and rule.data_owner is not None and rule.data_owner not in holders:
            raise CommongroundError(
                f"{cost_file.path}: no request goes to {rule.data_owner!r}; "
                f"{suggest_names(rule.data_owner, holders)}; "
                "correct or delete the line"
            )
