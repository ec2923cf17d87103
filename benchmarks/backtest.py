"""How wrong figures are that were shared out: moves figures whose truth is known at both ends, and writes it down.

    .venv/bin/python -m benchmarks.backtest FOLDER [--write]

FOLDER holds the published files (geo/ and indicators/). For each pair of place systems and each group of people,
figures of small areas are added up to the places moved from, moved, and compared with their own sums at the places
moved to. All figures fit the intervals; each kind is tested by an interval that the others fit. `--write` keeps the
intervals in pipelines/certainty.csv and the tables in docs/crosswalk-errors.md. Where tobler is installed, its area
weighting does the same task in the same run.
"""

import argparse
import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from benchmarks.backtest_figures import published
from benchmarks.backtest_fit import DAY, TRIALS, Result, Trial, result_of, tried
from benchmarks.backtest_page import page
from pipelines import steps
from pipelines.apportioning import geography
from pipelines.catalogue import load
from pipelines.certainty import CERTAINTY, HELD
from pipelines.crosswalks import Geography, crosswalk
from pipelines.moving import move

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "crosswalk-errors.md"


def catchments(folder: Path, held: Geography) -> Result:
    """Test the catchments of trusts: Covid admissions of 2020, known by trust and by district, moved by shares of 2019.

    The source gives shares both ways and no numbers; those follow from the shares but for a common factor.
    """
    raw = pl.read_csv(folder / "geo/nhs/trust_ltla_covid_admissions_mapping_2020.csv")
    trusts = _numbers(raw)
    flows = raw.join(trusts, on="trust_code").with_columns((pl.col("p_trust") * pl.col("admissions")).alias("flow"))
    there = flows.group_by(pl.col("geo_code").alias("place_code")).agg(pl.col("flow").sum().alias("truth"))
    trial = Trial("trust_2020", "lad_2019", "all_ages", ())
    drawn = crosswalk(held, trial.from_system, trial.to_system, "all_ages", DAY)
    seen = trusts.select(
        pl.col("trust_code").alias("place_code"), pl.col("admissions").alias("value"),
        pl.lit("admissions").alias("measure"), pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"),
    )  # fmt: skip
    moved = move(seen.filter(pl.col("place_code").is_in(drawn["from_code"].implode())), drawn)
    told = moved.join(there, on="place_code").filter(pl.col("partial") > 0)
    error = told.select((pl.col("truth") / pl.col("partial") - 1).abs()).to_series()
    none = pl.DataFrame(schema={name: column.dtype for name, column in CERTAINTY.items()})
    tests = pl.DataFrame(schema={"measure": pl.String, "place_code": pl.String, "inside": pl.Boolean})
    figures = (told.height, told.height, error.mean(), error.quantile(0.95), error.max())
    return Result(trial, none, *figures, tests)  # type: ignore[arg-type]


def _numbers(raw: pl.DataFrame) -> pl.DataFrame:
    """Work out the admissions of trusts, but for a common factor, from shares both ways: trust_code, admissions.

    The patients a trust has from a district are a share of the trust's and a share of the district's, so that
    the one's number gives the other's. Trusts that share no district with the others are left out.
    """
    shares = [(trust, place, own / other) for trust, place, own, other in raw.select(
        "trust_code", "geo_code", "p_trust", "p_geo").iter_rows()]  # fmt: skip
    found: dict[str, float] = {str(raw["trust_code"].mode().sort()[0]): 1.0}
    reached = 0
    while len(found) > reached:
        reached = len(found)
        for trust, place, ratio in shares:
            if trust in found:
                found.setdefault(place, found[trust] * ratio)
            elif place in found:
                found[trust] = found[place] / ratio
    trusts = sorted(set(raw["trust_code"]) & set(found))
    return pl.DataFrame({"trust_code": trusts, "admissions": [found[trust] for trust in trusts]})


def main(folder: Path, write: bool) -> None:
    """Run every trial, print the page, and keep it where asked to."""
    with tempfile.TemporaryDirectory() as store:
        project = steps.Project(load(ROOT), Path(store), date(2026, 11, 24))
        steps.prepare(project)
        held = geography(project, steps.register_places(project))
    truths = published(folder, held.areas[0])
    found = {trial: tried(trial, truths, held) for trial in TRIALS}
    results = [result_of(trial, found) for trial in TRIALS]
    text = page([*results, catchments(folder, held)], found, held, folder)
    print(text)  # noqa: T201
    if write:
        DOC.write_text(text, encoding="utf-8")
        pl.concat([each.certainty for each in results]).write_csv(HELD, float_precision=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    main(told.folder, told.write)
