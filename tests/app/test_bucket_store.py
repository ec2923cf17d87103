"""Commands on a store in a bucket: the same outputs as in a directory, and one sentence where nothing is published."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest

from pipelines.app import build as building
from pipelines.core.bucket_catalogue import read_edition
from pipelines.core.bucket_mark import MARK, mark_build
from pipelines.core.bucket_view import open_view, publish_view
from pipelines.core.store import hash_file
from pipelines.declarations.fingerprints import ANSWER_TABLES
from pipelines.fetch import open_bucket
from tests.breadth import wide
from tests.bucket import loopback_bucket
from tests.command import Done, run, surroundings
from tests.engines import sail_address
from tests.small import ROOT, hash_outputs

pytestmark = wide


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with loopback_bucket() as address, patch.dict(os.environ, COMMONGROUND_CACHE=str(tmp_path_factory.mktemp("cache"))):
        yield address


@pytest.fixture(scope="module")
def published(address: str, built_furlough: Path) -> str:
    """The address of a store that the command line built in the bucket, with a worker process."""
    with patch.object(building, "MIN_SHARED_NAMES", 2):
        done = run("build", store=address, project=built_furlough / "project")
    assert done.returncode == 0, done.stderr
    assert f"Index    {address}/out/index.html" in done.stdout
    assert f"Published {address} (build 1)" in done.stderr
    return address


def read_mark(address: str) -> bytes:
    stored = open_bucket(address).read(MARK)
    assert stored
    return stored.content


def ask(*words: str, store: str, built: Path) -> Done:
    done = run(*words, store=store, project=built / "project")
    assert done.returncode == 0, done.stderr
    return done


def test_outputs_equal_those_of_a_directory(published: str, built_furlough: Path, tmp_path: Path) -> None:
    bucket, local = open_bucket(published), hash_outputs(built_furlough / "store")
    assert len(local) > 10
    files = read_edition(bucket).files
    assert {name: files[name].sha256 for name in local} == local
    outputs = {name: sha256 for name, sha256 in local.items() if name.startswith("out/")}
    copies = {name: tmp_path / str(number) for number, name in enumerate(outputs)}
    bucket.download(copies)
    assert {name: hash_file(path) for name, path in copies.items()} == outputs


@pytest.mark.parametrize("engine", ["duckdb", "sail"])
def test_answers_of_an_engine_in_a_bucket_equal_those_of_a_directory(
    published: str, built_furlough: Path, tmp_path: Path, engine: str
) -> None:
    bucket = open_bucket(published)
    files = read_edition(bucket).files
    answers = {name: file for name, file in files.items() if Path(name).parent.name in ANSWER_TABLES}
    assert len(answers) == len(ANSWER_TABLES)
    with open_view(bucket, tmp_path) as view:
        for name in answers:
            (view.home / name).unlink()
        publish_view(view)
    assert not answers.keys() & read_edition(bucket).files.keys()
    with sail_address() if engine == "sail" else nullcontext("duckdb") as server:
        words = ("build", "--engine", server, "--engine-rows", "0", "--profile")
        done = ask(*words, store=published, built=built_furlough)
    files, local = read_edition(bucket).files, hash_outputs(built_furlough / "store")
    assert {name: files[name].sha256 for name in answers} == {name: file.sha256 for name, file in answers.items()}
    assert {name: files[name].sha256 for name in local} == local
    assert not [name for name in files if name.startswith("engine/")]
    assert server in done.stdout and "Published" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("sql", "select * from problem.furlough order by all", "--format", "csv"),
        ("gaps", "furlough", "--format", "csv"),
        ("list", "sources", "--format", "csv"),
        ("explain", "furlough", "Merton", "furloughed_employments"),
    ],
)
def test_commands_read_the_same_from_a_bucket(published: str, built_furlough: Path, words: tuple[str, ...]) -> None:
    here = ask(*words, store=str(built_furlough / "store"), built=built_furlough)
    assert ask(*words, store=published, built=built_furlough).stdout == here.stdout


def test_second_build_publishes_nothing(published: str, built_furlough: Path) -> None:
    before = read_edition(open_bucket(published))
    done = ask("build", store=published, built=built_furlough)
    assert "Nothing has changed" in done.stdout
    assert read_edition(open_bucket(published)).files == before.files


def test_build_is_refused_where_another_was_published_meanwhile(
    published: str, built_furlough: Path, tmp_path: Path
) -> None:
    bucket = open_bucket(published)
    before = read_edition(bucket).files
    with open_view(bucket, tmp_path) as view:
        (view.home / "snapshots" / "note").write_bytes(b"of the other build")

        def publish_first(*_: object) -> str:
            publish_view(view)
            return ""

        with patch("pipelines.app.console.publish_store", publish_first):
            # On another day a build writes the index page again.
            done = run("build", "--as-of", "2026-11-25", store=published, project=built_furlough / "project")
    assert done.returncode == 1
    assert "another build was published while this one ran; nothing of this one was published" in done.stderr
    after = read_edition(bucket).files
    assert len(before) > 50 and {**before, "snapshots/note": after["snapshots/note"]} == after


def test_second_build_is_refused_early_and_a_killed_one_is_no_obstacle(published: str, built_furlough: Path) -> None:
    address = f"{published}3"
    command = [sys.executable, "-m", "pipelines.app.cli", "build"]
    where = {**surroundings(Path("x"), built_furlough / "project"), "COMMONGROUND_STORE": address}
    with subprocess.Popen(command, env=where, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout and process.stdout.read(1)
        second = run("build", store=address, project=built_furlough / "project")
        process.send_signal(signal.SIGKILL)
    assert second.returncode == 1 and not second.stdout
    assert "another command has been changing this store since 20" in second.stderr
    assert second.stderr.count("\n") == 1
    assert read_edition(open_bucket(address)).build == 0
    with mark_build(open_bucket(address)):
        assert json.loads(read_mark(address))["process"] == os.getpid()


def test_dagster_refuses_a_bucket_with_one_sentence(published: str, built_furlough: Path) -> None:
    done = run("ui", store=published, project=built_furlough / "project")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "need a directory" in done.stderr
