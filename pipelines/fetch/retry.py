"""When a request is repeated, after how long, and within which limits."""

import time
from functools import partial

import stamina

from pipelines.fetch import snapshot_log as keeping
from pipelines.fetch.http import download
from pipelines.fetch.response import Answer, Refusal, Wanted
from pipelines.fetch.snapshot_log import Job


def ask_with_retries(job: Job, wanted: Wanted) -> Answer:
    """Ask, and ask again where that may help, with growing waits or as long as the publisher says."""
    limits = wanted.limits
    retrying = stamina.RetryingCaller(limits.attempts, limits.seconds, limits.wait, 8 * limits.wait, limits.wait)
    return retrying(partial(_again, wanted), _attempt, job, wanted)


def _attempt(job: Job, wanted: Wanted) -> Answer:
    """Ask once; a refusal goes into the log, so that the history of a source tells of it."""
    try:
        return download(wanted)
    except Refusal as error:
        keeping.log_failure(job, str(error), wanted.url, error.status)
        raise


def _again(wanted: Wanted, error: Exception) -> bool | float:
    """Say whether to ask again, and when: not at all where the wait would outlast the time there is."""
    if not isinstance(error, Refusal) or not error.again:
        return False
    left = wanted.until - time.monotonic()
    if (wanted.limits.wait if error.wait is None else error.wait) >= left:
        return False
    return True if error.wait is None else error.wait
