"""The app of these tests, as a user would write it: a module that `jobwire serve app_tasks:app` finds."""

import asyncio

from jobwire import Context, JobError, Jobwire

app = Jobwire()
not_an_app = object()


@app.job("count_words", queue="texts", attempts=3, timeout="30s")
def count_words(ctx: Context, text: str, longer_than: int = 0) -> dict:
    """Count the words of a text."""
    words = [word for word in text.split() if len(word) > longer_than]
    if not words:
        message = f"No word is longer than {longer_than}; send a longer text."
        raise JobError("no_words", message, details={"longer_than": longer_than})
    for done, _ in enumerate(words, start=1):
        ctx.check_cancelled()
        ctx.progress(done=done, total=len(words), stage="counting")
    return {"words": len(words), "longest": max(words, key=len)}


@app.job("double", isolation="process")
def double(value: int) -> int:
    """Twice the value, worked out in a child process."""
    return 2 * value


@app.job(attempts=1)
async def fails() -> None:
    """Never works."""
    raise ValueError("password=hunter2")


@app.job()
async def waits() -> None:
    """Runs until it is cancelled."""
    await asyncio.Event().wait()
