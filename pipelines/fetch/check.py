"""Check of a road: one request to the publisher, without storing anything."""

import csv
import io
import os
import time
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import urlencode

from pipelines.core.errors import FetchError
from pipelines.declarations.endpoint import NOMIS_KEY, Nomis
from pipelines.declarations.source import Source
from pipelines.fetch.apis import plan_nomis
from pipelines.fetch.contents import validate_format
from pipelines.fetch.discover import AssembledFile, FetchPlan, FileAddress, FileList, PlanEnd, build_reply_error
from pipelines.fetch.filesystems import is_file_address, read_file_address
from pipelines.fetch.http import download_file
from pipelines.fetch.resolve import apply_step, build_plan
from pipelines.fetch.response import Answer, Limits, Request
from pipelines.fetch.snapshot_log import describe_manual_route
from pipelines.fetch.urls import redact_address

CHECK_LIMITS = Limits(attempts=1)


class RoadCheck(NamedTuple):
    """Result of a check: whether the road works, a message, the newest file named there, and the file itself.

    `content` is the whole file where one request returns it, else empty.
    """

    source: str
    result: Literal["works", "fails", "no_road"]
    detail: str
    newest: str = ""
    content: bytes = b""


def check_road(name: str, source: Source, limits: Limits = CHECK_LIMITS) -> RoadCheck:
    """Make the first request of a source's road and check the shape of the answer; store nothing."""
    if not source.is_refreshable:
        return RoadCheck(name, "no_road", describe_manual_route(name, source))
    until = time.monotonic() + limits.seconds
    request = Request(name, source.url or "", source.format, source.page, limits, until)
    try:
        return _check_first_answer(name, source, request)
    except FetchError as error:
        text = str(error)
        return RoadCheck(name, "fails", text if text.startswith(f"{name}: ") else f"{name}: {text}")


def _check_first_answer(name: str, source: Source, request: Request) -> RoadCheck:
    if is_file_address(request.url):
        file = read_file_address(request)
        validate_format(request, file.content)
        return RoadCheck(name, "works", f"{name}: {file.name}", file.name, file.content)
    nomis = source.fetch.nomis if source.fetch else None
    plan = _plan_newest_row(nomis) if nomis else build_plan(source)
    end = _send_first_answer(plan, request, download_file)
    if isinstance(end, FileAddress) and source.url:
        answer = download_file(request)
        validate_format(request, answer.content)
        return RoadCheck(name, "works", f"{name}: {len(answer.content):,} bytes", "", answer.content)
    if isinstance(end, FileAddress):
        return RoadCheck(name, "works", f"{name}: found {redact_address(end.url)}", end.label)
    if isinstance(end, FileList):
        newest = end.files[-1].label if end.files else ""
        return RoadCheck(name, "works", f"{name}: found {len(end.files):,} files", newest)
    if isinstance(end, AssembledFile):
        whole = b"" if nomis else end.content
        return RoadCheck(name, "works", f"{name}: the answer has the expected shape", _first_cell(end, nomis), whole)
    return RoadCheck(name, "works", f"{name}: the first of several answers has the expected shape")


def _send_first_answer(plan: FetchPlan, request: Request, download: Callable[[Request], Answer]) -> PlanEnd | None:
    """Return the end of a plan after its first request; None where it needs more requests."""
    try:
        step = next(plan)
        plan.send(download(apply_step(request, step)).content)
    except StopIteration as end:
        result: PlanEnd = end.value
        return result
    return None


def _plan_newest_row(api: Nomis) -> FetchPlan:
    """Request one row of the newest period of a Nomis table, with the columns of the road."""
    newest = {name: ("latest",) if name in ("date", "time") else values for name, values in api.query.items()}
    plan = plan_nomis(api.model_copy(update={"query": newest}), bool(os.environ.get(NOMIS_KEY)))
    next(plan)
    step = plan.send(b"{}")
    address = step.url.partition("&recordlimit=")[0]
    here = f"{address}&{urlencode({'recordlimit': '1', 'recordoffset': '0'})}"
    content = yield step._replace(url=here)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig", errors="replace"))))
    lacking = [name for name in api.select if not rows or name not in rows[0]]
    if lacking:
        raise build_reply_error(here, f"found no column {lacking[0]}; correct select in the declaration")
    return AssembledFile(here, content)


def _first_cell(file: AssembledFile, api: Nomis | None) -> str:
    """Return the period of the only row of a Nomis answer."""
    if not api:
        return ""
    row = next(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig", errors="replace"))))
    return row.get("DATE") or row.get("DATE_NAME") or ""
