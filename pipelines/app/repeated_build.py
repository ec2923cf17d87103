"""A build that repeats the last one: recognised by the state of every file, without reading a declaration or a table.

    repeated.json    in the store: the state after a build, in which the next has nothing to do, and what that prints

The state has the size and times of each file of the program, the declarations, the bundled releases and the store, the
day of the build and the current day. After any edit, release, output or day, a build looks at all tables again. A file
that a command writes for itself alone, such as the list of sources, is left out.
"""

import json
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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


class CommandState(NamedTuple):
    """State of what a build reads, with its day and the current day, and the state of its store."""

    inputs: str
    store: str


def describe_command_state(store: str | None, as_of: datetime | None) -> CommandState | None:
    """Return the state of the project and store of a command; null where it is not comparable.

    That is a store in a bucket, files that cannot be listed, or notices that are to be sent.
    """
    if is_bucket_address(store or store_setting()) or list_channels():
        return None
    with suppress(OSError):
        return describe_state(project_directory(), open_home(store), command_day(as_of))
    return None


def describe_state(root: Path, home: Path, day: date) -> CommandState:
    """Return the state of a project and the program, and of its store: all that a build rests on, on a day."""
    declared = hash_states(root / name for name in (*_PROJECT_FOLDERS, *_PROJECT_FILES))
    stored = hash_states(home / name for name in (*_STORE_FOLDERS, *_STORE_FILES))
    return CommandState(f"{day} {current_date()} {hash_program()} {declared}", stored)


def print_repeated_build(store: str | None, state: CommandState | None, console: Console) -> bool:
    """Print what a build in this state prints, and return whether it is recorded."""
    if state is None:
        return False
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        record = json.loads(_record_path(open_home(store)).read_bytes())
        if CommandState(**record["state"]) == state:
            summary = Summary(**record["summary"])
            console.print(NOTHING_CHANGED)
            print_summary(summary, console)
            return True
    return False


def write_repeated_build(project: "Project", state: CommandState, summary: Summary) -> None:
    """Write that a build in a state has nothing to do, and what it prints."""
    # Imported late, because it loads Polars: a repeated build needs no table.
    from pipelines.core.store import write_atomically

    content = json.dumps({"state": state._asdict(), "summary": summary._asdict()}, ensure_ascii=False)
    with suppress(OSError):  # the store of another user
        write_atomically(_record_path(project.home), content.encode())


def _record_path(home: Path) -> Path:
    return home / "repeated.json"
