"""The kinds of the server that is fuzzed: every sort of input, and every way for a job to end."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from jobwire import Context, JobError, Jobwire

app = Jobwire(queues=["bulk"])


class Order(Struct, forbid_unknown_fields=True):
    item: Annotated[str, Meta(min_length=1, max_length=40)]
    count: Annotated[int, Meta(ge=1, le=99)] = 1
    colour: Literal["red", "green", "blue"] | None = None


@app.job("echo")
def echo(text: str = "", numbers: list[int] | None = None) -> dict:
    """Say it again."""
    return {"text": text, "numbers": numbers or []}


@app.job("pack", queue="bulk")
def pack(order: Order) -> dict:
    """Pack an order."""
    return {"packed": order.count, "item": order.item}


@app.job("refuse", attempts=1)
def refuse(reason: str) -> None:
    """Fail with a reason that the customer may read."""
    raise JobError("refused", f"refused: {reason[:100]}", details={"reason": reason})


@app.job("linger", attempts=1)
def linger(ctx: Context, steps: Annotated[int, Meta(ge=0, le=5)] = 1) -> None:
    """Report progress and end."""
    for done in range(steps):
        ctx.progress(done=done, total=steps)
        ctx.check_cancelled()
