"""The app that `jobwire serve` runs in these tests."""

import asyncio
import os
from pathlib import Path

from jobwire.app import Jobwire
from jobwire.domain.errors import JobError
from jobwire.domain.retry import RetryPolicy
from jobwire.kinds.contract import Context

app = Jobwire()


@app.job("quick", queue="web", attempts=50)
async def quick(a: int) -> dict:
    await asyncio.sleep(0)
    return {"a": a}


@app.job("patient", queue="patient", attempts=1)
async def patient(ctx: Context, mark: str) -> int:
    """Say that it runs and wait for ever."""
    await asyncio.to_thread(Path(mark).write_text, f"{os.getpid()} {ctx.attempt}")
    await asyncio.Event().wait()
    return ctx.attempt


@app.job("stuck", queue="stuck", attempts=1)
def stuck(mark: str) -> None:
    """A thread that never listens."""
    Path(mark).write_text("running")
    with Path(os.environ["STUCK_PIPE"]).open() as pipe:
        pipe.read()


@app.job("brief", queue="brief", attempts=1)
async def brief(mark: str, pipe: str) -> str:
    await asyncio.to_thread(Path(mark).write_text, "running")
    return await asyncio.to_thread(Path(pipe).read_text)


@app.job("moody", queue="web", attempts=4, retry=RetryPolicy(first_ms=20, longest_ms=40))
async def moody(ctx: Context, failures: int) -> int:
    """Fail so many times, then succeed: a job with a story."""
    if ctx.attempt <= failures:
        raise JobError("busy", "Not now.", retryable=True)
    return ctx.attempt
