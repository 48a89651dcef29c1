"""Running one function of child_targets.py in a real child."""

import asyncio

import msgspec
import pytest

from jobwire.kinds.contract import ChildLimits
from jobwire.worker.children import Children


@pytest.fixture(scope="module")
def run_child():
    """`run_child(name, argument, **limits)`: the decoded result of one function of child_targets.

    All tests of a file have one nursery, as all jobs of a worker do: to start one takes 0.2 s of processor time.
    """
    with asyncio.Runner() as runner:
        children = Children(preload=("child_targets",), grace_ms=200)

        def run(name, argument=None, **limits):
            text = msgspec.json.encode(argument).decode()
            return msgspec.json.decode(
                runner.run(children.run(f"child_targets:{name}", text, limits=ChildLimits(**limits)))
            )

        yield run
        runner.run(children.close())
