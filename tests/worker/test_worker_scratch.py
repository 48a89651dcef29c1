"""The folders of work under way: gone however it ends, those of a killed process with the next start."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from worker_house import error_of, kind_of, run, working_house
from worker_targets import append, work_in_scratch

from jobwire.blobs.scratch import PREFIX, Scratch, remove_left
from jobwire.domain.phases import Phase
from jobwire.kinds.contract import Context

KILLED = """
import asyncio, sys
from worker_house import run, kind_of, working_house

async def hold(ctx) -> None:
    with ctx.scratch() as folder:
        (folder / "made").write_text("x")
        print(folder, flush=True)
        await asyncio.Event().wait()

async def work():
    async with working_house(kind_of(hold, name="work"), path=sys.argv[1]) as house:
        await house.finish("work")

run(work())
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # On one ledger: nothing here is asked of it.
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def scratch_in_loop(ctx: Context, log: str, dies: bool = False) -> bool:
    with ctx.scratch() as folder:
        append(log, str(folder))
        (folder / "made").write_text("x")
        if dies:
            raise RuntimeError("dies")
        return [path.name for path in folder.iterdir()] == ["made"]


def scratch_in_thread(ctx: Context, log: str, dies: bool = False) -> bool:
    return asyncio.run(scratch_in_loop(ctx, log, dies))


FORMS = pytest.mark.parametrize(
    ("handler", "isolation"), [(scratch_in_loop, "none"), (scratch_in_thread, "none"), (work_in_scratch, "process")]
)


@FORMS
@pytest.mark.parametrize("dies", [False, True])
def test_a_folder_is_there_while_it_is_used_and_gone_at_the_end(handler, isolation, dies, tmp_path, temporary):
    async def look():
        kind = kind_of(handler, name="work", isolation=isolation, attempts=1)
        async with working_house(kind, with_children=isolation == "process") as house:
            row = await house.finish("work", {"log": str(tmp_path / "log"), "dies": dies})
            return row, [path for home in temporary.iterdir() for path in home.iterdir()]

    row, left = run(look())
    assert row.phase is (Phase.FAILED if dies else Phase.COMPLETED), error_of(row)
    assert dies or row.output == "true"
    [used] = (tmp_path / "log").read_text().splitlines()
    assert Path(used).is_relative_to(temporary) and not Path(used).exists()
    assert left == list(temporary.iterdir()) == []


@pytest.mark.slow
def test_what_a_killed_process_leaves_goes_with_the_next_start_and_not_while_it_runs(sqlite_file, temporary):
    command = [sys.executable, "-c", KILLED, str(sqlite_file)]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(temporary)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        assert process.stdout is not None
        used = Path(process.stdout.readline().strip())
        assert remove_left() == 0
        assert (used / "made").exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (used / "made").exists()

    async def start() -> None:
        async with working_house(kind_of(scratch_in_loop, name="work")) as house:
            await house.finish("work", {"log": str(temporary.parent / "log")})

    run(start())
    assert list(temporary.iterdir()) == []


def test_only_folders_of_workers_are_removed(tmp_path, temporary):
    (tmp_path / "precious").mkdir()
    (temporary / f"{PREFIX}link").symlink_to(tmp_path / "precious")
    (temporary / f"{PREFIX}file").touch()
    (temporary / "other").mkdir()
    (temporary / f"{PREFIX}left").mkdir()
    assert remove_left() == 1
    assert sorted(path.name for path in temporary.iterdir()) == [f"{PREFIX}file", f"{PREFIX}link", "other"]
    assert (tmp_path / "precious").exists()


def test_a_folder_that_is_just_being_made_is_not_taken_from_its_worker():
    ended = threading.Event()

    def sweep() -> None:
        while not ended.is_set():
            remove_left()

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    try:
        for _ in range(50):
            scratch = Scratch()
            with scratch.make_folder() as folder:
                (folder / "made").write_text("x")
            scratch.close()
    finally:
        ended.set()
        sweeping.join()
