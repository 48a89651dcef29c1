"""Rows go through the pipe in order and in constant memory, and whichever side fails ends the other."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from jobwire.tables.feeding import PIPE_BYTES, encode_page, feed, read_fed

DEADLINE_S = 30


async def make_pages(count: int, rows: int = 100) -> AsyncGenerator[bytes, None]:
    for page in range(count):
        yield encode_page([[page, "x" * 100] for _ in range(rows)])


def run(work: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(DEADLINE_S):
            return await work

    return asyncio.run(bounded())


def test_all_pages_arrive_in_order(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    pages = 3 * PIPE_BYTES // 10_000

    def read() -> list[int]:
        return [page[0][0] for page in read_fed(pipe)]

    assert run(feed(pipe, make_pages(pages), work=lambda: asyncio.to_thread(read))) == list(range(pages))
    assert not pipe.exists()


def test_work_that_fails_ends_the_feeding(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    was_ended = False

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal was_ended
        try:
            while True:
                yield encode_page([["x" * 10_000]])
        finally:
            was_ended = True

    def fail() -> None:
        next(read_fed(pipe))
        raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="disk is full"):
        run(feed(pipe, endless(), work=lambda: asyncio.to_thread(fail)))
    assert was_ended


def test_pages_that_fail_end_the_work(tmp_path: Path) -> None:
    was_cancelled = asyncio.Event()

    async def broken() -> AsyncGenerator[bytes, None]:
        yield encode_page([[1]])
        raise LookupError("no such repository")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    with pytest.raises(LookupError, match="no such repository"):
        run(feed(tmp_path / "pipe", broken(), work=work))
    assert was_cancelled.is_set()


def test_rows_without_their_end_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(encode_page([["a"]]))
    with pytest.raises(EOFError):
        list(read_fed(path))
