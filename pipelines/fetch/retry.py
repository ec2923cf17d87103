"""Retries of a request: when, after which wait and within which limits."""

import time
from functools import partial

import stamina

from pipelines.fetch import snapshot_log as keeping
from pipelines.fetch.http import download
from pipelines.fetch.response import Answer, Refusal, Wanted
from pipelines.fetch.snapshot_log import Job


def ask_with_retries(job: Job, wanted: Wanted) -> Answer:
    """Download a file with retries, after growing waits or the wait that the publisher states."""
    limits = wanted.limits
    retrying = stamina.RetryingCaller(limits.attempts, limits.seconds, limits.wait, 8 * limits.wait, limits.wait)
    return retrying(partial(_again, wanted), _attempt, job, wanted)


def _attempt(job: Job, wanted: Wanted) -> Answer:
    """Make one attempt; log a refusal, so that the source's history includes it."""
    try:
        return download(wanted)
    except Refusal as error:
        keeping.log_failure(job, str(error), wanted.url, error.status)
        raise


def _again(wanted: Wanted, error: Exception) -> bool | float:
    """Return whether to try again, or the wait in seconds; False where the wait would pass the deadline."""
    if not isinstance(error, Refusal) or not error.again:
        return False
    left = wanted.until - time.monotonic()
    if (wanted.limits.wait if error.wait is None else error.wait) >= left:
        return False
    return True if error.wait is None else error.wait
