"""Real children: waiting for the end of a process, and a worker's side of a child's Context."""

import asyncio
import os
import select
from dataclasses import dataclass, field

import msgspec

from jobwire.kinds.contract import ChildLimits

GONE_MS_MAX = 20_000


def wait_gone(pid: int) -> None:
    """Return when the process has ended, or fail after a deadline."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        assert waiting.poll(GONE_MS_MAX), f"process {pid} is still there"
    finally:
        os.close(fd)


@dataclass
class Desk:
    """Answers a child's Context as a worker would, and lets a test wait for what was asked."""

    asked: list[tuple[str, object]] = field(default_factory=list)
    steps: dict[str, str] = field(default_factory=dict)
    is_cancelled: bool = False
    first_progress: asyncio.Future = None

    async def serve(self, op, value):
        self.asked.append((op, value))
        match op:
            case "progress":
                if self.first_progress is not None and not self.first_progress.done():
                    self.first_progress.set_result(value)
            case "check_cancelled":
                return self.is_cancelled
            case "find_step":
                return self.steps.get(value["name"])
            case "keep_step":
                self.steps[value["name"]] = value["output"]
            case "save_file":
                return {
                    "sha256": "0" * 64,
                    "name": value["name"],
                    "content_type": value["content_type"],
                    "size_bytes": 1,
                    "seal": "made by the worker",
                }
            case _:
                raise AssertionError(op)
        return None

    async def run(self, children, name, *, limits=None, **given):
        """Run a handler of child_targets; `first_progress` is then to be awaited."""
        self.first_progress = asyncio.get_running_loop().create_future()
        facts = {"key": "k" * 26, "number": 7, "owner": 3, "attempt": 2, "folder": "", "input": given}
        payload = msgspec.json.encode(facts).decode()
        limits = limits or ChildLimits()
        return await children.run_handler(f"child_targets:{name}", payload, limits=limits, serve=self.serve)
