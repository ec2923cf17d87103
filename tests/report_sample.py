"""A small report for tests of output writers: five square districts, two of them with harmful names."""

from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.core.schema import CELL_COLUMNS, FINDING_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.acceptances import Acceptance
from pipelines.declarations.file_format import FileColumns
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import Need, PeriodRange, ProblemHeader
from pipelines.declarations.problem_sql import ParsedSelect
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import IntervalColumns
from pipelines.gaps.ledger import add_build, build_gap_ledger, empty_ledger
from pipelines.gaps.verdicts import build_verdicts
from pipelines.observations.revisions import REVISION_SUMMARY
from pipelines.outputs.report_changes import BuildHistory
from pipelines.outputs.report_model import Report

AS_OF = date(2026, 11, 24)
HARM = "<script>alert(1)</script>"
FORMULA = "=cmd()|'/c calc'!A1"
NAMES = {"E06000001": "Hartlepool", "E06000002": HARM, "E07000008": FORMULA, "E09000001": "City of London",
         "W06000001": "Ynys Môn"}  # fmt: skip
MEASURES = {
    "claimant_rate": Measure(
        title="Claimant rate", unit="%", kind="rate", denominator="residents", column=("x",), rounding=0.1
    ),
    "households": Measure(title="Households", unit="households", kind="stock", column=("y",)),
    "vacancies": Measure(title="Unfilled vacancies", unit="vacancies", kind="stock"),
}


def _cell(place: str, measure: str, n: int, start: date, end: date) -> dict[str, Any]:
    known = measure == "claimant_rate" or (measure == "households" and n % 2 == 0)
    reason = None if known else "not_collected" if measure == "vacancies" else "suppressed"
    value = [0.0, 12_345.0][n % 2] if known and measure == "households" else 2.5 + n if known else None
    return {
        "cell_id": f"sample/{measure}/{place}/{start}",
        "problem": "sample",
        "need": "wanted" if measure == "vacancies" else "needed",
        "measure": measure,
        "place_code": place,
        "place_name": NAMES[place],
        "nation": "Wales" if place.startswith("W") else "England",
        "period_start": start,
        "period_end": end,
        "value": value,
        "lower_bound": 1.0 if reason == "suppressed" else value,
        "upper_bound": 4.0 if reason == "suppressed" else value,
        "unit": MEASURES[measure].unit,
        "obs_status": "provisional" if known else None,
        "reason": reason,
        "caveats": "rounded,provisional" if known else None,
        "severity": "info" if reason else None,
        "evidence": f"row 3 of {HARM}" if reason else None,
        "data_owner": "The publisher" if reason else None,
        "remedy": "Ask for it." if reason else None,
        "source": "sample_source",
        "release": "a" * 64,
        "released_at": date(2026, 1, 1),
        "reference_start": date(2025, 1, 1),
        "reference_end": date(2025, 12, 31),
    }


def _followed(cells: pl.DataFrame, header: ProblemHeader, people: pl.DataFrame) -> BuildHistory:
    """Record the sample over two builds: the first has one more gap, and lacks one later gap."""
    older = cells.with_columns(
        pl.when(pl.col("cell_id") == cells["cell_id"].min()).then(pl.lit("late")).otherwise("reason").alias("reason")
    ).filter(pl.col("measure") != "vacancies")
    ledger = add_build(add_build(empty_ledger(), older, AS_OF - timedelta(days=30), "a"), cells, AS_OF, "b")
    gone = (Acceptance(measure="vacancies", reason="not_collected", who=HARM, why="w", when=AS_OF, until=AS_OF),)
    revised = table_from_records(
        [{"source": "sample_source", "measure": "households", "old_released_at": AS_OF, "new_released_at": AS_OF,
          "cells_in_both": 5, "changed": 2, "appeared": 3, "disappeared": 1, "places_most_affected": HARM}],
        REVISION_SUMMARY,
    )  # fmt: skip
    return BuildHistory(
        build_verdicts(cells, header, people), ledger, build_gap_ledger(ledger, gone, "o", AS_OF), revised, {HARM: HARM}
    )


