"""Make the table of postcode districts from counts of postcodes by district and council.

Usage: python -m benchmarks.postcode_districts COUNTS.csv (columns postcode_district, LAD25CD, postcodes).
"""

import sys

import polars as pl

from pipelines.geography.postcode_districts import DISTRICTS_PATH, summarise_postcode_districts

if __name__ == "__main__":
    summarise_postcode_districts(pl.read_csv(sys.argv[1])).write_csv(DISTRICTS_PATH)
