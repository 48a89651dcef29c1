"""What somebody knows who waits for a job: its newest state, when it may be asked for again, how long it failed."""

from dataclasses import dataclass

from jobwire.client.answers import find_fault, read_retry_after, read_value
from jobwire.client.errors import BadAnswer, ClientError, WaitTimeout
from jobwire.client.models import Job
from jobwire.client.retrying import JITTER, Session, is_passing, retry_after_of
from jobwire.client.steps import Answer, Cut, Flow, Pause, Request, Show

# Never more often than the first; where a server says nothing, polls become rarer while nothing changes.
POLL_FIRST_S, POLL_LONGEST_S = 1.0, 10.0
_POLL_GROWTH = 1.5


@dataclass(slots=True)
class Watch:
    """One wait for one job; moments are those of the session's clock.

    `hinted_until` is what the last poll's Retry-After asked for and ends with the job's news; `refused_until` is what
    a refusal asked for, or our own pause after a failure, and holds for everything.
    """

    job_id: str
    session: Session
    deadline: float
    is_shown: bool = False
    seen: Job | None = None
    etag: str | None = None
    hinted_until: float = 0.0
    refused_until: float = 0.0
    has_asked: bool = False
    failures: int = 0
    failing_since: float = 0.0
    fault: ClientError | None = None
    poll_s: float = POLL_FIRST_S
    shown: Job | None = None

    @property
    def left_s(self) -> float:
        """The seconds that are left to wait."""
        return self.deadline - self.session.clock()

    def rest(self, *, is_poll: bool = True) -> Flow[None]:
        """Pauses until the next request is allowed; WaitTimeout at the deadline, not earlier even if all is said.

        The caller's next wait would not know of the server's Retry-After, so what is left of this one is kept.
        """
        until = max(self.refused_until, self.hinted_until if is_poll else 0.0)
        is_late = self.has_asked and max(until, self.session.clock()) >= self.deadline
        moment = min(until, self.deadline)
        while (left_s := moment - self.session.clock()) > 0:
            yield Pause(left_s)
        if is_late:
            known = "it was never reached" if self.seen is None else f"it is {self.seen.phase}"
            message = f"the time to wait for {self.job_id} is over; {known}, and the job goes on"
            raise WaitTimeout(message, job=self.seen) from self.fault

    def ask(self, *, wait_s: int = 0) -> Request:
        """The request for the job's state: held by the server for `wait_s`, or answered 304 if we know it."""
        # A preference: a server that does not know it passes over it (RFC 7240), and one that does says so.
        wish = (("prefer", f"wait={wait_s}"),) if wait_s else ()
        known = (("if-none-match", self.etag),) if self.etag is not None and not wait_s else ()
        return Request("GET", f"/jobs/{self.job_id}", headers=wish + known)

    def take(self, told: Answer | Cut) -> Job | None:
        """The newest state known after this answer; None after a failure that may pass. Raises any other."""
        self.has_asked = True
        fault = find_fault(told)
        if fault is not None:
            self.fail(told, fault)
            return None
        assert isinstance(told, Answer)
        self.succeed()
        known = self.seen
        if told.status == 304:
            if known is None:
                raise BadAnswer("the server answered 304 although nothing was known of the job")
        else:
            self.learn(read_value(told, Job), etag=told.headers.get("etag"))
        self.hinted_until = self.session.clock() + self._next_poll_s(told, has_moved=known != self.seen)
        return self.seen

    def learn(self, job: Job | None, *, etag: str | None = None) -> None:
        """Takes a state for the newest, unless a newer one was seen: another server may lag behind."""
        if job is not None and (self.seen is None or job.is_final or job.version >= self.seen.version):
            self.seen, self.etag = job, etag

    def _next_poll_s(self, answer: Answer, *, has_moved: bool) -> float:
        asked_s = read_retry_after(answer.headers)
        if asked_s is None:
            self.poll_s = POLL_FIRST_S if has_moved else min(self.poll_s * _POLL_GROWTH, POLL_LONGEST_S)
            asked_s = self.poll_s
        return max(POLL_FIRST_S, asked_s) * (1 + JITTER * self.session.draw())

    def fail(self, told: Answer | Cut, fault: ClientError) -> None:
        """Counts a failure and pauses everything for it; raises it if it will not pass or lasts too long."""
        now = self.session.clock()
        self.failing_since = now if self.failures == 0 else self.failing_since
        self.failures += 1
        self.fault = fault
        if not is_passing(told, fault) or now - self.failing_since > self.session.retries.outage_s:
            raise fault
        self.pause(retry_after_of(fault), failures=self.failures)

    def pause(self, asked_s: float, *, failures: int) -> None:
        """Allows nothing before so many seconds, and our own pause after that many failures, are over."""
        self.refused_until = self.session.clock() + self.session.pause_s(asked_s, failures=failures)

    def succeed(self) -> None:
        """Ends a row of failures."""
        self.failures, self.fault = 0, None

    def show(self) -> Flow[None]:
        """Hands what is known to the caller, if it is asked for and news."""
        if self.is_shown and self.seen is not None and self.seen != self.shown:
            self.shown = self.seen
            yield Show(self.seen)
