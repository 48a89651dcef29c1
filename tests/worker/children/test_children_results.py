"""What goes into a child and what comes back."""

import asyncio
import os
import sys
import traceback

import msgspec
import pytest

import jobwire.worker.child as child_module
from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits
from jobwire.kinds.schema import OUTPUT_BYTES_MAX
from jobwire.worker.channel import MESSAGE_BYTES_MAX, Done, pack
from jobwire.worker.children import ChildRaised, Children
from jobwire.worker.invocation import target_of

ENVELOPE_BYTES = len(msgspec.json.encode(Done(msgspec.Raw(b'""'))))


def test_argument_and_result_travel_as_json_by_the_functions_annotations(run_child):
    assert run_child("measure_area", {"width": 6000, "height": 4000}) == {"pixels": 24_000_000}


def test_an_async_function_runs_as_well(run_child):
    assert run_child("double_later", 21) == 42


@pytest.mark.parametrize("value", [None, "", "line\nbreak", [], {"a": [1, {"b": None}]}, "é😀\u0000", 2**53])
def test_json_values_come_back_as_they_went(run_child, value):
    assert run_child("echo", value) == value


def test_a_job_error_comes_back_as_itself(run_child):
    with pytest.raises(JobError) as caught:
        run_child("refuse", 3)
    error = caught.value
    assert (error.code, error.message, error.retryable) == ("too_dark", "The photo is too dark.", True)
    assert (error.details, error.retry_after_ms) == ({"value": 3}, 5)


def test_an_unexpected_exception_tells_the_operator_all_and_the_customer_nothing(run_child):
    with pytest.raises(ChildRaised) as caught:
        run_child("fail", "the secret")
    assert "secret" not in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    assert "KeyError: 'the secret'" in told and "child_targets.py" in told


@pytest.mark.parametrize(
    "name, argument",
    [("leave", 0), ("refuse_with_odd_details", 1), ("take_two", 1), ("no_such_function", 1), ("MIB", 1)],
)
def test_what_a_function_must_not_do_is_an_exception_of_its_own(run_child, name, argument):
    with pytest.raises(ChildRaised):
        run_child(name, argument)


def test_an_argument_that_does_not_fit_names_the_place(run_child):
    with pytest.raises(JobError) as caught:
        run_child("measure_area", {"width": 1, "height": "tall"})
    assert caught.value.code == "invalid_input" and "$.height" in caught.value.message
    assert not caught.value.retryable


def test_an_argument_that_is_no_json_is_refused():
    async def run():
        async with Children() as children:
            await children.run("child_targets:echo", "{not json", limits=ChildLimits())

    with pytest.raises(JobError, match="does not fit"):
        asyncio.run(run())


def test_a_result_that_is_no_json_is_refused(run_child):
    with pytest.raises(JobError) as caught:
        run_child("return_object", 1)
    assert caught.value.code == "output_invalid"


def test_a_result_of_the_largest_size_comes_back_and_one_byte_more_is_refused(run_child):
    assert len(run_child("return_text", OUTPUT_BYTES_MAX - 2)) == OUTPUT_BYTES_MAX - 2
    with pytest.raises(JobError) as caught:
        run_child("return_text", OUTPUT_BYTES_MAX - 1)
    assert caught.value.code == "output_too_large"


def test_a_message_of_the_largest_size_is_packed_and_one_byte_more_is_refused():
    fits = MESSAGE_BYTES_MAX - ENVELOPE_BYTES
    pack(Done(msgspec.Raw(b'"' + b"x" * fits + b'"')))
    with pytest.raises(JobError) as caught:
        pack(Done(msgspec.Raw(b'"' + b"x" * (fits + 1) + b'"')))
    assert caught.value.code == "child_message_too_large"


def test_an_argument_too_large_to_travel_is_refused_and_a_large_one_arrives(run_child):
    assert run_child("ignore", "x" * (MESSAGE_BYTES_MAX - 1000)) is None
    with pytest.raises(JobError) as caught:
        run_child("ignore", "x" * MESSAGE_BYTES_MAX)
    assert caught.value.code == "child_message_too_large"


