"""Retries of a request: when, after which wait and within which limits."""

import time
from functools import partial

import stamina

from pipelines.fetch import snapshot_log as keeping
from pipelines.fetch.http import download_file
from pipelines.fetch.response import Answer, Refusal, Request
from pipelines.fetch.snapshot_log import Job


def download_with_retries(job: Job, request: Request) -> Answer:
    """Download a file with retries, after growing waits or the wait that the publisher states."""
    limits = request.limits
    retrying = stamina.RetryingCaller(limits.attempts, limits.seconds, limits.wait, 8 * limits.wait, limits.wait)
    return retrying(partial(_decide_retry, request), _attempt_download, job, request)


def _attempt_download(job: Job, request: Request) -> Answer:
    """Make one attempt; log a refusal, so that the source's history includes it."""
    try:
        return download_file(request)
    except Refusal as error:
        keeping.log_failure(job, str(error), request.url, error.status)
        raise


def _decide_retry(request: Request, error: Exception) -> bool | float:
    """Return whether to try again, or the wait in seconds; False where the wait would pass the deadline."""
    if not isinstance(error, Refusal) or not error.again:
        return False
    left = request.deadline - time.monotonic()
    if (request.limits.wait if error.wait is None else error.wait) >= left:
        return False
    return True if error.wait is None else error.wait
