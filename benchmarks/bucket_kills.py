"""Kill builders of a store in a bucket at random points, and check what readers find.

python -m benchmarks.bucket_kills [--seed 7] [--kills 200] [--builds 10] [--readers 20] [--endpoint URL]

A loopback server has the bucket: moto, or a server that is running (`--endpoint`; credentials in AWS_*). Each builder
is a process that writes the number of its build into every file of a store, publishes, and reports the number. It is
killed (SIGKILL) at a random time. After each kill a reader opens the store. All files must have one number (not torn),
of the last reported build or of the killed one (not lost), and their own names (not wrong). Then pairs of builders
start at once: the second ends after the first or is refused. Last, readers open the store while builds are published.

`benchmarks/bucket_commands.py` kills `commonground build` itself. Prints one line for each part.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from botocore.session import get_session

from pipelines.core.bucket_view import finish_publication, open_view, publish_view
from pipelines.core.errors import CommongroundError
from pipelines.fetch import open_bucket

FILES = [
    *(f"state/cell/problem_{number}.parquet" for number in range(8)),
    *(f"out/places/E{number:08}.html" for number in range(12)),
    "out/commonground.duckdb", "ledger/problem_1.parquet", "snapshots/log.jsonl", "outputs.json",
]  # fmt: skip
REFUSED, PUBLISHED = 3, 0


def build_once(address: str, cache: Path, number: int, report: Path) -> int:
    """Publish a build with its number in each file, and report the number; return an exit code."""
    bucket = open_bucket(address)
    try:
        with open_view(bucket, cache) as view:
            for name in FILES:
                (view.home / name).parent.mkdir(parents=True, exist_ok=True)
                (view.home / name).unlink(missing_ok=True)
                (view.home / name).write_bytes(f"{number} {name}".encode())
            published = publish_view(view)
            report.write_text(str(number))
            finish_publication(published)
    except CommongroundError as error:
        return REFUSED if "another build was published" in str(error) else 1
    return PUBLISHED


def read_number(address: str, cache: Path) -> int:
    """Return the number that every file of the store states; 0 before the first build. Exits where files differ."""
    with open_view(open_bucket(address), cache) as view:
        texts = {name: (view.home / name).read_text() for name in FILES if (view.home / name).is_file()}
    numbers = {int(text.partition(" ")[0]) for text in texts.values()}
    if texts and (len(texts) != len(FILES) or len(numbers) > 1):
        raise SystemExit(f"torn: {sorted(numbers)} in {len(texts)} of {len(FILES)} files")
    if wrong := [name for name, text in texts.items() if text.partition(" ")[2] != name]:
        raise SystemExit(f"wrong: {wrong}")
    return numbers.pop() if numbers else 0


def start(work: Callable[..., int], *arguments: object) -> int:
    """Start a process that shares the imported modules, and return its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = work(*arguments)
    finally:
        os._exit(code)


