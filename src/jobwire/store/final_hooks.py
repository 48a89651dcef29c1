"""Hooks of jobs that became final: run in the commit that ends the job, by whoever knows the kind.

Whoever ends a job without knowing its kind (the command line, another program on the ledger) leaves a row in
`unheard_end` in that commit; upkeep/rounds.py of a process that has the hook runs it. Portable SQL, for any engine.
"""

import logging
from collections.abc import Iterable
from typing import Any

import msgspec

from jobwire.domain.outcome import PublicError
from jobwire.domain.states import State
from jobwire.kinds.contract import FinalJob, Kind
from jobwire.store.contract import Reader, Transaction
from jobwire.store.transaction import FinalHook, Statements

logger = logging.getLogger("jobwire.store")

_LEFT = """
SELECT e.number, j.owner, j.kind, s.state, j.input, s.output, s.error
  FROM unheard_end AS e JOIN job AS j ON j.number = e.number JOIN state AS s ON s.number = e.number
 WHERE j.kind = :kind ORDER BY e.number LIMIT :limit
"""


def run_hook(tx: Statements | Transaction, hook: FinalHook, row: tuple[Any, ...]) -> None:
    """Run the hook of a final job: (number, owner, kind, state, input, output, error). If it fails, it wrote nothing
    and the job's end stands: a failing hook must not hold the ledger back."""
    number, owner, kind, state, job_input, output, error = row
    message = None if error is None else msgspec.json.decode(error, type=PublicError).message
    job = FinalJob(number, owner, kind, state == State.COMPLETED, job_input, output, message)
    _, failure = tx.attempt(lambda: hook(tx, job))
    if failure is not None:
        logger.error("the on_final hook of kind %s failed for job %d", kind, number, exc_info=failure)


def keep_hooked_kinds(tx: Transaction, kinds: Iterable[Kind]) -> None:
    """Remember which of these kinds have a hook; other programs' kinds stay as they are."""
    kept = {kind for (kind,) in tx.query("SELECT kind FROM hooked_kind")}
    for kind in kinds:
        if kind.on_final is not None and kind.name not in kept:
            tx.execute("INSERT INTO hooked_kind (kind) VALUES (:kind) ON CONFLICT DO NOTHING", kind=kind.name)
        elif kind.on_final is None and kind.name in kept:
            tx.execute("DELETE FROM hooked_kind WHERE kind = :kind", kind=kind.name)


def find_unheard_kinds(reader: Reader) -> set[str]:
    """The kinds of ended jobs that still wait for their hook."""
    sql = "SELECT DISTINCT j.kind FROM unheard_end AS e JOIN job AS j ON j.number = e.number"
    return {kind for (kind,) in reader.query(sql)}


def run_left_hooks(tx: Transaction, *, kind: str, hook: FinalHook, limit: int) -> int:
    """Run the hook for up to `limit` jobs of a kind that wait for it, each once; returns how many waited."""
    rows = tx.query(_LEFT, kind=kind, limit=limit)
    for row in rows:
        # Another process may have been faster.
        if tx.execute("DELETE FROM unheard_end WHERE number = :number", number=row[0]):
            run_hook(tx, hook, row)
    return len(rows)
