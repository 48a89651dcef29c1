"""A ledger that is away fills no log."""

import logging

import pytest

from jobwire.domain.errors import RequestError
from jobwire.store.complaints import COMPLAIN_S, Complaints

SAID = "job %d is not settled: %s"


@pytest.fixture
def logger() -> logging.Logger:
    return logging.getLogger("jobwire.test")


def test_what_repeats_is_said_at_once_and_then_with_how_often(logger, caplog):
    now_s = [100.0]
    complaints = Complaints(logger, lambda: now_s[0])
    for at_s in (0.0, 0.1, COMPLAIN_S - 0.1, COMPLAIN_S, COMPLAIN_S + 1):
        now_s[0] = 100.0 + at_s
        complaints.say(SAID, int(at_s), "full")
    assert [record.getMessage() for record in caplog.records] == [
        "job 0 is not settled: full",
        "job 10 is not settled: full (and 2 times since it was last said)",
    ]


def test_another_message_is_not_kept_back(logger, caplog):
    complaints = Complaints(logger, lambda: 0.0)
    complaints.say("the disk is full")
    complaints.say("the heart stands still")
    assert len(caplog.records) == 2


@pytest.mark.parametrize(("error", "is_shown"), [(RequestError("unavailable", "full"), False), (KeyError("x"), True)])
def test_only_what_nobody_raised_on_purpose_has_its_traceback(logger, caplog, error, is_shown):
    Complaints(logger).say("failed: %s", error, error=error)
    assert (caplog.records[0].exc_info is not None) is is_shown
