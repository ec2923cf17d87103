"""Properties of bounds from sums: the true figure is always within them, and they only become narrower."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.observations.bounds import BoundVectors, SumConstraint, narrow_bounds

INF = np.inf


def interval(*ends: tuple[float, float]) -> BoundVectors:
    low, high = np.array(ends, float).T
    return BoundVectors(low, high)


def ends(actual: BoundVectors | None) -> list[tuple[float, float]]:
    assert actual is not None
    return list(zip(actual.low.tolist(), actual.high.tolist(), strict=True))


def test_table_with_row_and_column_sums_is_solved_exactly() -> None:
    """In a table of three by three, single sums cannot use what two columns imply together."""
    cells = [(0.0, 1.0)] * 9
    cells[0] = cells[4] = (1.0, 1.0)
    start = interval(*cells, *[(1.0, 1.0)] * 6)
    rows = [SumConstraint(9 + r, tuple(3 * r + c for c in range(3))) for r in range(3)]
    columns = [SumConstraint(12 + c, tuple(3 * r + c for r in range(3))) for c in range(3)]
    assert ends(narrow_bounds(start, rows + columns))[8] == (1, 1)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[float], BoundVectors, list[SumConstraint]]:
    """Draw a table of counts with row and column sums; some cells are hidden or rounded, some sums include more."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    truth = [float(draw(st.integers(0, 12))) for _ in range(rows * columns)]
    row_cells = [tuple(r * columns + c for c in range(columns)) for r in range(rows)]
    column_cells = [tuple(r * columns + c for r in range(rows)) for c in range(columns)]
    sums = []
    for parts in (*row_cells, *column_cells):
        more = float(draw(st.sampled_from([0, 0, 3])))
        sums.append(SumConstraint(len(truth), parts, whole=more == 0))
        truth.append(sum(truth[part] for part in parts) + more)
    low, high = [], []
    for value in truth:
        below, above = draw(st.sampled_from([(0, 0), (0, 0), (2.5, 2.5), (3, 1), (value, INF)]))
        low.append(max(value - below, 0.0))
        high.append(value + above)
    return truth, BoundVectors(np.array(low), np.array(high)), sums


@given(tables())
def test_bounds_include_the_truth_and_only_become_narrower(
    table: tuple[list[float], BoundVectors, list[SumConstraint]],
) -> None:
    truth, start, sums = table
    actual = narrow_bounds(start, sums)
    assert actual is not None
    assert (actual.low <= np.array(truth) + 1e-6).all()
    assert (np.array(truth) <= actual.high + 1e-6).all()
    assert (actual.low >= start.low).all()
    assert (actual.high <= start.high).all()
    again = narrow_bounds(actual, sums)
    assert again is not None
    assert np.allclose(again.low, actual.low, atol=1e-5)
    assert np.allclose(again.high[np.isfinite(again.high)], actual.high[np.isfinite(again.high)], atol=1e-5)


@given(tables(), st.data())
def test_another_known_figure_never_widens_a_bound(
    table: tuple[list[float], BoundVectors, list[SumConstraint]], data: st.DataObject
) -> None:
    truth, start, sums = table
    known = data.draw(st.integers(0, len(truth) - 1))
    low, high = start.low.copy(), start.high.copy()
    low[known] = high[known] = truth[known]
    before, after = narrow_bounds(start, sums), narrow_bounds(BoundVectors(low, high), sums)
    assert before is not None
    assert after is not None
    assert (after.low >= before.low - 1e-5).all()
    assert (after.high <= before.high + 1e-5).all()


@pytest.mark.parametrize("total", [3, 4])
def test_bounds_equal_those_from_enumerating_every_table(total: int) -> None:
    """Enumerate every table of two by two with known sums."""
    start = interval(*[(0, 4)] * 4, (total, total), (2, 2), (3, 3), (total - 1, total - 1))
    sums = [SumConstraint(4, (0, 1)), SumConstraint(5, (2, 3)), SumConstraint(6, (0, 2)), SumConstraint(7, (1, 3))]
    fits = [
        t for t in itertools.product(range(5), repeat=4)
        if (t[0] + t[1], t[2] + t[3], t[0] + t[2], t[1] + t[3]) == (total, 2, 3, total - 1)
    ]  # fmt: skip
    tried = [(min(t[n] for t in fits), max(t[n] for t in fits)) for n in range(4)]
    assert ends(narrow_bounds(start, sums))[:4] == tried
