"""A build that repeats the last one: recognised by the state of every file, without reading a declaration or a table.

    repeated.json    in the store: the state in which a build had nothing to do, and the summary that it printed

The state has the size and times of each file of the program, the declarations, the bundled releases and the store, the
day of the build and the current day. After any edit, release, output or day, a build looks at all tables again. A file
that a command writes for itself alone, such as the list of sources, is left out.
"""

import json
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.app.file_states import hash_program, hash_states
from pipelines.app.printed_summary import NOTHING_CHANGED, Summary, print_summary
from pipelines.app.store_access import open_home
from pipelines.core.clock import current_date
from pipelines.core.object_store import is_bucket_address
from pipelines.core.paths import project_directory, store_setting
from pipelines.declarations.project import command_day
from pipelines.fetch import list_channels

if TYPE_CHECKING:
    from pipelines.declarations.project import Project

_PROJECT_FOLDERS = ("sources", "pipelines/problems")
_PROJECT_FILES = ("pipelines/partnerships.yaml",)
_STORE_FOLDERS = ("state", "ledger", "snapshots", "out")
_STORE_FILES = ("layout.json", "outputs.json")


def describe_command_state(store: str | None, as_of: datetime | None) -> str:
    """Return the state of the project and store of a command; blank where it is not comparable.

    That is a store in a bucket, files that cannot be listed, or notices that are to be sent.
    """
    if is_bucket_address(store or store_setting()) or list_channels():
        return ""
    with suppress(OSError):
        return describe_state(project_directory(), open_home(store), command_day(as_of))
    return ""


def describe_state(root: Path, home: Path, day: date) -> str:
    """Return the state of a project, its store and the program: all that a build rests on, on a day."""
    parts = [
        *(root / name for name in (*_PROJECT_FOLDERS, *_PROJECT_FILES)),
        *(home / name for name in (*_STORE_FOLDERS, *_STORE_FILES)),
    ]
    return f"{day} {current_date()} {hash_program()} {hash_states(parts)}"


def print_repeated_build(store: str | None, state: str, console: Console) -> bool:
    """Print what a build in this state prints, and return whether it is recorded. A blank state is in no record."""
    if not state:
        return False
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        record = json.loads(_record_path(open_home(store)).read_bytes())
        if record["state"] == state:
            summary = Summary(**record["summary"])
            console.print(NOTHING_CHANGED)
            print_summary(summary, console)
            return True
    return False


def record_repeated_build(project: "Project", state: str, summary: Summary) -> None:
    """Record that a build in a state had nothing to do, and what it printed.

    A project with a declaration that is not read, or with partitioned tables, prints more: it has no record.
    """
    # Imported late, because they load Polars: a repeated build needs no table.
    from pipelines.core.store import write_atomically
    from pipelines.outputs import has_partitioned_tables

    if project.catalogue.list_refusals() or has_partitioned_tables(project.home):
        return
    content = json.dumps({"state": state, "summary": summary._asdict()}, ensure_ascii=False)
    with suppress(OSError):  # the store of another user
        write_atomically(_record_path(project.home), content.encode())


def _record_path(home: Path) -> Path:
    return home / "repeated.json"
