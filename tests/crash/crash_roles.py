"""The processes that are killed. Run as a program it is the place they are forked from: imports once, forks in a
millisecond. It reads a line of JSON for each process to start and answers with its pid.

Roles: `produce` submits without end and writes down what was acknowledged; `work` runs jobs and writes down each
start and end; both on one ledger.
"""

import asyncio
import functools
import itertools
import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

from crash_ledgers import engine_of, open_store

from jobwire.blobs.local import LocalBlobs
from jobwire.domain.errors import JobError, RequestError
from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import NewJob
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.states import Event
from jobwire.kinds.contract import Context
from jobwire.kinds.registry import Registry, make_kind
from jobwire.store.sqlite import read_clock
from jobwire.upkeep.rounds import Upkeep
from jobwire.worker.children import Children
from jobwire.worker.context import Tools
from jobwire.worker.loop import Worker
from jobwire.worker.nursery import set_process_option

PR_SET_PDEATHSIG = 1
KINDS = ("quick", "threaded", "stepped", "unlucky", "keeps")


class Log:
    """A file to which every line is appended in one write; nothing is lost when its process is killed."""

    def __init__(self, path):
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, *words):
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())


open_log = functools.cache(Log)


def note(log, number, fence, what):
    """One line of the log of runs; also called in child processes."""
    open_log(log).write(number, fence, what, time.time_ns() // 1_000_000)


def note_in_child(run: tuple[str, int, int]) -> int:
    """The isolated part of a job."""
    log, number, fence = run
    note(log, number, fence, "child")
    return os.getpid()


def fence_of(ctx):
    """The fence of a running attempt: a handler has no use for it, the checker has."""
    return getattr(ctx, "_inner", ctx)._attempt.claim.fence


def logged(log, handler, *, name):
    """A kind whose runs are written down, with the fence as its output."""

    if asyncio.iscoroutinefunction(handler):

        async def run(ctx: Context) -> dict:
            note(log, ctx.number, fence_of(ctx), "start")
            extra = await handler(ctx)
            note(log, ctx.number, fence_of(ctx), "end")
            return {"fence": fence_of(ctx), **(extra or {})}

    else:

        def run(ctx: Context) -> dict:
            note(log, ctx.number, fence_of(ctx), "start")
            extra = handler(ctx)
            note(log, ctx.number, fence_of(ctx), "end")
            return {"fence": fence_of(ctx), **(extra or {})}

    queue = "children" if name == "isolated" else "default"
    policy = RetryPolicy(first_ms=20, longest_ms=200)
    return make_kind(run, name=name, queue=queue, attempts=50, timeout="20s", retry=policy)


def make_kinds(folder):
    """Every sort of job there is."""
    log = str(folder / "runs.log")

    async def quick(ctx):
        await asyncio.sleep(0)

    def threaded(ctx):
        time.sleep(0.005)

    async def stepped(ctx):
        first = await ctx.step("first", lambda: fence_of(ctx))
        ctx.progress(50, message="half")
        await asyncio.sleep(0.005)
        second = await ctx.step("second", lambda: fence_of(ctx))
        return {"steps": [first, second]}

    async def unlucky(ctx):
        if ctx.attempt == 1:
            raise JobError("no_luck", "No luck.", retryable=True)

    async def keeps(ctx):
        made = folder / f"made-{os.getpid()}-{ctx.number}"
        made.write_bytes(secrets.token_bytes(2_000))
        try:
            saved = await ctx.save_file(made, name="made", content_type="application/octet-stream")
        finally:
            made.unlink(missing_ok=True)
        return {"sha256": saved.sha256}

    async def isolated(ctx):
        await ctx.isolate(note_in_child, (log, ctx.number, fence_of(ctx)))

    handlers = (quick, threaded, stepped, unlucky, keeps, isolated)
    return [logged(log, handler, name=handler.__name__) for handler in handlers]


def new_job(kind, owner, idempotency_key):
    """A submission as the service makes it."""
    key = make_key(read_clock(), secrets.randbits(RANDOM_BITS))
    queue = "children" if kind == "isolated" else "default"
    return NewJob(key, owner, kind, queue, "{}", attempts_max=50, idempotency_key=idempotency_key)


def produce(folder, address, *, kinds=KINDS, pause_s=0.01):
    """Submit until SIGTERM; each acknowledged submission is written down: number, key, idempotency key."""
    store, is_over = open_store(address), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    acks = Log(folder / "acks.log")
    for count in itertools.count():
        owner = 1 + count % 3
        jobs = [new_job(kind, owner, f"{os.getpid()}-{count}-{kind}") for kind in kinds[: 1 + count % len(kinds)]]
        for job, receipt in zip(jobs, submit_at_last(store, jobs), strict=True):
            acks.write(receipt.number, receipt.key, job.idempotency_key)
        if is_over.wait(pause_s):
            return


def submit_at_last(store, jobs):
    """The receipts, however often the ledger is away: the same submission again, as a client does it."""
    while True:
        try:
            return store.submit(jobs).result(60)
        except RequestError as error:
            assert error.code == "unavailable", error


def submit(folder, address, *, kind, idempotency_key):
    """Submit one job and write down its receipt."""
    store = open_store(address)
    (receipt,) = store.submit([new_job(kind, 1, idempotency_key)]).result(30)
    Log(folder / "acks.log").write(receipt.number, receipt.key, idempotency_key)
    store.close()


def work(folder, address, *, lease_ms=400, slots=4, has_children=False, has_upkeep=True):
    """Run jobs until SIGTERM."""
    kinds = [kind for kind in make_kinds(folder) if has_children or kind.queue != "children"]
    store = open_store(address)
    note_completions(store, Log(folder / "completions.log"))
    asyncio.run(run_worker(folder, store, Registry(kinds), lease_ms=lease_ms, slots=slots, has_upkeep=has_upkeep))


def note_completions(store, log):
    """Write down each completion as soon as the ledger has acknowledged it: number, fence."""
    real = store.settle

    def settle(settlements, claim=None):
        pending = real(settlements, claim)

        def note_accepted():
            try:
                accepted = set(pending.result().accepted)
            except RequestError:
                return
            # A worker that was cut off may have run a job twice by now; the later run is the one that counts.
            newest = {s.lease.number: s for s in sorted(settlements, key=lambda s: s.lease.fence)}
            for number, settlement in newest.items():
                if settlement.event is Event.COMPLETED and number in accepted:
                    log.write(number, settlement.lease.fence)

        pending.on_done(note_accepted)
        return pending

    store.settle = settle


async def run_worker(folder, store, registry, *, lease_ms, slots, has_upkeep):
    children = Children(preload=["crash_roles"])
    tools = Tools(store, LocalBlobs(folder / "files"), children)
    worker = Worker(tools, registry, slots=slots, lease_ms=lease_ms, drain_s=1)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    upkeep = asyncio.create_task(Upkeep(store, round_ms=lease_ms).run()) if has_upkeep else None
    Log(folder / "ready.log").write(os.getpid())
    try:
        await worker.run()
    finally:
        if upkeep is not None:
            upkeep.cancel()
        await children.close()
        store.close()


def arm(address, op, moment):
    """Die in the first commit that carries `op` (a method of OpenTransaction that did something)."""
    engine, transaction = engine_of(address)
    real, real_commit = getattr(transaction, op), engine.commit
    carried = []

    @functools.wraps(real)
    def noted(self, *given, **named):
        result = real(self, *given, **named)
        if op not in ("claim", "rescue") or result:
            carried.append(op)
        return result

    def commit(self):
        if carried and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real_commit(self)
        if carried and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(transaction, op, noted)
    engine.commit = commit


def live_until(folder, address, *, op, moment, kind, idempotency_key):
    """Submit and work, and die at the point."""
    arm(address, op, moment)
    submit(folder, address, kind=kind, idempotency_key=idempotency_key)
    work(folder, address, lease_ms=200, slots=2)


def stall(folder, address, *, lease_ms):
    """Work, and stop (SIGSTOP) between the end of the first job and its settlement, outside of any transaction."""
    engine, _ = engine_of(address)
    real_decide, real_begin = Worker.decide, engine.begin
    decided = []

    def decide(self, attempt, outcome):
        decided.append(attempt)
        return real_decide(self, attempt, outcome)

    def begin(self):
        if len(decided) == 1:
            decided.append(None)
            # To this thread: sent to the process, another one takes it and this one may go on into its transaction.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return real_begin(self)

    Worker.decide, engine.begin = decide, begin
    work(folder, address, lease_ms=lease_ms, slots=1, has_upkeep=False)


ROLES = {role.__name__: role for role in (produce, submit, work, live_until, stall)}


def become(order, zygote_pid):
    """Be the process that was asked for."""
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote_pid:
        os._exit(1)
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(order.pop("folder"))
    errors = os.open(folder / "stderr.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    logging.basicConfig(level="WARNING", format="%(process)d %(levelname)s %(message)s")
    ROLES[order.pop("role")](folder, order.pop("address"), **order)


def main():
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The kernel reaps.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    own_pid = os.getpid()
    while line := os.read(0, 65_536):
        pid = os.fork()
        if pid == 0:
            try:
                become(json.loads(line), own_pid)
                os._exit(0)
            except BaseException:
                logging.exception("a role failed")
            finally:
                os._exit(1)
        os.write(1, f"{pid}\n".encode())


if __name__ == "__main__":
    # Roles are found by this name in child processes, too.
    sys.modules["crash_roles"] = sys.modules["__main__"]
    for function in (note_in_child,):
        function.__module__ = "crash_roles"
    main()
