"""The best set of requests within a budget, by exact optimisation (HiGHS, through scipy), with its optimality stated.

Every request is taken or not; an answer is unlocked if all the requests that it waits for are taken. What is sought is
the most people, then the most answers, then the most cells, then the least cost, each without giving up what came
before.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array

from pipelines.core.errors import CommongroundError

Vector = np.ndarray[tuple[int], np.dtype[np.float64]]
GIVEN_UP = 1e-9
"""Share of what came before that may be lost to rounding while the next aim is sought."""


class Chosen(NamedTuple):
    """A set of requests, what it costs and unlocks, and how sure it is that no other set is better."""

    requests: tuple[str, ...]
    cost: float
    people: float
    answers: int
    cells: int
    optimal: bool
    gap: float


class _Model(NamedTuple):
    """The choice as a matrix: first a column for each request, then one for each bundle of answers."""

    names: list[str]
    links: csr_array
    cost: Vector
    aims: list[Vector]


def _model(requests: pl.DataFrame, bundled: pl.DataFrame) -> _Model:
    """Write down the choice: requests need request, cost, cells; bundles need requests, answers, people."""
    names = requests["request"].to_list()
    place, n, m = {name: number for number, name in enumerate(names)}, len(names), bundled.height
    pairs = [(k, place[name]) for k, wanted in enumerate(bundled["requests"]) for name in wanted]
    # One row for each pair says that the bundle is unlocked only if that request is taken.
    rows = np.repeat(np.arange(len(pairs)), 2)
    columns = [column for k, r in pairs for column in (n + k, r)]
    links = coo_array(([1.0, -1.0] * len(pairs), (rows, columns)), shape=(len(pairs), n + m)).tocsr()
    nothing_r, nothing_b = np.zeros(n), np.zeros(m)
    aims = [np.concatenate([nothing_r, bundled[name].cast(pl.Float64).to_numpy()]) for name in ("people", "answers")]
    cells = np.concatenate([requests["cells"].cast(pl.Float64).to_numpy(), nothing_b])
    cost = np.concatenate([requests["cost"].to_numpy(), nothing_b])
    return _Model(names, links, cost, [*aims, cells, -cost])


def best_within(requests: pl.DataFrame, bundled: pl.DataFrame, budget: float) -> Chosen:
    """Choose the best set of requests that costs at most the budget.

    Takes requests (request, cost, cells) and bundles (requests, answers, people) as of `requests.bundles`.
    """
    model = _model(requests, bundled)
    limits = _limits(model, [(model.cost, -np.inf, budget)])
    return _aimed(model, requests, bundled, model.aims, limits)


def least_for(requests: pl.DataFrame, bundled: pl.DataFrame, answers: int) -> Chosen | None:
    """Choose the cheapest set that unlocks at least so many answers; null where none does."""
    if int(bundled["answers"].sum()) < answers:
        return None
    model = _model(requests, bundled)
    limits = _limits(model, [(model.aims[1], float(answers), np.inf)])
    return _aimed(model, requests, bundled, [-model.cost, *model.aims[:3]], limits)


def _limits(model: _Model, bounds: list[tuple[Vector, float, float]]) -> list[LinearConstraint]:
    linked = [LinearConstraint(model.links, -np.inf, 0.0)] if model.links.shape[0] else []
    return [*linked, *(LinearConstraint(row[np.newaxis, :], low, high) for row, low, high in bounds)]


def _aimed(
    model: _Model, requests: pl.DataFrame, bundled: pl.DataFrame, aims: list[Vector], limits: list[LinearConstraint]
) -> Chosen:
    """Seek each aim in turn, holding on to what the ones before have reached."""
    taken, gap, optimal = np.zeros(len(model.cost)), 0.0, True
    for aim in aims if len(model.cost) else []:
        found = milp(-aim, integrality=np.ones_like(aim), bounds=Bounds(0, 1), constraints=limits,
                     options={"mip_rel_gap": 0.0, "time_limit": 60})  # fmt: skip
        if found.x is None:
            raise CommongroundError(f"no set of requests was found ({found.message}); raise the budget")
        taken, optimal = np.round(found.x), optimal and found.status == 0
        gap = max(gap, float(found.mip_gap or 0.0))
        reached = float(aim @ taken)
        limits = [*limits, LinearConstraint(aim[np.newaxis, :], reached - GIVEN_UP * max(abs(reached), 1.0), np.inf)]
    names = {name for name, x in zip(model.names, taken, strict=False) if x}
    return worth(requests, bundled, names)._replace(optimal=optimal, gap=gap)


def worth(requests: pl.DataFrame, bundled: pl.DataFrame, names: set[str]) -> Chosen:
    """Count what a set of requests costs and unlocks, by plain counting; whether it is the best is not asked."""
    mine = requests.filter(pl.col("request").is_in(sorted(names)))
    unlocked = bundled.filter(pl.Series([set(wanted) <= names for wanted in bundled["requests"]], dtype=pl.Boolean))
    return Chosen(
        tuple(mine["request"]), float(mine["cost"].sum()), float(unlocked["people"].sum()),
        int(unlocked["answers"].sum()), int(mine["cells"].sum()), False, float("nan"),
    )  # fmt: skip
