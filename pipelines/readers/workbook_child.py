"""The process that opens workbooks, separate from the main process, so a hostile workbook ends only this process.

It runs by its path and imports nothing from the project, so it starts quickly. It communicates through standard input
and output: each message is a line of JSON, followed by as many bytes as its `size`. A request has `open` (a workbook
follows), or `sheet` and `rows`. A response has `sheets` (their names), `error`, or neither (a sheet follows, as Arrow).
"""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

READ_FAULTS = (fastexcel.FastExcelError, ValueError, pl.exceptions.PolarsError, MemoryError)


def main() -> None:
    """Answer requests until the input ends."""
    book: Any = None
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        answer: dict[str, Any] = {}
        content = sys.stdin.buffer.read(request.get("size", 0))
        try:
            if "open" in request:
                book = None
                _limit_resources(request["memory"], request["seconds"])
                book = fastexcel.read_excel(content)
                answer, content = {"sheets": book.sheet_names}, b""
            else:
                content = _encode_sheet(book, request["sheet"], request["rows"])
        except READ_FAULTS as error:
            answer, content = {"error": " ".join(str(error).partition("Context:")[0].split()) or "too large"}, b""
        sys.stdout.buffer.write(json.dumps({**answer, "size": len(content)}).encode() + b"\n" + content)
        sys.stdout.buffer.flush()


def _encode_sheet(book: Any, name: str, rows: int | None) -> bytes:
    """Return a sheet as text, with blanks as "", as an Arrow stream."""
    sheet = book.load_sheet(name, header_row=None, skip_rows=0, n_rows=rows, dtypes="string")
    text = sheet.to_polars().select(pl.all().cast(pl.String).fill_null("").str.strip_chars())
    out = io.BytesIO()
    text.write_ipc_stream(out)
    return out.getvalue()


def _limit_resources(memory: int, seconds: int) -> None:
    """Limit this process to some bytes beyond its current memory, and to some seconds.

    The time is processor time: on a busy machine a workbook takes longer to read.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):  # some systems have no such limits
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        now = int(status.partition("VmData:")[2].split()[0]) * 1_024
        resource.setrlimit(resource.RLIMIT_DATA, (now + memory, most))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, longest = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + seconds + 1, longest))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
