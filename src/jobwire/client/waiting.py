"""Waits for a job: three ways, each tried when the one before is not there. The ways: polling.py, streaming.py."""

from jobwire.client.models import Job
from jobwire.client.polling import hold, poll
from jobwire.client.steps import Flow
from jobwire.client.streaming import STREAM_SILENCE_S, follow
from jobwire.client.watching import Watch


def wait_for_end(watch: Watch) -> Flow[Job]:
    """The final job; WaitTimeout at the deadline.

    Somebody who looks on gets no stream in between: it tells nothing of the position.
    """
    yield from watch.show()
    job = yield from hold(watch)
    if job is not None:
        return job
    if not watch.is_shown and watch.left_s >= STREAM_SILENCE_S and (yield from follow(watch)):
        if watch.seen is not None and watch.seen.is_final:
            return watch.seen
        # The server has said that the job ended; what its polls said before of the next one is void.
        watch.hinted_until = 0.0
    job = yield from poll(watch)
    assert job is not None, "polls without an end only end with the job's"
    return job