def _square(n: int, code: str) -> dict[str, Any]:
    x, y = float(n % 3), 52.0 + n // 3
    ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
    return {"type": "Feature", "properties": {"code": code}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def sample(grain: str = "latest", only: tuple[str, ...] = ()) -> Report:
    """Build the report; with grain month it has three months."""
    months = [(AS_OF, AS_OF)]
    if grain == "month":
        months = [(date(2025, m, 1), date(2025, m, 28)) for m in (1, 2, 3)]
    codes = [code for code in NAMES if not only or code in only]
    cells = [_cell(p, m, n, *span) for n, p in enumerate(codes) for m in MEASURES for span in months]
    header = ProblemHeader(
        question=f"Where, and {HARM}?",
        decision="d",
        owner="o",
        geography="lad_2023",
        place_codes=only,
        grain="month" if grain == "month" else "latest",
        periods=PeriodRange(start="2025-01") if grain == "month" else None,
        needs={"claimant_rate": Need(), "households": Need()},
        unknowns=("vacancies",),
    )
    source = Source(
        title="Sample",
        publisher="A publisher",
        licence="OGL v3.0",
        page="https://example.org/page",
        geography="lad_2023",
        columns=FileColumns(place=("code",), period=("year",)),
        measures=MEASURES | {"vacancies": MEASURES["households"]},
    )
    places = [
        {"place_code": code, "place_name": NAMES[code], "kind": "lad", "nation": "England", "region": "London"}
        for code in codes
    ]
    finding = {"source": "sample_source", "check": "c", "reason": "unmatched_place", "severity": "warn",
               "place_label": HARM, "evidence": FORMULA, "data_owner": "h", "remedy": "r", "file": "f.csv"}  # fmt: skip
    frame = table_from_records(cells, CELL_COLUMNS)
    view = frame.filter(pl.col("measure") == "claimant_rate").select(
        "place_code", pl.col("value").alias("claimant_rate"), pl.col("obs_status").alias("claimant_rate_status")
    )
    people = pl.DataFrame({"place_code": codes, "people": [1_000.0] * len(codes)})
    return Report(
        problem="sample", header=header, select=ParsedSelect("select 1 a -- <b>", (), {}), version="1",
        cells=frame, view=view,
        places=table_from_records(places, PLACE_COLUMNS), people=people,
        people_title="Residents", findings=table_from_records([finding] * 250, FINDING_COLUMNS),
        releases=pl.DataFrame({"source": ["sample_source"], "release": ["a" * 64], "released_at": [date(2026, 1, 1)],
                               "label": [""], "file": ["f.csv"], "size": [1], "usable": [True], "in_use": [True]}),
        measures=MEASURES, measure_sources=dict.fromkeys(MEASURES, "sample_source"), sources={"sample_source": source},
        boundaries={"type": "FeatureCollection", "features": [_square(n, code) for n, code in enumerate(NAMES)]},
        history=_followed(frame, header, people),
    )  # fmt: skip


def of_estimates() -> Report:
    """Build the sample with estimated claimant rates, each with an interval that overlaps only adjacent ranks."""
    report = sample()
    limits = IntervalColumns(lower=("l",), upper=("u",), level=95)
    measure = MEASURES["claimant_rate"].model_copy(update={"uncertainty": limits})
    rate = (pl.col("measure") == "claimant_rate") & pl.col("value").is_not_null()
    width = pl.when(pl.col("value") > 6).then(0.4).otherwise(0.75)
    ends = {"interval_lower": pl.col("value") - width, "interval_upper": pl.col("value") + width,
            "interval_level": pl.lit(95.0), "interval_source": pl.lit("published")}  # fmt: skip
    cells = report.cells.with_columns(pl.when(rate).then(new).otherwise(name).alias(name) for name, new in ends.items())
    bare = cells.with_columns(pl.when(~rate).then(name).alias(name) for name in ("lower_bound", "upper_bound"))
    return report._replace(cells=bare, measures={**report.measures, "claimant_rate": measure})
