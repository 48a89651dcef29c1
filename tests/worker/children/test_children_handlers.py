"""A whole job in a child: its Context asks the worker and gets the same answers as in the worker itself."""

import asyncio
import logging

import pytest
from child_desk import Desk

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import SNOOZE_S_MAX, Cancelled, Snooze
from jobwire.worker.channel import LOG_CHARS_MAX
from jobwire.worker.children import ChildRaised, Children


def run_handler(name, desk=None, **given):
    desk = desk or Desk()

    async def run():
        async with Children(preload=("child_targets",), grace_ms=200) as children:
            return await desk.run(children, name, **given)

    return asyncio.run(run())


def asked(desk, op):
    return [value for asked_op, value in desk.asked if asked_op == op]


def test_every_method_of_the_context_reaches_the_worker(caplog, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    desk = Desk()
    with caplog.at_level(logging.WARNING, "jobwire.job"):
        output = run_handler("use_everything", desk, rows=5)
    assert output == (
        '{"facts":["job_kkkkkkkkkkkkkkkkkkkkkkkkkk",7,3,2],"steps":[[5,1],[5,1]],'
        f'"saved":{{"sha256":"{"0" * 64}","name":"made.txt","content_type":"text/plain","size_bytes":1,'
        '"seal":"made by the worker"},'
        '"area":6,"title":"untitled"}'
    )
    assert caplog.messages == ["starting untitled"]
    assert (caplog.records[0].job_id, caplog.records[0].attempt) == ("job_" + "k" * 26, 2)
    assert asked(desk, "progress") == [{"percent": 10, "stage": "read"}]
    assert desk.steps == {"count": "[5,1]"}
    assert asked(desk, "save_file")[0]["source"] == str(tmp_path / "made.txt")


def test_an_async_handler_awaits_the_same_methods():
    output = run_handler("use_everything_later", rows=5)
    assert output.startswith('{"steps":[5,5],') and output.endswith('"area":6}')


def test_a_kept_step_is_not_worked_again():
    desk = Desk(steps={"count": "[9,9]"})
    assert '"steps":[[9,9],[9,9]]' in run_handler("use_everything", desk, rows=5)
    assert asked(desk, "keep_step") == []


def test_a_handler_without_context_takes_its_whole_input():
    assert run_handler("take_whole_object", width=3, height=4) == "3"


def test_an_input_that_does_not_fit_is_refused():
    with pytest.raises(JobError) as caught:
        run_handler("use_everything", rows="many")
    assert caught.value.code == "invalid_input"


def test_progress_reported_often_travels_seldom_and_its_last_word_arrives():
    desk = Desk()
    run_handler("report_often", desk, rows=20_000)
    reports = asked(desk, "progress")
    assert reports[0] == {"stage": "write"}
    assert reports[-1] == {"done": 20_000, "total": 20_000}
    assert len(reports) < 10_000


def test_progress_made_before_a_failure_is_told():
    desk = Desk()
    with pytest.raises(JobError, match=r"Broken\."):
        run_handler("report_then_fail", desk)
    assert asked(desk, "progress")[-1] == {"percent": 42}


def test_threads_of_a_handler_get_each_their_own_answer():
    assert run_handler("ask_from_threads", threads=8) == "8"


def test_a_cancel_reaches_the_handler_at_its_next_check():
    class Cancelling(Desk):
        async def serve(self, op, value):
            self.is_cancelled = op == "check_cancelled" and len(asked(self, "check_cancelled")) > 1
            return await super().serve(op, value)

    with pytest.raises(Cancelled):
        run_handler("wait_for_cancel", Cancelling())


def test_a_snooze_comes_back_with_its_delay():
    with pytest.raises(Snooze) as caught:
        run_handler("postpone")
    assert caught.value.delay_ms == 2_500


def test_writing_to_the_ledger_is_refused_with_the_way_out():
    with pytest.raises(ChildRaised) as caught:
        run_handler("write_ledger")
    assert "ctx.write is not available in a child process" in caught.value.__notes__[0]


class RefusingDesk(Desk):
    def __init__(self, error):
        super().__init__()
        self.error = error

    async def serve(self, op, value):
        raise self.error


def test_a_job_error_of_the_worker_is_raised_inside_the_handler():
    assert run_handler("catch_refusal", RefusingDesk(JobError("no_file_store", "None."))) == '"no_file_store"'


def test_any_other_error_of_the_worker_ends_the_child_and_is_raised_outside():
    with pytest.raises(LookupError, match="lease"):
        run_handler("catch_refusal", RefusingDesk(LookupError("lease")))


def test_a_timeout_inside_the_worker_is_not_taken_for_the_childs():
    with pytest.raises(TimeoutError, match="store"):
        run_handler("catch_refusal", RefusingDesk(TimeoutError("store")))


@pytest.mark.parametrize("delay_s", [0, -1, SNOOZE_S_MAX + 1])
def test_a_snooze_has_the_same_bounds_in_a_child(delay_s):
    with pytest.raises(ChildRaised) as caught:
        run_handler("snooze_for", delay_s=delay_s)
    assert "snooze takes between 0 and" in caught.value.__notes__[0]


def test_the_longest_snooze_of_a_child_is_taken():
    with pytest.raises(Snooze) as caught:
        run_handler("snooze_for", delay_s=SNOOZE_S_MAX)
    assert caught.value.delay_ms == SNOOZE_S_MAX * 1000


def test_what_a_child_says_cannot_fail_it(caplog):
    desk = Desk()
    with caplog.at_level(logging.WARNING, "jobwire.job"):
        assert run_handler("say_oddly", desk) == '"done"'
    assert caplog.messages == ["a name: \\udcff", "x" * LOG_CHARS_MAX]
    assert asked(desk, "progress")[-1] == {"percent": 5, "message": "\\udcff"}
