"""The line of progress: on a terminal only, one line, and nothing in it that moves the cursor."""

import io

import pytest

from jobwire.client.bar import describe, open_bar
from jobwire.client.models import Estimate, Failure, Job, Progress


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


RUNNING = Job(id="job_1", phase="running", progress=Progress(percent=50, stage="write", done=5, total=10))

SAID = [
    (RUNNING, ["running", "############------------", "50.0 %", "5/10", "write"]),
    (Job(id="job_1", phase="waiting", position=3), ["waiting", "0.0 %", "3 ahead"]),
    (Job(id="job_1", phase="completed", progress=Progress(percent=80)), ["completed", "100.0 %"]),
    (Job(id="job_1", phase="failed", error=Failure(code="no", message="No room.")), ["failed", "No room."]),
    (Job(id="job_1", phase="running", estimate=Estimate(ends_in_p50_s=12.4)), ["ends in about 12 s"]),
    (Job(id="job_1", phase="running", progress=Progress(percent=900)), ["100.0 %"]),
]


@pytest.mark.parametrize(("job", "parts"), SAID)
def test_a_job_is_said_in_one_line(job: Job, parts: list[str]) -> None:
    line = describe(job)
    assert [part for part in parts if part not in line] == []
    assert "\n" not in line


def test_somebodys_message_cannot_move_the_cursor() -> None:
    line = describe(Job(id="job_1", phase="running", progress=Progress(message="a\x1b[2Jb\r\nc\u202e")))
    assert line.isprintable()
    assert "a?[2Jb??c?" in line


def test_a_terminal_gets_a_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = Screen()
    with open_bar(is_wanted=True, out=screen) as bar:
        assert bar is not None
        bar(Job(id="job_1", phase="waiting"))
        bar(RUNNING)
    shown = screen.getvalue()
    assert shown.count("\r\x1b[K") == 2
    assert shown.endswith("\n") and shown.count("\n") == 1
    assert all(len(line) < 40 for line in shown.rstrip().replace("\x1b[K", "").split("\r"))


@pytest.mark.parametrize(("screen", "is_wanted"), [(io.StringIO(), True), (Screen(), False)])
def test_nothing_is_shown_where_nobody_looks_or_wants_it(screen: io.StringIO, is_wanted: bool) -> None:
    with open_bar(is_wanted=is_wanted, out=screen) as bar:
        assert bar is None
    assert screen.getvalue() == ""


def test_a_wait_that_is_over_at_once_leaves_no_empty_line() -> None:
    screen = Screen()
    with open_bar(is_wanted=True, out=screen):
        pass
    assert screen.getvalue() == ""
