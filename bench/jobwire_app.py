"""The Jobwire side: an app with one kind, a no-op in async Python."""

from bench.ticks import tick
from jobwire.app import Jobwire

app = Jobwire()


@app.job("noop")
async def noop(submitted_at: float, user: int, items: list[int], note: str) -> int:
    """The job of every measurement."""
    tick(submitted_at)
    return 1
