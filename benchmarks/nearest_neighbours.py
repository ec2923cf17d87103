"""Make the table of nearest neighbours of districts from the lists of the Office for National Statistics.

Usage: python -m benchmarks.nearest_neighbours GLOBAL.csv ECONOMIC.csv DEMOGRAPHIC.csv (columns AREACD, 1 to 20). The
files are in github.com/ONSdigital/explore-local-statistics-app, scripts/config/clusters, as of commit ca9faecc8cab.
"""

import sys

import polars as pl

from pipelines.geography.nearest_neighbours import MODELS, NEAREST_NEIGHBOURS_PATH, stack_nearest_neighbours

if __name__ == "__main__":
    tables = dict(zip(MODELS, map(pl.read_csv, sys.argv[1:]), strict=True))
    stack_nearest_neighbours(tables).write_csv(NEAREST_NEIGHBOURS_PATH)
