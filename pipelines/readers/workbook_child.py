"""The process that opens workbooks, beside the one that asks: a workbook made to kill ends this one alone.

Runs by its path and imports nothing of the project, so that it starts soon. Speaks on its standard input and output:
each message is a line of JSON, and as many bytes as its `size` says. A request has `open` (a workbook follows),
or `sheet` and `rows`; an answer has `sheets` (their names), nothing more (a sheet follows, as Arrow), or `error`.
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
    """Answer requests until there are no more."""
    book: Any = None
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        answer: dict[str, Any] = {}
        content = sys.stdin.buffer.read(request.get("size", 0))
        try:
            if "open" in request:
                book = None
                _limit(request["memory"], request["seconds"])
                book = fastexcel.read_excel(content)
                answer, content = {"sheets": book.sheet_names}, b""
            else:
                content = _sheet(book, request["sheet"], request["rows"])
        except READ_FAULTS as error:
            answer, content = {"error": " ".join(str(error).partition("Context:")[0].split()) or "too large"}, b""
        sys.stdout.buffer.write(json.dumps({**answer, "size": len(content)}).encode() + b"\n" + content)
        sys.stdout.buffer.flush()


def _sheet(book: Any, name: str, rows: int | None) -> bytes:
    """Give a sheet as text, blanks as "", as an Arrow stream."""
    sheet = book.load_sheet(name, header_row=None, skip_rows=0, n_rows=rows, dtypes="string")
    text = sheet.to_polars().select(pl.all().cast(pl.String).fill_null("").str.strip_chars())
    out = io.BytesIO()
    text.write_ipc_stream(out)
    return out.getvalue()


def _limit(memory: int, seconds: int) -> None:
    """Take no more memory than some bytes beyond what this process has now, and no more time than some seconds.

    The time is that of the processor: on a machine at work a workbook takes longer, and is no worse for it.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):  # systems without such limits go without
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        now = int(status.partition("VmData:")[2].split()[0]) * 1_024
        resource.setrlimit(resource.RLIMIT_DATA, (now + memory, most))
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, longest = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, longest))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
