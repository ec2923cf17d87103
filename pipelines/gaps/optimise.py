"""Best set of requests within a budget, by exact optimisation (HiGHS, through scipy), with its optimality.

Each request is chosen or not. An answer is unlocked if all requests that it waits for are chosen. The aims, in order,
are the most people, the most answers, the most cells and the least cost. No aim gives up an earlier one.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from pipelines.core.errors import CommongroundError

if TYPE_CHECKING:  # SciPy takes long to load, and only a plan with a budget needs it
    from scipy.optimize import LinearConstraint
    from scipy.sparse import csr_array

FloatVector = np.ndarray[tuple[int], np.dtype[np.float64]]
AIM_TOLERANCE = 1e-9
"""Share of an earlier aim that may be lost to rounding while the next aim is pursued."""


class RequestSet(NamedTuple):
    """Set of requests, its cost, the answers that it unlocks, and the optimality gap."""

    requests: tuple[str, ...]
    cost: float
    people: float
    answers: int
    cells: int
    optimal: bool
    gap: float


class _Model(NamedTuple):
    """The choice as a matrix: one column for each request, then one for each bundle of answers."""

    names: list[str]
    links: "csr_array"
    cost: FloatVector
    aims: list[FloatVector]


def _build_model(requests: pl.DataFrame, answer_bundles: pl.DataFrame) -> _Model:
    """Build the model: requests need request, cost, cells; bundles need requests, answers, people."""
    from scipy.sparse import coo_array

    names = requests["request"].to_list()
    place, n, m = {name: number for number, name in enumerate(names)}, len(names), answer_bundles.height
    pairs = [(k, place[name]) for k, required in enumerate(answer_bundles["requests"]) for name in required]
    # One row for each pair: the bundle is unlocked only if that request is chosen.
    rows = np.repeat(np.arange(len(pairs)), 2)
    columns = [column for k, r in pairs for column in (n + k, r)]
    links = coo_array(([1.0, -1.0] * len(pairs), (rows, columns)), shape=(len(pairs), n + m)).tocsr()
    no_requests, no_bundles = np.zeros(n), np.zeros(m)
    aims = [
        np.concatenate([no_requests, answer_bundles[name].cast(pl.Float64).to_numpy()])
        for name in ("people", "answers")
    ]
    cells = np.concatenate([requests["cells"].cast(pl.Float64).to_numpy(), no_bundles])
    cost = np.concatenate([requests["cost"].to_numpy(), no_bundles])
    return _Model(names, links, cost, [*aims, cells, -cost])


def choose_best_set(requests: pl.DataFrame, answer_bundles: pl.DataFrame, budget: float) -> RequestSet:
    """Choose the best set of requests within a budget.

    Takes requests (request, cost, cells) and bundles (requests, answers, people), as from `requests.bundle_answers`.
    """
    model = _build_model(requests, answer_bundles)
    limits = _build_limits(model, [(model.cost, -np.inf, budget)])
    return _pursue_aims(model, requests, answer_bundles, model.aims, limits)


def choose_cheapest_set(requests: pl.DataFrame, answer_bundles: pl.DataFrame, answers: int) -> RequestSet | None:
    """Choose the cheapest set that unlocks at least a number of answers; None where no set does."""
    if int(answer_bundles["answers"].sum()) < answers:
        return None
    model = _build_model(requests, answer_bundles)
    limits = _build_limits(model, [(model.aims[1], float(answers), np.inf)])
    return _pursue_aims(model, requests, answer_bundles, [-model.cost, *model.aims[:3]], limits)


def _build_limits(model: _Model, bounds: list[tuple[FloatVector, float, float]]) -> "list[LinearConstraint]":
    from scipy.optimize import LinearConstraint

    link_limits = [LinearConstraint(model.links, -np.inf, 0.0)] if model.links.shape[0] else []
    return [*link_limits, *(LinearConstraint(row[np.newaxis, :], low, high) for row, low, high in bounds)]


def _pursue_aims(
    model: _Model,
    requests: pl.DataFrame,
    answer_bundles: pl.DataFrame,
    aims: list[FloatVector],
    limits: "list[LinearConstraint]",
) -> RequestSet:
    """Pursue each aim in turn, under the constraint that earlier aims keep their values."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    choice, gap, optimal = np.zeros(len(model.cost)), 0.0, True
    for aim in aims if len(model.cost) else []:
        solution = milp(-aim, integrality=np.ones_like(aim), bounds=Bounds(0, 1), constraints=limits,
                     options={"mip_rel_gap": 0.0, "time_limit": 60})  # fmt: skip
        if solution.x is None:
            raise CommongroundError(f"no set of requests fits the budget ({solution.message}); raise the budget")
        choice, optimal = np.round(solution.x), optimal and solution.status == 0
        gap = max(gap, float(solution.mip_gap or 0.0))
        achieved = float(aim @ choice)
        limits = [
            *limits,
            LinearConstraint(aim[np.newaxis, :], achieved - AIM_TOLERANCE * max(abs(achieved), 1.0), np.inf),
        ]
    names = {name for name, x in zip(model.names, choice, strict=False) if x}
    return evaluate_set(requests, answer_bundles, names)._replace(optimal=optimal, gap=gap)


def evaluate_set(requests: pl.DataFrame, answer_bundles: pl.DataFrame, names: set[str]) -> RequestSet:
    """Count the cost and the unlocked answers of a set of requests, without testing whether it is optimal."""
    members = requests.filter(pl.col("request").is_in(sorted(names)))
    unlocked = answer_bundles.filter(
        pl.Series([set(required) <= names for required in answer_bundles["requests"]], dtype=pl.Boolean)
    )
    return RequestSet(
        tuple(members["request"]), float(members["cost"].sum()), float(unlocked["people"].sum()),
        int(unlocked["answers"].sum()), int(members["cells"].sum()), False, float("nan"),
    )  # fmt: skip
