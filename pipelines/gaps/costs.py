"""What it costs to ask: declared by hand, beside the problem or in a file that is named."""

from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
from pydantic import Field

from pipelines.core.errors import CommongroundError, DeclarationError, near
from pipelines.declarations.base import Declared, Listed, Name
from pipelines.declarations.yaml_lines import read_yaml, validate

SUFFIX = ".costs.yaml"


class Cost(Declared):
    """What one kind of request costs; what is not said fits all."""

    holder: str | None = Field(None, description="Who is asked, as `commonground plan` names them")
    measure: Name | None = Field(None, description="Measure that is asked for")
    reason: str | None = Field(None, description="Reason for which it is missing")
    cost: float = Field(ge=0, description="Cost of the request, in `unit`")

    def fits(self, request: dict[str, str]) -> bool:
        """Tell whether a request is of this kind."""
        return all(getattr(self, key) in (None, request[key]) for key in ("holder", "measure", "reason"))


class Costs(Declared):
    """What requests cost, and the most that may be spent."""

    unit: str = Field(description="Unit of the costs, as in days of work")
    budget: float | None = Field(None, ge=0, description="Cap: the most that a plan may cost; --budget goes before it")
    costs: Annotated[tuple[Cost, ...], Listed] = Field(
        (), description="Costs; the first line that fits a request holds"
    )
    otherwise: float | None = Field(None, ge=0, description="Cost of a request that no line fits; refused if not said")


class Priced(NamedTuple):
    """Costs as read, and the file that they stand in."""

    costs: Costs
    path: Path | None


EACH_ONE = Priced(Costs(unit="requests", otherwise=1.0), None)
"""Where no costs are declared, every request counts as one."""


def read_costs(path: Path) -> Priced:
    """Read a file of costs; refuse with file and line what can't be."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: can't be read as UTF-8 text ({error}); name a YAML file of costs") from error
    data, lines = read_yaml(text, path)
    return Priced(validate(Costs, data, lines, path), path)


def priced(requests: pl.DataFrame, said: Priced) -> pl.DataFrame:
    """Add `cost` to requests (holder, measure, reason); raise where one has none, and where a line fits none."""
    rows = requests.select("holder", "measure", "reason").to_dicts()
    found = [next((each for each in said.costs.costs if each.fits(row)), None) for row in rows]
    for row, line in zip(rows, found, strict=True):
        if line is None and said.costs.otherwise is None:
            raise CommongroundError(
                f"{said.path}: no line fits the request to {row['holder']} for {row['measure']} ({row['reason']}); "
                "add one, or otherwise: a cost for the rest"
            )
    _see_names(said, requests)
    prices = [line.cost if line else said.costs.otherwise for line in found]
    return requests.with_columns(pl.Series("cost", prices, dtype=pl.Float64))


def _see_names(said: Priced, requests: pl.DataFrame) -> None:
    """Refuse a line that names a holder whom no request is to: it would be a price that nobody pays."""
    holders = requests["holder"].unique().to_list()
    for each in said.costs.costs:
        if holders and each.holder is not None and each.holder not in holders:
            raise CommongroundError(
                f"{said.path}: no request is to {each.holder!r}; {near(each.holder, holders)}; mend or drop the line"
            )
