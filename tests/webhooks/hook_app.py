"""The app whose jobs are told of, run as a process of its own."""

import random

from jobwire.app import Jobwire
from jobwire.domain.errors import JobError
from jobwire.domain.retry import RetryPolicy
from jobwire.kinds.contract import Context

app = Jobwire()


@app.job("mixed", queue="web", attempts=3, retry=RetryPolicy(first_ms=1, longest_ms=20))
async def mixed(ctx: Context, n: int) -> dict:
    """Some end well, some at the second attempt, some badly."""
    ctx.progress(50, stage="half")
    luck = random.Random(n).random()
    if luck < 0.2:
        raise JobError("wrong", "It is wrong.")
    if luck < 0.5 and ctx.attempt == 1:
        raise JobError("busy", "It is busy.", retryable=True)
    return {"n": n}
