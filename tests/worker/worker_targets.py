"""Handlers that run in child processes; they leave their marks in files."""

import os
import signal
from pathlib import Path

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context


def append(path: str, line: str) -> None:
    """Add a line in one write."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)


def add_in_child(ctx: Context, a: int, b: int = 1) -> dict:
    return {"sum": a + b, "pid": os.getpid(), "attempt": ctx.attempt}


def refuse_in_child(retryable: bool) -> None:
    raise JobError("no_luck", "No luck.", retryable=retryable)


def fail_in_child() -> None:
    raise ValueError("password=hunter2")


def hang_in_child(ctx: Context, log: str) -> None:
    append(log, str(os.getpid()))
    ctx.progress(5, message="hangs")
    while True:
        signal.pause()


def work_in_scratch(ctx: Context, log: str, dies: bool = False) -> bool:
    with ctx.scratch() as folder:
        append(log, str(folder))
        (folder / "made").write_text("x")
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return [path.name for path in folder.iterdir()] == ["made"]


def step_in_child(ctx: Context, log: str) -> int:
    def work(name: str) -> str:
        append(log, name)
        return name

    ctx.step("first", lambda: work("first"))
    ctx.step("second", lambda: work("second"))
    if ctx.attempt == 1:
        raise JobError("no_luck", "No luck.", retryable=True)
    ctx.step("third", lambda: work("third"))
    return ctx.attempt


def snooze_in_child(ctx: Context, mark: str) -> int:
    if not Path(mark).exists():
        Path(mark).touch()
        ctx.snooze(0.001)
    return ctx.attempt


def report_in_child(ctx: Context, rows: int, pipe: str) -> int:
    ctx.progress(stage="read")
    for row in range(rows):
        ctx.progress(done=row + 1, total=rows)
    ctx.progress(stage="write", message="half way")
    ctx.check_cancelled()
    # Until the test has seen it: the open waits for the other end.
    return len(Path(pipe).read_text())


def save_in_child(ctx: Context, source: str, keep_s: float | None = None) -> dict:
    saved = ctx.save_file(Path(source), name="made.txt", content_type="text/plain", keep_s=keep_s)
    return {"sha256": saved.sha256, "size_bytes": saved.size_bytes}


def double(value: int) -> int:
    if value < 0:
        raise JobError("negative", "The value is negative.", details={"value": value})
    return 2 * value


def die(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value