@pytest.mark.parametrize(
    "target",
    ["", "module", "module:", ":function", "a:b:c", "a:B.method", "a:f.<locals>.g", "a:<lambda>", "a b:c", "../a:b"],
)
def test_only_module_level_functions_can_be_named(target):
    with pytest.raises(ValueError, match=r"package\.module:function"):
        asyncio.run(Children().run(target, "1", limits=ChildLimits()))


def test_a_functions_target_is_its_module_and_name():
    assert target_of(child_module.set_limits) == "jobwire.worker.child:set_limits"
    with pytest.raises(ValueError, match="cannot run in a child process"):
        target_of(lambda value: value)


def test_functions_of_main_need_the_programs_file(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "def triple(n: int) -> int:\n    return 3 * n\n\nif __name__ == '__main__':\n    raise SystemExit\n"
    )

    async def run(main_path):
        async with Children(main_path=main_path) as children:
            return await children.run("__main__:triple", "4", limits=ChildLimits())

    assert asyncio.run(run(str(program))) == "12"
    with pytest.raises(ValueError, match="main_path"):
        asyncio.run(run(None))


def test_a_plain_file_beside_the_program_is_found_through_sys_path(tmp_path, monkeypatch):
    (tmp_path / "plain_app.py").write_text("def answer(n: int) -> int:\n    return n + 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def run():
        async with Children(preload=("plain_app",)) as children:
            return await children.run("plain_app:answer", "1", limits=ChildLimits())

    assert asyncio.run(run()) == "2"


def test_a_module_that_cannot_be_preloaded_does_not_stop_the_others(capfd):
    async def run():
        async with Children(preload=("no_such_module",)) as children:
            return await children.run("child_targets:echo", "1", limits=ChildLimits())

    assert asyncio.run(run()) == "1"
    assert "No module named 'no_such_module'" in capfd.readouterr().err


@pytest.mark.parametrize("end", ["raise ValueError('no settings')", "raise SystemExit(1)"])
def test_a_program_that_cannot_be_imported_does_not_stop_the_other_modules_work(tmp_path, capfd, end):
    program = tmp_path / "app.py"
    program.write_text(f"def triple(n: int) -> int:\n    return 3 * n\n\n{end}\n")

    async def run(target):
        async with Children(main_path=str(program)) as children:
            return await children.run(target, "4", limits=ChildLimits())

    assert asyncio.run(run("child_targets:echo")) == "4"
    assert end.partition("(")[0].removeprefix("raise ") in capfd.readouterr().err
    with pytest.raises(ChildRaised):
        asyncio.run(run("__main__:triple"))


def test_a_preloaded_module_that_starts_threads_is_reported(tmp_path, monkeypatch, capfd):
    (tmp_path / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def run(*preload):
        async with Children(preload=preload) as children:
            return await children.run("child_targets:echo", "1", limits=ChildLimits())

    asyncio.run(run("numpy", "PIL.Image"))
    assert "threads" not in capfd.readouterr().err
    asyncio.run(run("threaded"))
    assert "run 1 threads" in capfd.readouterr().err


def test_a_child_starts_with_limits_few_descriptors_and_a_clean_environment(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")

    async def run():
        async with Children(preload=("child_targets",)) as children:
            return await children.run("child_targets:describe_process", "null", limits=ChildLimits())

    seen = msgspec.json.decode(asyncio.run(run()))
    assert seen["nice"] == os.nice(0) + 10
    assert seen["files"] == child_module.OPEN_FILES_MAX
    assert seen["file_bytes"] == child_module.FILE_BYTES_MAX
    assert seen["core"] == 0
    assert seen["open"] == [0, 1, 2, 3, 4]  # 4 is the listing's own
    assert seen["threads"] == "1"
    assert seen["python_path"] == "/somewhere"
    assert seen["oom_score_adj"] == 1000
    assert seen["leads_group"]
    assert seen["path"] == [entry or os.getcwd() for entry in sys.path]


def test_photo_work_runs_with_its_libraries_preloaded_and_little_memory_on_top():
    async def run():
        async with Children(preload=("numpy", "PIL.Image", "child_targets")) as children:
            limits = ChildLimits(memory_bytes_max=200_000_000)
            return await children.run("child_targets:optimise", "1000", limits=limits)

    assert msgspec.json.decode(asyncio.run(run())) == {"size": [64, 64], "mean": 128.0}
