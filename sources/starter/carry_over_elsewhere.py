"""Starter files of figures that are not in the folder of published files, but in a public repository.

`python sources/starter/carry_over_elsewhere.py TABLE.csv` writes the beds of winter 2019-20. TABLE.csv is the data
frame `sitrep1920` of the repository below, written as CSV. carry_over.py keeps the file and states its origin.
"""

import sys
from pathlib import Path

from carry_over_hospitals import sitrep
from carrying import Row, read_text

HERE = Path(__file__).resolve().parent
ELSEWHERE: tuple[Row, ...] = (
    {
        "file": "nhse_winter_sitrep_2019-20.parquet",
        "publisher": "NHS England",
        "dataset": "NHS England winter sitrep 2019-20 by trust, 2 December 2019 to 1 March 2020",
        # Published at most a week after its last day, as the other winters.
        "release": "2020-03-08",
        "licence": "OGL v3.0 (publisher)",
        "cut": "beds open and occupied",
        "origin": "",
        "origin_repository": "matthewgthomas/NHSWinterSitreps",
        "origin_path": "data/sitrep1920.rda",
        "origin_commit": "e2902ee28fe90cbb3cbbad2cd1ed19f112f5bc68",
    },
)


def main(table: str) -> None:
    """Write the beds of winter 2019-20 beside this script."""
    (HERE / ELSEWHERE[0]["file"]).write_bytes(sitrep(read_text(Path(table))))


if __name__ == "__main__":
    main(sys.argv[1])
