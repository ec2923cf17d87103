"""10,000 damaged files of every format: each must end as a right table or as a clear refusal.

python benchmarks/fuzz.py [FILES] [FIRST SEED]

Prints the number of files read and refused, the longest time, the peak memory, and the seed of each file that ended
otherwise, to build it again. A file that takes over 5 seconds ends the run with a traceback. The exit code is 1 where
a file ended otherwise or memory exceeded 1 GB.
"""

import collections
import faulthandler
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mutations import make_samples, read_damaged

LONGEST, MOST_MB = 5.0, 1_024


def run_fuzz(files: int, first: int) -> int:
    """Read this number of damaged files; return the exit code."""
    sound = make_samples()
    ends: collections.Counter[str] = collections.Counter()
    slowest, faults = (0.0, ""), []
    for seed in range(first, first + files):
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        ending = read_damaged(seed, sound)
        faulthandler.cancel_dump_traceback_later()
        ends["refused" if ending.refused else "read"] += 1
        slowest = max(slowest, (ending.seconds, ending.name))
        faults += [f"{ending.name}: {ending.fault}"] if ending.fault else []
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lines = [f"{files:,} files: {ends['read']:,} read, {ends['refused']:,} refused, {len(faults)} ended otherwise"]
    lines += [f"longest {slowest[0]:.2f} s ({slowest[1]}), peak {peak:,} MB", *faults]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(faults) or peak > MOST_MB)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    raise SystemExit(run_fuzz(*(given + [10_000, 0][len(given) :])))
