"""How the share of what is known has gone from build to build, as a line and in words."""

from typing import Any

import polars as pl

from pipelines.ledger import Ledger
from pipelines.periods import say

WIDTH, HEIGHT = 120.0, 24.0
"""Size of a line of completeness, in its own units."""


def trend(ledger: Ledger) -> dict[str, Any] | None:
    """Draw the share of cells known from build day to build day, as a line; none where there is only one day."""
    days = ledger.builds.unique("day", keep="last", maintain_order=True).filter(pl.col("asked") > 0)
    if days.height < 2:
        return None
    shares = [(day, known / asked) for day, known, asked in days.select("day", "known", "asked").iter_rows()]
    first, last = shares[0], shares[-1]
    length = max((last[0] - first[0]).days, 1)
    points = [((day - first[0]).days / length * WIDTH, (1 - share) * HEIGHT) for day, share in shares]
    return {
        "path": "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), "width": WIDTH, "height": HEIGHT,
        "said": f"from {_percent(first[1])} on {say(first[0], first[0])} to {_percent(last[1])} on "
        f"{say(last[0], last[0])}",
        "rows": [{"day": say(day, day), "share": _percent(share)} for day, share in shares],
    }  # fmt: skip


def _percent(share: float) -> str:
    """Write a share in per cent with one decimal, never rounded up to all nor down to none."""
    tenths = int(share * 1000 + 1e-9)
    return f"{tenths / 10:.1f}%" if tenths or not share else "under 0.1%"