def wait_for(child: int) -> int:
    """Return the exit code of a process, or the number of the signal that ended it, negative."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_builders(address: str, folder: Path, kills: int, draw: random.Random) -> str:
    """Kill builders at random times and read after each; return one line."""
    report = folder / "reported"
    began = time.monotonic()
    wait_for(start(build_once, address, folder / "cache", 1, report))
    whole, ended, moved = time.monotonic() - began, 0, 0
    for number in range(2, kills + 2):
        child = start(build_once, address, folder / "cache", number, report)
        time.sleep(draw.uniform(0, 1.3 * whole))
        os.kill(child, signal.SIGKILL)
        ended += wait_for(child) == PUBLISHED
        reported, current = int(report.read_text()), run_reader(address, folder)
        if current < reported or current > number:
            raise SystemExit(f"lost: build {reported} was reported and {current} is read, after build {number}")
        moved += current == number
    return f"{kills} builders killed ({ended} had ended): {moved} were published, the others not; 0 lost, torn or wrong"


def run_reader(address: str, folder: Path) -> int:
    """Read the number of the store in a process of its own."""

    def write_number() -> int:
        (folder / "read").write_text(str(read_number(address, folder / "cache")))
        return 0

    if wait_for(start(write_number)):
        raise SystemExit("the reader failed")
    return int((folder / "read").read_text())


def race_builders(address: str, folder: Path, pairs: int) -> str:
    """Start two builders at once, each on a machine of its own; return one line."""
    refused = 0
    for pair in range(pairs):
        children = [
            start(build_once, address, folder / f"machine {side}", 10_000 + 2 * pair + side, folder / f"r{side}")
            for side in (0, 1)
        ]
        codes = sorted(wait_for(child) for child in children)
        if codes not in ([PUBLISHED, PUBLISHED], [PUBLISHED, REFUSED]):
            raise SystemExit(f"two builders ended with {codes}")
        refused += codes[1] == REFUSED
        run_reader(address, folder)
    return f"{pairs} pairs of builders at once: {refused} times the second was refused, else they followed each other"


def read_during_builds(address: str, folder: Path, builds: int, readers: int) -> str:
    """Let readers open the store, each again and again, while builds are published; return one line."""
    stop, reads = folder / "stop", folder / "reads"
    reads.mkdir()

    def read_until_stopped(side: int) -> int:
        count = 0
        while not stop.exists():
            read_number(address, folder / f"reader {side % 4}")
            count += 1
        (reads / str(side)).write_text(str(count))
        return 0

    children = [start(read_until_stopped, side) for side in range(readers)]
    for number in range(builds):
        if wait_for(start(build_once, address, folder / "cache", 20_000 + number, folder / "reported")) != PUBLISHED:
            raise SystemExit("a build was refused though no other ran")
    stop.touch()
    codes = [wait_for(child) for child in children]
    if any(codes):
        raise SystemExit("a reader failed")
    return (
        f"{readers} readers during {builds} builds: {sum(int(p.read_text()) for p in reads.iterdir())} reads, 0 errors"
    )


@contextmanager
def open_server(endpoint: str) -> Iterator[str]:
    """Make a bucket on a server, or on moto in a process of its own; yield the address of a store there."""
    if endpoint:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        name = f"figures-{uuid4().hex}"
        get_session().create_client("s3").create_bucket(Bucket=name)
        yield f"s3://{name}/store"
    else:
        with _serve_apart() as address:
            yield address


@contextmanager
def _serve_apart() -> Iterator[str]:
    """Serve a bucket with moto in a process of its own, so that builders can be forked; yield the address."""
    program = (
        "import json, os, sys\nfrom tests.bucket import loopback_bucket\nwith loopback_bucket() as address:\n"
        "    print(json.dumps([address, {k: v for k, v in os.environ.items() if k.startswith('AWS_')}]), flush=True)\n"
        "    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin and server.stdout
        lines = iter(server.stdout.readline, b"")
        address, settings = json.loads(next(line for line in lines if line.startswith(b"[")))
        os.environ.update(settings)
        yield address
        server.stdin.close()


def read_options(words: Sequence[str] | None, description: str) -> argparse.Namespace:
    """Read the options of a script that kills builders: the seed, how much of each part to run, and the server."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in (("seed", 7), ("kills", 200), ("pairs", 20), ("builds", 10), ("readers", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--endpoint", default="", help="a running server, with credentials in AWS_*; default: moto")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Run all parts and print one line for each."""
    asked = read_options(words, "Kill builders of a store in a bucket at random points.")
    with open_server(asked.endpoint) as address, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parts: list[Callable[[], str]] = [
            lambda: f"seed {asked.seed}; {asked.endpoint or 'moto on loopback'}; {len(FILES)} files a store",
            lambda: kill_builders(address, folder, asked.kills, random.Random(asked.seed)),
            lambda: race_builders(address, folder, asked.pairs),
            lambda: read_during_builds(address, folder, asked.builds, asked.readers),
        ]
        for part in parts:
            sys.stdout.write(f"{part()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
