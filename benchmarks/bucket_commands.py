"""Kill `commonground build` of a store in a bucket at random points, and check what readers find.

python -m benchmarks.bucket_commands [--seed 7] [--kills 200] [--pairs 20] [--builds 10] [--readers 20] [--endpoint URL]

A small project has one source and one problem. The question of the problem and every figure of the source are the
number of the build, so that each build reads a file, answers, writes all outputs and publishes. First some builds run
whole and are timed. Then each build is a process that is killed (SIGKILL): every other one at a random time of the
whole command, the others at a random time of its publishing. After each kill a reader opens the store. The report, the
index, the CSV, the cells and the analyst's file must state one number (not torn, not wrong): of the last build that
reported its publication, or of the killed one (not lost).

Then pairs of commands start at once, each as if on a machine of its own. Last, readers run `commonground sql` again and
again while builds are published. Prints one line for each part. `benchmarks/bucket_kills.py` has the servers.
"""

import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import StringIO
from pathlib import Path
from threading import Event
from typing import NamedTuple

import duckdb
import polars as pl

from benchmarks.bucket_kills import open_server, read_options
from benchmarks.build_project import SOURCE_HEADER, write_problem
from pipelines.core.bucket_view import open_view
from pipelines.core.store import hash_bytes
from pipelines.fetch import open_bucket
from tests.command import surroundings
from tests.small import places_only

PROBLEM, MEASURE = "counted", "figure"
PLACES = ("E09000024", "E09000029", "E09000021", "E09000008", "E09000032", "E09000022", "E09000027")
QUERY = f"select question, {MEASURE} from problems, problem.{PROBLEM} where problems.problem = '{PROBLEM}'"
READER_NICENESS = 15
"""Readers leave the processor to the builds: twenty that never rest would stop them on two cores."""
REFUSALS = ("another command has been changing this store", "another build was published while this one ran")


class Machine(NamedTuple):
    """A builder: its project, the folder of its caches, and the address of the store."""

    project: Path
    caches: Path
    address: str

    @property
    def cache(self) -> Path:
        """Return the cache of the store: a command names it by the address."""
        return self.caches / hash_bytes(self.address.encode())[:16]


def make_machine(folder: Path, address: str) -> Machine:
    """Write a project with one source of seven places and one problem."""
    root = places_only(folder)
    head = SOURCE_HEADER.format(title="", geography="lad_2023", status="", file_format="csv")
    measure = f"measures:\n  {MEASURE}: {{title: Number of the build, unit: units, kind: count, column: {MEASURE}}}\n"
    releases = "releases: [{released: 2026-10-25}]\n"
    (root / "sources" / f"{PROBLEM}.yaml").write_text(head + measure + releases, encoding="utf-8")
    write_problem(root, PROBLEM, "lad_2023", [MEASURE], places=PLACES)
    return Machine(root, folder / "caches", address)


def start_command(machine: Machine, number: int) -> "subprocess.Popen[str]":
    """Start `commonground build` of a project of which the question and the figures state a number."""
    path = machine.project / "pipelines" / "problems" / f"{PROBLEM}.sql"
    path.write_text(
        re.sub(r"^question: .*$", f"question: What does build {number} show?", path.read_text(), flags=re.M)
    )
    table = pl.DataFrame({"month": "2026-09", "code": PLACES, MEASURE: number})
    table.write_csv(machine.project / "sources" / "starter" / f"{PROBLEM}.csv")
    where = surroundings(machine.address, machine.project) | {"COMMONGROUND_CACHE": str(machine.caches)}
    command = [sys.executable, "-m", "pipelines.app.cli", "build", PROBLEM]
    return subprocess.Popen(command, env=where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def read_build(machine: Machine) -> int:
    """Return the number that all outputs state; exits where they differ."""
    with open_view(open_bucket(machine.address), machine.cache) as view:
        out = view.home / "out"
        pages = [(out / f"{name}.html").read_text() for name in (PROBLEM, "index")]
        with duckdb.connect(str(out / "commonground.duckdb"), read_only=True) as con:
            rows = con.execute(QUERY).fetchall()
        figures = [
            *pl.read_csv(out / f"{PROBLEM}.csv")["value"], *pl.read_parquet(out / f"{PROBLEM}.cells.parquet")["value"],
            *(figure for _, figure in rows),
        ]  # fmt: skip
    numbers = {int(number) for text in [*pages, str(rows)] for number in re.findall(r"does build (\d+) show", text)}
    if len(figures) != 3 * len(PLACES) or {float(number) for number in numbers} != set(figures) or len(numbers) != 1:
        raise SystemExit(f"torn or wrong: questions of builds {sorted(numbers)}, figures {sorted(set(figures))}")
    return numbers.pop()


class Timing(NamedTuple):
    """Seconds of a whole command, and of its publishing."""

    whole: float
    publishing: float


def time_command(machine: Machine, number: int) -> Timing:
    """Run a command to its end, and time it and its publishing."""
    before, begun = list_cached(machine), time.monotonic()
    process = start_command(machine, number)
    wait_for_publishing(process, machine, before)
    publishing = time.monotonic()
    output = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"build {number} ended with {process.returncode}: {output}")
    return Timing(time.monotonic() - begun, time.monotonic() - publishing)


def list_cached(machine: Machine) -> set[str]:
    """List the objects in the cache: a command adds its own just before it sends them."""
    with suppress(FileNotFoundError):
        return {path.name for path in (machine.cache / "objects").iterdir()}
    return set()


def wait_for_publishing(process: "subprocess.Popen[str]", machine: Machine, before: set[str]) -> None:
    """Wait until a command begins to publish, or ends."""
    while process.poll() is None and list_cached(machine) <= before:
        time.sleep(0.005)


