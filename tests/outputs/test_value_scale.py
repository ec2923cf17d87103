"""Ends, step and labels of a value axis."""

import pytest

from pipelines.outputs.value_scale import choose_scale, format_ticks


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 3.4], (0, 4, 1)),
        ([0, 3.5], (0, 4, 1)),
        ([0, 3.6], (0, 4, 2)),
        ([0, 7], (0, 8, 2)),
        ([0, 7.1], (0, 10, 5)),
        ([0, 17.5], (0, 20, 5)),
        ([0, 17.6], (0, 20, 10)),
        ([59, 100], (0, 100, 50)),
        ([61, 100], (60, 100, 20)),
        ([-3, 4], (-4, 4, 2)),
        ([5, 5], (4, 6, 2)),
        ([0, 0], (0, 0.5, 0.5)),
        ([10, 11], (10, 11, 0.5)),
    ],
)
def test_axis_has_round_ends_and_two_to_four_steps(values: list[float], expected: tuple[float, float, float]) -> None:
    assert choose_scale(values) == expected


def test_labels_have_the_decimals_of_their_steps() -> None:
    assert format_ticks([0.0, 0.5, 1.0]) == ["0.0", "0.5", "1.0"]
    assert format_ticks([0.0, 2.0, 4.0]) == ["0", "2", "4"]
    assert format_ticks([-1000.0, -0.0, 1000.0]) == ["-1,000", "0", "1,000"]
    assert format_ticks([7.0]) == ["7"]
