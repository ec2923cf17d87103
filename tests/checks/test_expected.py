"""What figures are expected to be: against the same rules written out figure by figure, and by hand."""

from datetime import date
from math import exp, isnan, log, sin, sqrt
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.expected import describe_figures, find_smallest_step, fit_expected, spreads_away
from checks.series import number_slices, select_releases, split_measures
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from tests.checks.figures_expected import judged, months, places

COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))
RATE = Measure(title="t", unit="%", kind="rate", denominator="people", rounding=0.1, column=("figure",))
PLAIN = RATE.model_copy(update={"rounding": None})
MEASURES = {"m": COUNT, "rate": RATE, "plain": PLAIN}
Spot = tuple[str, date]
"""A place and the first day of a period."""
Figures = dict[Spot, float]
ADDED = [
    "usual", "before", "long_run", "apart", "apart_before", "apart_long", "own_spread", "peer_spread", "noise",
    "movement", "periods", "peers",
]  # fmt: skip


def observed(figures: dict[Spot, float | None], measure: str = "m") -> pl.DataFrame:
    cells = [{"measure": measure, "place_code": code, "period_start": day, "period_end": day, "value": value}
             for (code, day), value in figures.items()]  # fmt: skip
    return table_from_records(cells, OBSERVATION_COLUMNS).sample(fraction=1, shuffle=True, seed=6)