class Killed(NamedTuple):
    """A killed command: whether it had ended before, whether it reported its publication, and what it printed."""

    had_ended: bool
    reported: bool


def kill_command(machine: Machine, number: int, usual: Timing, draw: random.Random, publishing: bool) -> Killed:
    """Start a command and kill it: at a random time of its publishing, or of the whole command."""
    before = list_cached(machine)
    process = start_command(machine, number)
    if publishing:
        wait_for_publishing(process, machine, before)
    time.sleep(draw.uniform(0, usual.publishing if publishing else usual.whole))
    process.kill()
    output = process.communicate()[1]
    if process.returncode > 0:
        raise SystemExit(f"build {number} ended with {process.returncode}: {output}")
    return Killed(process.returncode == 0, "Published" in output)


def kill_commands(machine: Machine, kills: int, draw: random.Random) -> str:
    """Kill commands at random times, and read after each; return one line."""
    time_command(machine, 1)
    timings = [time_command(machine, number) for number in (2, 3, 4)]
    usual = Timing(max(one.whole for one in timings), max(one.publishing for one in timings))
    last, ended, moved = 4, [0, 0], [0, 0]
    for number in range(5, kills + 5):
        publishing = number % 2
        killed = kill_command(machine, number, usual, draw, bool(publishing))
        current = read_build(machine)
        if current not in ([number] if killed.reported else [last, number]):
            raise SystemExit(f"lost: build {last} was published and {current} is read, after build {number}")
        ended[publishing] += killed.had_ended
        moved[publishing] += current == number
        last = current
    parts = [
        f"{kills - kills // 2 if publishing else kills // 2} within {seconds:.1f} s of {name} "
        f"({ended[publishing]} had ended, {moved[publishing]} were published)"
        for publishing, seconds, name in ((0, usual.whole, "the command"), (1, usual.publishing, "its publishing"))
    ]
    return f"{kills} commands killed: {'; '.join(parts)}; 0 lost, torn or wrong"


def race_commands(machines: Sequence[Machine], pairs: int, first: int) -> str:
    """Start two commands at once, each on a machine of its own; return one line."""
    early = late = 0
    for pair in range(pairs):
        numbers = [first + 2 * pair + side for side in (0, 1)]
        processes = [start_command(machine, number) for machine, number in zip(machines, numbers, strict=True)]
        outputs = [process.communicate()[1] for process in processes]
        published = [number for number, process in zip(numbers, processes, strict=True) if process.returncode == 0]
        refused = [text for process, text in zip(processes, outputs, strict=True) if process.returncode]
        if not published or any(text.count("\n") != 1 or not any(why in text for why in REFUSALS) for text in refused):
            raise SystemExit(f"two commands ended with {outputs}")
        if read_build(machines[0]) not in published:
            raise SystemExit(f"builds {published} were published and another is read")
        early += sum(REFUSALS[0] in text for text in refused)
        late += sum(REFUSALS[1] in text for text in refused)
    return (
        f"{pairs} pairs of commands at once: the second was refused {early} times before its work and {late} times at "
        f"its end, with one sentence; {pairs - early - late} times both were published, one after the other"
    )


def read_once(machine: Machine, caches: Path) -> None:
    """Run `commonground sql` with caches of its own, and exit where its rows are of two builds."""
    where = surroundings(machine.address, machine.project) | {"COMMONGROUND_CACHE": str(caches)}
    command = ["nice", "-n", str(READER_NICENESS), sys.executable, "-m", "pipelines.app.cli", "sql", QUERY, "--format"]
    done = subprocess.run([*command, "csv"], env=where, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"a reader failed: {done.stderr}")
    rows = pl.read_csv(StringIO(done.stdout))
    numbers = rows["question"].str.extract(r"build (\d+) show").cast(pl.Float64)
    if rows.height != len(PLACES) or rows[MEASURE].n_unique() != 1 or (numbers != rows[MEASURE]).any():
        raise SystemExit(f"torn: {rows.rows()}")


def read_during_commands(machine: Machine, builds: int, readers: int, first: int) -> str:
    """Let readers run `commonground sql` again and again while builds are published; return one line."""
    ended = Event()

    def read_until_ended(reader: int) -> int:
        count = 0
        while not ended.is_set():
            read_once(machine, machine.caches.with_name(f"reader {reader % 4}"))
            count += 1
        return count

    with ThreadPoolExecutor(readers) as pool:
        counts = [pool.submit(read_until_ended, reader) for reader in range(readers)]
        try:
            for number in range(first, first + builds):
                time_command(machine, number)
        finally:
            ended.set()
        reads = sum(count.result() for count in counts)
    return f"{readers} readers during {builds} builds: {reads} runs of `sql`, 0 errors"


def main(words: Sequence[str] | None = None) -> None:
    """Run all parts and print one line for each."""
    asked = read_options(words, "Kill `commonground build` of a store in a bucket at random points.")
    with open_server(asked.endpoint) as address, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        machines = [make_machine(folder / f"machine_{side}", f"{address}/commands") for side in (0, 1)]
        parts: list[Callable[[], str]] = [
            lambda: f"seed {asked.seed}; {asked.endpoint or 'moto on loopback'}; commonground build",
            lambda: kill_commands(machines[0], asked.kills, random.Random(asked.seed)),
            lambda: race_commands(machines, asked.pairs, 10_000),
            lambda: read_during_commands(machines[0], asked.builds, asked.readers, 20_000),
        ]
        for part in parts:
            sys.stdout.write(f"{part()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
