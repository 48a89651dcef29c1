"""Errors carry a stable code and a message that may be shown, and nothing they were given can change them."""

from jobwire.domain.errors import JobError, JobwireError, RequestError


def test_an_error_is_its_code_message_and_a_copy_of_its_details() -> None:
    details = {"limit": 5}
    error = JobError("too_many_pages", "6 pages, at most 5.", retryable=True, details=details, retry_after_ms=9)
    details["limit"] = 6
    assert (error.code, error.message, error.details) == ("too_many_pages", "6 pages, at most 5.", {"limit": 5})
    assert (error.retryable, error.retry_after_ms, str(error)) == (True, 9, "6 pages, at most 5.")
    assert repr(error) == "JobError('too_many_pages', '6 pages, at most 5.')"


def test_a_job_s_failure_and_a_refused_call_are_told_apart() -> None:
    refusal = RequestError("rate_limited", "Wait.", retry_after_s=3)
    assert refusal.retry_after_s == 3 and refusal.details == {}
    assert isinstance(refusal, JobwireError) and not isinstance(refusal, JobError)
    assert JobError("x", "y").retryable is False
