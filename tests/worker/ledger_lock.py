"""Holds the write lock of a ledger, as a stuck other process would. Run as a program: prints `locked`, waits for EOF.

Never in the test's own process: two copies of SQLite in one process do not see each other's locks.
"""

import asyncio
import contextlib
import sqlite3
import sys


@contextlib.asynccontextmanager
async def locked(path):
    """While this is open, nobody else writes to the ledger."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert await process.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.read()
    connection.execute("ROLLBACK")
    connection.close()