def fitted(frame: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Give all figures with their expected values, measure by measure."""
    parts = []
    for name, rows in split_measures(frame.with_columns(pl.lit(0, pl.Int64).alias("order"))):
        slices = number_slices(rows)
        fit = fit_expected(slices, select_releases(slices), measures[name])
        parts.append(describe_figures(fit, rows, np.arange(len(fit.row))).sort("place_code", "period_start"))
    return pl.concat(parts)


class Fit(NamedTuple):
    """A place's figures as logarithms less its level and the movement of all, by their order in time."""

    spots: list[Spot]
    rest: list[float]
    norm: list[float | None]
    better: float


def polished(logs: Figures) -> tuple[dict[str, float], dict[date, float]]:
    """Give the level of each place and the movement of each period, after three rounds of medians."""
    by_place = {place: [spot for spot in logs if spot[0] == place] for place, _ in logs}
    by_period = {day: [spot for spot in logs if spot[1] == day] for _, day in logs}
    level, movement = dict.fromkeys(by_place, 0.0), dict.fromkeys(by_period, 0.0)
    for _ in range(3):
        level = {place: median(logs[s] - movement[s[1]] for s in mine) for place, mine in by_place.items()}
        movement = {day: median(logs[s] - level[s[0]] for s in mine) for day, mine in by_period.items()}
    return level, movement


def upper_quarter(figures: list[float]) -> float:
    """Give the figure nearest to three quarters of the way from the least to the greatest."""
    at = 0.75 * (len(figures) - 1)
    return sorted(figures)[int(at + 0.5)]


def middle(figures: list[float | None]) -> float | None:
    known = [item for item in figures if item is not None]
    return median(known) if known else None


def written_out(figures: Figures, step: float, *, counted: bool) -> dict[Spot, dict[str, Any]]:
    """Work out by plain loops what `expected` gives for one measure."""
    logs = {spot: log(value if value > 0 else step / 2) for spot, value in figures.items()}
    level, movement = polished(logs)
    fits = []
    for place in level:
        spots = sorted(spot for spot in figures if spot[0] == place)
        rest = [logs[s] - level[place] - movement[s[1]] for s in spots]
        fits.append(Fit(spots, rest, [], upper_quarter(rest)))
    odd: set[Spot] = set()
    for _ in range(2):
        result = _around(fits, odd, level, movement)
        _add_spreads(result, step, counted=counted)
        odd = _odd(fits, result)
    for row in result.values():
        del row["normal"]
    return result


def _around(
    fits: list[Fit], odd: set[Spot], level: dict[str, float], movement: dict[date, float]
) -> dict[Spot, dict[str, Any]]:
    result: dict[Spot, dict[str, Any]] = {}
    days = [spot[1] for fit in fits for spot in fit.spots]
    for spots, rest, _, better in fits:
        norm = [item if item - better > log(0.1) and spot not in odd else None
                for spot, item in zip(spots, rest, strict=True)]  # fmt: skip
        for n, spot in enumerate(spots):
            near = middle([norm[n + k] for k in (-2, -1, 1, 2) if 0 <= n + k < len(spots)])
            local = {"usual": better if near is None else near, "long_run": better,
                     "before": middle([norm[n - k] for k in (1, 2, 3) if n >= k])}  # fmt: skip
            base = level[spot[0]] + movement[spot[1]]
            apart = {name: None if item is None else rest[n] - item for name, item in local.items()}
            result[spot] = {
                **{name: None if item is None else exp(base + item) for name, item in local.items()},
                "apart": apart["usual"], "apart_before": apart["before"], "apart_long": apart["long_run"],
                "movement": movement[spot[1]], "periods": len(spots), "peers": days.count(spot[1]),
                "normal": norm[n] is not None,
            }  # fmt: skip
    return result


def _add_spreads(expected: dict[Spot, dict[str, Any]], step: float, *, counted: bool) -> None:
    for name, part in (("own_spread", 0), ("peer_spread", 1)):
        for spot, row in expected.items():
            row[name] = 1.4826 * median(
                abs(other["apart"]) for at, other in expected.items() if at[part] == spot[part] and other["normal"]
            )
    for row in expected.values():
        row["noise"] = 1.5 / max(row["usual"], 0.5) if counted else (step / row["usual"]) ** 2 / 12


def _odd(fits: list[Fit], expected: dict[Spot, dict[str, Any]]) -> set[Spot]:
    """Give the figures that are far from both, and further than those before and after."""
    actual = set()
    for spots in (fit.spots for fit in fits):
        apart = [abs(expected[spot]["apart"]) for spot in spots]
        for n, spot in enumerate(spots):
            row = expected[spot]
            far = all(apart[n] / sqrt(row[name] ** 2 + row["noise"]) > 3 for name in ("own_spread", "peer_spread"))
            beside = apart[max(n - 1, 0) : n] + apart[n + 1 : n + 2]
            if far and apart[n] > log(1.6) and apart[n] >= max(beside, default=0.0):
                actual.add(spot)
    return actual


def wavy(count: int, spans: int, level: float, wild: float = 0.1) -> Figures:
    """Give figures that rise and fall with the season, more in some places than in others."""
    return {
        (code, month): level * (1 + place / 5) * (1 + 0.2 * sin(n / 2) + wild * sin(7.0 * place * place + 3.1 * n * n))
        for place, code in enumerate(places(count)) for n, month in enumerate(months(spans))
    }  # fmt: skip


def changed(figures: Figures, changes: dict[tuple[int, int], float]) -> Figures:
    """Multiply figures of a place, by number, in a month, by number."""
    codes, days = places(30), months(60)
    return figures | {(codes[p], days[n]): times * figures[codes[p], days[n]] for (p, n), times in changes.items()}


def whole(figures: Figures) -> Figures:
    return {spot: float(round(item)) for spot, item in figures.items()}


FAULTS = {(1, 4): 0.0, (2, 5): 0.02, (3, 6): 4.0, (4, 7): 0.4, (4, 8): 0.45, (5, 0): 5.0, (6, 11): 0.2, (7, 3): 1.9,
          **{(8, n): 0.01 for n in range(2, 9)}, **{(9, n): 0.0 for n in range(12)}}  # fmt: skip
RUNS = {(1, 4): 3.0, (1, 5): 2.0, (2, 0): 3.0, (2, 1): 2.0, (3, 11): 0.3, (3, 10): 0.5, (4, 6): 1.55, (5, 3): 0.5,
        (5, 4): 0.4, (5, 5): 0.5, (6, 7): 1.7, (7, 2): 2.0, (7, 4): 3.0, (7, 6): 2.0, (9, 0): 0.4,
        (9, 11): 2.5}  # fmt: skip
CASES = {
    "calm counts with runs of faults": (whole(changed(wavy(12, 12, 3e5, 0.01), RUNS)), "m", 1.0),
    "calm rates with runs of faults": (changed(wavy(11, 12, 40.0, 0.02), RUNS), "rate", 0.1),
    "sound counts": (whole(wavy(12, 12, 300.0)), "m", 1.0),
    "counts with faults": (whole(changed(wavy(12, 12, 300.0), FAULTS)), "m", 1.0),
    "small counts": (whole(wavy(7, 9, 2.0)), "m", 1.0),
    "rates with faults": (
        {spot: round(item, 1) for spot, item in changed(wavy(11, 12, 4.0), FAULTS).items()}, "rate", 0.1,
    ),
    "one place": (whole(wavy(1, 8, 50.0)), "m", 1.0),
    "one period": (whole(wavy(8, 1, 50.0)), "m", 1.0),
    "places that come late": (
        {spot: item for n, (spot, item) in enumerate(whole(wavy(9, 10, 80.0)).items()) if n % 10 >= n // 10}, "m", 1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_figures_are_expected_as_the_rules_written_out_give_them(name: str) -> None:
    figures, measure, step = CASES[name]
    due = pl.DataFrame(
        [{"place_code": code, "period_start": day, **{key: row[key] for key in ADDED}}
         for (code, day), row in written_out(figures, step, counted=measure == "m").items()],
        infer_schema_length=None,
    ).cast({"before": pl.Float64, "apart_before": pl.Float64})  # fmt: skip
    actual = fitted(observed(dict(figures), measure), MEASURES)
    assert actual.height == len(figures)
    assert_frame_equal(actual.select(due.columns), due.sort("place_code", "period_start"), abs_tol=1e-9)


def test_another_measure_and_the_order_of_rows_change_nothing() -> None:
    figures, _, _ = CASES["counts with faults"]
    alone = fitted(observed(dict(figures)), MEASURES)
    other = observed({spot: item / 7 for spot, item in CASES["small counts"][0].items()}, "plain")
    both = fitted(pl.concat([other, observed(dict(figures)).reverse()]), MEASURES).filter(pl.col("measure") == "m")
    assert_frame_equal(both.drop("place_number"), alone.drop("place_number"))


def test_rates_ten_times_as_large_are_as_far_apart() -> None:
    figures, _, _ = CASES["rates with faults"]
    tenfold = {spot: 10 * item for spot, item in figures.items()}
    coarser = {"rate": RATE.model_copy(update={"rounding": 1.0})}
    far = ["apart", "apart_before", "apart_long", "own_spread", "peer_spread", "noise"]
    small, large = (
        fitted(observed(dict(figures), "rate"), MEASURES),
        fitted(observed(dict(tenfold), "rate"), coarser),
    )
    assert_frame_equal(small.select(far), large.select(far))


def test_only_figures_of_zero_or_more_are_expected() -> None:
    figures = whole(wavy(6, 6, 90.0))
    alone = fitted(observed(dict(figures)), MEASURES)
    day = date(2021, 5, 1)
    none: dict[Spot, float | None] = {
        ("E00", day): None, ("E01", day): -1.0, ("E02", day): float("nan"), ("E03", day): float("inf"),
    }  # fmt: skip
    both = fitted(observed({**figures, **none}), MEASURES)
    assert_frame_equal(both.drop("place_number"), alone.drop("place_number"))
    assert fitted(observed(none), MEASURES).is_empty()


def test_zero_rate_without_rounding_counts_as_half_the_smallest_figure() -> None:
    figures = {("E00", day): value for day, value in zip(months(5), [4.0, 0.5, 3.0, 0.0, 2.0], strict=True)}
    actual = fitted(observed(dict(figures), "plain"), MEASURES)
    assert (actual["usual"].log() + actual["apart"]).to_list() == pytest.approx(
        [log(item) for item in (4.0, 0.5, 3.0, 0.25, 2.0)]
    )
    noughts = fitted(observed(dict.fromkeys(figures, 0.0), "plain"), MEASURES)
    assert noughts["usual"].to_list() == pytest.approx([0.5] * 5)
    assert noughts.select("apart", "own_spread", "peer_spread").rows() == [(0.0, 0.0, 0.0)] * 5


def test_step_is_the_rounding_or_one_or_the_smallest_figure() -> None:
    figures = np.array([0.0, 0.3, 20.0])
    fives = COUNT.model_copy(update={"rounding": 5.0})
    steps = [find_smallest_step(figures, measure) for measure in (fives, COUNT, PLAIN, RATE)]
    assert steps == [5.0, 1.0, 0.3, 0.1]
    assert isnan(find_smallest_step(np.zeros(3), PLAIN))


def test_distances_are_in_spreads_plus_noise() -> None:
    frame = judged([{"apart": -6.0, "apart_long": 4.0, "own_spread": 0.3, "peer_spread": 0.6, "noise": 0.16}])
    result = frame.select(
        own=spreads_away("own_spread"), peers=spreads_away("peer_spread"), long=spreads_away("own_spread", "apart_long")
    ).row(0)
    assert result == pytest.approx((-12.0, -6 / sqrt(0.52), 8.0))
    assert not any(map(isnan, result))
