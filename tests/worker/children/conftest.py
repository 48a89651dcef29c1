"""Running one function of child_targets.py in a real child."""

import asyncio

import msgspec
import pytest

from jobwire.kinds.contract import ChildLimits
from jobwire.worker.children import Children


@pytest.fixture
def run_child():
    """`run_child(name, argument, **limits)`: the decoded result of one function of child_targets."""

    def run(name, argument=None, **limits):
        async def run_one():
            async with Children(preload=("child_targets",), grace_ms=200) as children:
                text = msgspec.json.encode(argument).decode()
                output = await children.run(f"child_targets:{name}", text, limits=ChildLimits(**limits))
                return msgspec.json.decode(output)

        return asyncio.run(run_one())

    return run
