"""What only one job may do at a time, whichever process runs it: WordPress itself lets anything be doubled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context
from jobwire.systems.docswrite.records import drop_claim, take_claim

CLAIM_LIFETIME_MS: Final = 200_000
"""Longer than the requests that are made under one: three of a minute each."""

_LOOK_S: Final = 0.25


@asynccontextmanager
async def claimed(ctx: Context, name: str) -> AsyncIterator[None]:
    """Inside, no other job does what `name` names; waits until those are done.

    After a failure that leaves open what the site has done, the claim stays this job's until it expires.
    """
    while not await ctx.write(partial(take_claim, name=name, job=ctx.number, lifetime_ms=CLAIM_LIFETIME_MS)):
        ctx.check_cancelled()
        await asyncio.sleep(_LOOK_S)
    try:
        yield
    except JobError as error:
        if not error.retryable:
            await ctx.write(partial(drop_claim, name=name, job=ctx.number))
        raise
    await ctx.write(partial(drop_claim, name=name, job=ctx.number))
