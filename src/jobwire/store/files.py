# ruff: noqa: S608 - statements of ours, put together
"""Who holds which kept file, as portable SQL: upkeep/collecting.py removes the files that nobody holds.

A holder is a text: `job:17` for a job, and what a system or program calls a row of its own: `rentix:media:3`. The
hold is written in the transaction that makes the reference, for bytes that were put within the last day or that
somebody holds already. What is released is held for one more day, so that neither an open transaction that is about
to hold the same file nor a backup that is under way loses it.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence

from jobwire.domain.job import NewJob
from jobwire.kinds.contract import FILE_MARK
from jobwire.store.contract import Reader, Rows
from jobwire.store.webhooks import Writing

RELEASED_MS = 24 * 3_600_000

NAMED_FILE = re.compile(FILE_MARK + '([0-9a-f]{64})"')

_FOLDER_ROW = "files"
_JOB = "job:"
_ADDRESS = re.compile(r"[0-9a-f]{64}")
_TOGETHER = 500
# Many addresses travel as one text: the engines have no JSON functions in common.
_GIVEN = (
    "WITH RECURSIVE place(n) AS (SELECT 1 UNION ALL SELECT n + 64 FROM place WHERE n + 64 <= :chars),"
    " given(sha256) AS (SELECT substr(CAST(:files AS text), n, 64) FROM place)"
)
# What is held twice is held for the longer time.
_LONGER = (
    " ON CONFLICT (holder, sha256) DO UPDATE SET expires_at = CASE"
    " WHEN excluded.expires_at > file_hold.expires_at THEN excluded.expires_at"
    " WHEN excluded.expires_at IS NULL THEN NULL ELSE file_hold.expires_at END"
)


def name_job(number: int) -> str:
    """The holder that a job is."""
    return f"{_JOB}{number}"


def hold_files(tx: Writing, holder: str, *, files: Iterable[str], expires_at: int | None = None) -> None:
    """The files of these addresses are kept until the holder releases them, at most until `expires_at`.

    Raises ValueError for what is no address.
    """
    for some in _batch(files):
        tx.execute(
            f"INSERT INTO file_hold (holder, sha256, expires_at) {_GIVEN}"
            " SELECT CAST(:holder AS text), sha256, CAST(:expires_at AS bigint) FROM given WHERE true" + _LONGER,
            holder=holder,
            expires_at=expires_at,
            **some,
        )


def release_files(tx: Writing, holder: str) -> None:
    """The holder needs its files no more: its holds end after RELEASED_MS; who else holds one of them keeps it."""
    tx.execute(
        "UPDATE file_hold SET expires_at = :at WHERE holder = :holder AND (expires_at IS NULL OR expires_at > :at)",
        holder=holder,
        at=tx.now + RELEASED_MS,
    )


def hold_inputs(tx: Writing, jobs: Sequence[NewJob], numbers: Sequence[int]) -> None:
    """New jobs hold the files that their inputs name, and reruns with kept steps all that their origins hold."""
    for job, number in zip(jobs, numbers, strict=True):
        if FILE_MARK in job.input:
            hold_files(tx, name_job(number), files=NAMED_FILE.findall(job.input))
        if job.kept_steps and job.rerun_of is not None:
            tx.execute(
                "INSERT INTO file_hold (holder, sha256, expires_at)"
                " SELECT CAST(:holder AS text), sha256, expires_at FROM file_hold WHERE holder = :origin" + _LONGER,
                holder=name_job(number),
                origin=name_job(job.rerun_of),
            )


def find_held(reader: Reader, files: Iterable[str], *, now: int) -> set[str]:
    """Those of the addresses that somebody holds at time `now`."""
    held: set[str] = set()
    for some in _batch(files):
        rows = reader.query(
            f"{_GIVEN} SELECT sha256 FROM given WHERE EXISTS (SELECT 1 FROM file_hold AS h"
            " WHERE h.sha256 = given.sha256 AND (h.expires_at IS NULL OR h.expires_at > :now))",
            now=now,
            **some,
        )
        held.update(sha256 for (sha256,) in rows)
    return held


def drop_expired(tx: Writing) -> int:
    """Forget the holds whose time is over; returns the time now."""
    tx.execute("DELETE FROM file_hold WHERE expires_at <= :now", now=tx.now)
    return tx.now


def find_systems(reader: Reader) -> set[str]:
    """The names of the systems that have tables in this ledger."""
    rows = reader.query("SELECT name FROM ledger WHERE name LIKE 'system:%'")
    return {str(name).partition(":")[2] for (name,) in rows}


def keep_folder_id(tx: Writing) -> str:
    """What marks the folder of kept files as this ledger's."""
    tx.execute(
        "INSERT INTO ledger (name, value) VALUES (:name, :id) ON CONFLICT (name) DO NOTHING",
        name=_FOLDER_ROW,
        id=secrets.token_hex(16),
    )
    return str(tx.query("SELECT value FROM ledger WHERE name = :name", name=_FOLDER_ROW)[0][0])


def forget_folder(writer: Rows) -> None:
    """This ledger is a copy from now on: the folder is the other one's."""
    writer.query("DELETE FROM ledger WHERE name = :name", name=_FOLDER_ROW)


def _batch(files: Iterable[str]) -> Iterator[dict[str, str | int]]:
    addresses = sorted(set(files))
    for address in addresses:
        if _ADDRESS.fullmatch(address) is None:
            raise ValueError(f"a file's address is 64 hex digits in lower case, not {address[:80]!r}")
    for first in range(0, len(addresses), _TOGETHER):
        text = "".join(addresses[first : first + _TOGETHER])
        yield {"files": text, "chars": len(text)}
