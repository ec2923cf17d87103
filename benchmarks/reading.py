"""Time to read a large CSV file, compared with a bare Polars scan of the same file in one run.

python benchmarks/reading.py [MEGABYTES] [RUNS]

Writes a file in the ONS's layout (1,000 MB by default) into the temporary directory. Reads it in turn in fresh
processes, and prints the seconds and peak memory of each run, and the ratio of the medians. Aim: at most 1.5.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from pipelines.declarations.file_format import FileLayout
from pipelines.readers.archive import decode_text, unpack_file
from pipelines.readers.csv import read_delimited_text

LARGE_FILE_HEADINGS = "AREACD,AREANM,Period,Indicator,Unit,Observation,Other,Status"
NEEDED_HEADINGS = [("AREACD",), ("AREANM",), ("Period",), ("Observation",), ("Status",)]


def write_large_file(path: Path, size: int) -> None:
    """Write a file of about `size` bytes: codes, names, years and figures."""
    lines = "".join(
        f"E{6000001 + n % 361:08d},Place number {n % 361},{2000 + n % 24},Claimant count,Percentage,"
        f"{(n * 7919) % 1000 / 10},{(n * 31) % 100},x\n"
        for n in range(100_000)
    )
    with path.open("w", encoding="utf-8") as out:
        out.write(LARGE_FILE_HEADINGS + "\n")
        for _ in range(size // len(lines)):
            out.write(lines)


def scan_file(path: Path) -> int:
    """Read the file with Polars, all text."""
    return pl.scan_csv(path, infer_schema=False).collect().height


def read_file(path: Path) -> int:
    """Read the file in the same way as a release of a source."""
    content, file = unpack_file(path.read_bytes(), None, path.name, "csv")
    return read_delimited_text(decode_text(content, file), FileLayout(), NEEDED_HEADINGS, file).frame.height


ROADS = {"scan": scan_file, "read": read_file}


def time_reader(road: str, path: Path) -> tuple[float, int]:
    """Run one method in a separate process; return seconds and peak memory in MB."""
    output = subprocess.run([sys.executable, __file__, road, str(path)], check=True, capture_output=True, text=True)
    seconds, peak, _ = output.stdout.split()
    return float(seconds), int(peak)


def compare_readers(size: int, runs: int) -> None:
    """Write the file, run both methods in turn, and print their cost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        write_large_file(path, size * 1_000_000)
        runs_by_method: dict[str, list[tuple[float, int]]] = {road: [] for road in ROADS}
        for _ in range(runs):
            for road in ROADS:
                runs_by_method[road].append(time_reader(road, path))
    for road, measured in runs_by_method.items():
        seconds = sorted(second for second, _ in measured)
        sys.stdout.write(
            f"{road}: {', '.join(f'{s:.1f}' for s in seconds)} s, peak {max(p for _, p in measured):,} MB\n"
        )
    medians = {road: statistics.median(second for second, _ in measured) for road, measured in runs_by_method.items()}
    sys.stdout.write(f"ratio of the medians: {medians['read'] / medians['scan']:.2f}\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ROADS:
        started = time.perf_counter()
        rows = ROADS[sys.argv[1]](Path(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        sys.stdout.write(f"{time.perf_counter() - started:.2f} {peak} {rows}\n")
    else:
        compare_readers(*[int(text) for text in sys.argv[1:]] or [1000, 3])
