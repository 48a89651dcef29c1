"""What the children of these tests are asked to do: ordinary work, and everything a hostile file could cause."""

import asyncio
import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits, Context

MIB = 1024 * 1024


class Photo(msgspec.Struct):
    width: int
    height: int


@dataclass
class Area:
    pixels: int


def measure_area(photo: Photo) -> Area:
    return Area(photo.width * photo.height)


async def double_later(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def echo(value):
    return value


def ignore(value):
    return None


def refuse(value: int) -> None:
    raise JobError("too_dark", "The photo is too dark.", retryable=True, details={"value": value}, retry_after_ms=5)


def refuse_with_odd_details(value: int) -> None:
    raise JobError("odd", "Odd.", details={"value": object()})


def fail(secret: str) -> None:
    raise KeyError(secret)


def leave(status: int) -> None:
    sys.exit(status)


def take_two(left: int, right: int) -> int:
    return left + right


def return_object(value: int) -> object:
    return object()


def return_text(length: int) -> str:
    return "x" * length


def describe_process(value: None) -> dict:
    return {
        "nice": os.nice(0),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "file_bytes": resource.getrlimit(resource.RLIMIT_FSIZE)[1],
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "open": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "threads": os.environ["OMP_NUM_THREADS"],
        "python_path": os.environ.get("PYTHONPATH"),
        "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
        "leads_group": os.getpgid(0) == os.getpid(),
        "path": sys.path,
    }


def fill_memory(mebibytes: int) -> int:
    return len(bytearray(mebibytes * MIB))


def fill_memory_slowly(value: None) -> None:
    kept = []
    while True:
        kept.append(bytearray(MIB))


def burn_cpu(value: None) -> None:
    while True:
        pass


def burn_cpu_deaf(value: None) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def segfault(value: None) -> None:
    ctypes.string_at(0)


def abort(value: None) -> None:
    os.write(2, b"free(): invalid pointer\n")
    os.abort()


def exit_silently(status: int) -> None:
    os._exit(status)


def kill_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    signal.pause()


def write_file(job: tuple[str, int]) -> int:
    name, mebibytes = job
    with open(name, "wb") as file:
        file.truncate(mebibytes * MIB)
    return mebibytes


def chatter(mebibytes: int) -> str:
    for _ in range(mebibytes):
        sys.stdout.write("o" * MIB)
        sys.stderr.write("e" * MIB)
    return "quiet again"


def speak_on_channel(data: str) -> None:
    channel = socket.socket(fileno=os.dup(3))
    channel.sendall(data.encode("latin-1"))
    signal.pause()


def claim_huge_message(value: None) -> None:
    os.write(3, struct.pack("!I", 0xFFFFFFFF))
    signal.pause()


def kill_nursery(value: None) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


def stop_nursery(value: None) -> None:
    os.kill(os.getppid(), signal.SIGSTOP)


def leave_daemon_behind(value: None) -> int:
    """Start a process in its own session and group, orphaned twice over, and return its pid."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, str(os.getpid()).encode())
            while True:
                signal.pause()
        os._exit(0)
    return int(os.read(read, 20))


def optimise(size: int) -> dict:
    import numpy
    from PIL import Image

    image = Image.fromarray(numpy.full((size, size, 3), 128, dtype=numpy.uint8))
    image.thumbnail((64, 64))
    return {"size": image.size, "mean": float(numpy.asarray(image).mean())}


# Handlers: their Context is the child's.


def report_pids_and_sleep(ctx: Context) -> None:
    """Tell the pids of this child and of a grandchild, then hang."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ctx.progress(1, message=f"{os.getpid()} {grandchild.pid} {os.getppid()}")
    signal.pause()


def report_pids_and_ignore_signals(ctx: Context) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.progress(1, message=f"{os.getpid()} {os.getppid()}")
    while True:
        signal.pause()


def clean_up_when_asked(ctx: Context, mark: str) -> None:
    try:
        ctx.progress(1, message="ready")
        while True:
            # Not signal.pause(): a signal just before its system call would be seen only after it.
            time.sleep(0.01)
    finally:
        Path(mark).write_text("cleaned up")


def use_everything(ctx: Context, rows: int, title: str = "untitled") -> dict:
    ctx.log.warning("starting %s", title)
    ctx.progress(10, stage="read")
    first = ctx.step("count", lambda: (rows, 1))
    second = ctx.step("count", lambda: (rows, 2))
    ctx.check_cancelled()
    saved = ctx.save_file(Path("made.txt"), name="made.txt", content_type="text/plain")
    area = ctx.isolate(measure_area, Photo(2, 3), limits=ChildLimits())
    return {
        "facts": [ctx.job_id, ctx.number, ctx.owner, ctx.attempt],
        "steps": [first, second],
        "saved": saved,
        "area": area.pixels,
        "title": title,
    }


async def use_everything_later(ctx: Context, rows: int) -> dict:
    async def count() -> int:
        await asyncio.sleep(0)
        return rows

    return {
        "steps": [await ctx.step("count", count), await ctx.step("count", lambda: 0)],
        "saved": await ctx.save_file(Path("made.txt"), name="made.txt", content_type="text/plain"),
        "area": (await ctx.isolate(measure_area, Photo(2, 3))).pixels,
    }


def take_whole_object(photo: Photo) -> int:
    return photo.width


def report_often(ctx: Context, rows: int) -> None:
    ctx.progress(stage="write")
    for row in range(rows):
        ctx.progress(done=row + 1, total=rows)


def report_then_fail(ctx: Context) -> None:
    ctx.progress(10)
    ctx.progress(42)
    raise JobError("broken", "Broken.")


def ask_from_threads(ctx: Context, threads: int) -> int:
    """How many of the threads got back what was theirs, each time."""
    sys.setswitchinterval(1e-6)
    right = []

    def ask(thread: int) -> None:
        names = [f"{thread}-{turn}" for turn in range(100)]
        right.append([ctx.step(name, name.upper) for name in names] == names)

    workers = [threading.Thread(target=ask, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(right)


def wait_for_cancel(ctx: Context) -> None:
    ctx.progress(1)
    while True:
        ctx.check_cancelled()
        time.sleep(0.001)


def postpone(ctx: Context) -> None:
    ctx.snooze(2.5)


def write_ledger(ctx: Context) -> None:
    ctx.write(lambda transaction: None)


def catch_refusal(ctx: Context) -> str:
    try:
        ctx.save_file(Path("x"), name="x", content_type="text/plain")
    except JobError as error:
        return error.code
    return "saved"


def chatter_and_abort(mebibytes: int) -> None:
    chatter(mebibytes)
    os.write(2, b"the end")
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    os.abort()


def snooze_for(ctx: Context, delay_s: float) -> None:
    ctx.snooze(delay_s)


def say_oddly(ctx: Context) -> str:
    ctx.log.warning("a name: %s", "\udcff")
    ctx.log.warning("x" * (8 * 1024 * 1024))
    ctx.progress(5, message="\udcff")
    return "done"
