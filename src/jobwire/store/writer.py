"""The writer: one thread that groups concurrent writes into one commit. An engine opens its connection.

A group is whatever has been posted while the last commit was on its way to the disk, so nothing waits for a
window and an fsync is shared by all who came meanwhile. A claim that finds no work is parked here; when a group
brings work to its queue, the claim is served in the same commit: submission and claim cost one fsync together.

Where a database asks for it, a group is run again from its start: nothing of it had been committed.
"""

import logging
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from jobwire.domain.errors import RequestError
from jobwire.domain.job import NewJob, Receipt
from jobwire.store.contract import Claim, ClaimRequest, Wake
from jobwire.store.operations import OpenTransaction
from jobwire.store.pending import Pending
from jobwire.store.posted import (
    Answer,
    Foreign,
    Item,
    Parked,
    Served,
    Withdrawal,
    Write,
    fail_all,
    join_submissions,
    refuse,
)

logger = logging.getLogger("jobwire.store")

GROUP_MAX = 256
FOREIGN_POLL_S = 0.02


class Engine(Protocol):
    """What the writer needs of the database."""

    is_optimistic: bool
    """Whether savepoints are dear: a group runs without them, and again with them only if one of its writes fails."""

    def begin(self) -> OpenTransaction:
        """Open a write transaction."""

    def commit(self) -> None:
        """Make it durable."""

    def rollback(self) -> None:
        """Undo it, if it is still open."""

    def waits_to_rerun(self, error: BaseException) -> bool:
        """Whether the group, of which nothing is committed, is to be run again; returns after the wait before it."""

    def map_error(self, error: BaseException) -> BaseException:
        """The error a caller is given for a driver's error."""

    def has_foreign_changes(self) -> bool:
        """Whether another process has committed since the last call."""

    def close(self) -> None:
        """Close the connection."""


class Writer:
    """Runs posted operations in order, in groups, each group one durable commit; `commits` counts them."""

    def __init__(self, open_engine: Callable[[], Engine], *, watches_others: bool) -> None:
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._parked: dict[str, deque[Parked]] = defaultdict(deque)
        self._owed: set[str] = set()
        self._listeners: list[Callable[[Wake], None]] = []
        self._watches_others = watches_others
        self._is_closed = False
        self.commits = 0
        self.tell_others: Callable[[Wake], None] = lambda wake: None
        """What tells other processes of this one's commits."""
        self._lock = threading.Lock()
        opened: Pending[Engine] = Pending()
        self._thread = threading.Thread(
            target=self._run, args=(open_engine, opened), name="jobwire-writer", daemon=True
        )
        self._thread.start()
        opened.result()

    def post(self, apply: Callable[[OpenTransaction], Any]) -> Pending[Any]:
        """Run `apply` in the next group; the answer comes after its commit."""
        write = Write(apply)
        self._put(write)
        return write.pending

    def submit(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]]:
        """Submit in the next group, in one batch with the submissions beside it."""
        write = Write(lambda transaction: transaction.submit(jobs), jobs=jobs)
        self._put(write)
        return write.pending

    def park(self, request: ClaimRequest) -> Pending[list[Claim]]:
        """Claim now, or as soon as the queue has work."""
        parked = Parked(request, Pending())
        self._put(parked)
        return parked.pending

    def withdraw(self, pending: Pending[list[Claim]]) -> None:
        """Answer a parked claim with nothing; one that was served meanwhile keeps its answer."""
        self._put(Withdrawal(pending))

    def hear(self, foreign: Foreign) -> None:
        """Serve the parked claims for which another process may have made work, and wake the listeners."""
        self._put(foreign)

    def waiting_queues(self) -> list[str]:
        """The queues for which a claim is parked, as another thread sees them."""
        return [name for name, waiting in tuple(self._parked.items()) if waiting]

    def listen(self, wake: Callable[[Wake], None]) -> Callable[[], None]:
        """Call `wake` after commits that concern others; returns the function that ends it."""

        def end() -> None:
            with self._lock:
                self._listeners = [listener for listener in self._listeners if listener is not wake]

        with self._lock:
            self._listeners = [*self._listeners, wake]

        return end

    def close(self) -> None:
        """Commit what was posted before, refuse the rest."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._inbox.put(None)
        self._thread.join()

    def _put(self, item: Item) -> None:
        with self._lock:
            if not self._is_closed:
                self._inbox.put(item)
                return
        refuse(item)

    def _run(self, open_engine: Callable[[], Engine], opened: Pending[Engine]) -> None:
        try:
            engine = open_engine()
        except BaseException as error:
            opened.fail(error)
            return
        opened.fulfil(engine)
        try:
            while self._take_group(engine):
                pass
        except BaseException:
            logger.exception("the ledger's writer broke down; the ledger is closed")
        finally:
            self._refuse_rest()
            engine.close()

    def _refuse_rest(self) -> None:
        with self._lock:
            self._is_closed = True
        while not self._inbox.empty():
            refuse(self._inbox.get())
        for waiting in self._parked.values():
            for parked in waiting:
                parked.pending.fulfil([])

    def _take_group(self, engine: Engine) -> bool:
        """Run one group, which is empty when only another process has moved; False after the last one."""
        group: list[Item] = []
        goes_on = True
        try:
            item = self._inbox.get(timeout=FOREIGN_POLL_S if self._watches_others else None)
            while item is not None:
                group.append(item)
                if len(group) >= GROUP_MAX or self._inbox.empty():
                    break
                item = self._inbox.get()
            goes_on = item is not None
        except queue.Empty:
            pass
        if self._watches_others and engine.has_foreign_changes():
            group.append(Foreign(None, changed=True))
        heard: set[str] = set()
        has_foreign, writes = False, self._sort_out(group)
        for item in group:
            if isinstance(item, Foreign):
                heard.update(self.waiting_queues() if item.queues is None else item.queues)
                has_foreign = has_foreign or item.changed
        self._owed.update(name for name in heard if self._parked.get(name))
        if writes or (group and self._owed):
            self._commit(engine, writes)
        if heard or has_foreign:
            self._wake(Wake(frozenset(heard), changed=has_foreign))
        return goes_on

    def _sort_out(self, group: list[Item]) -> list[Write]:
        """Park and unpark claims in the order they came; what is left needs a transaction."""
        writes: list[Write] = []
        for item in group:
            match item:
                case Write():
                    writes.append(item)
                case Parked():
                    self._parked[item.request.queue].append(item)
                    self._owed.add(item.request.queue)
                case Withdrawal(pending):
                    self._unpark(pending)
                case Foreign():
                    continue
        return writes

    def _unpark(self, pending: Pending[list[Claim]]) -> None:
        for waiting in self._parked.values():
            for parked in list(waiting):
                if parked.pending is pending:
                    waiting.remove(parked)
                    pending.fulfil([])

    def _commit(self, engine: Engine, writes: list[Write]) -> None:
        """Run the group until it is committed or refused."""
        is_alone = len(writes) == 1 and not self._owed
        is_careful = not engine.is_optimistic and not is_alone
        while True:
            served: Served = []
            is_run = False
            try:
                transaction, answers = self._run_group(engine, writes, served, is_careful=is_careful)
                is_run = True
                engine.commit()
            except BaseException as error:
                self._park_again(served)
                try:
                    engine.rollback()
                except BaseException:
                    fail_all(writes, engine.map_error(error))
                    raise
                if engine.waits_to_rerun(error):
                    continue
                # It may not be known whether a commit was done: then it is refused as one.
                is_unknown = is_run and isinstance(error, RequestError)
                if not (is_unknown or is_careful or is_alone) and isinstance(error, Exception):
                    is_careful = True
                    continue
                fail_all(writes, engine.map_error(error))
                return
            break
        self._tell(transaction, answers, served)

    def _run_group(
        self, engine: Engine, writes: list[Write], served: Served, *, is_careful: bool
    ) -> tuple[OpenTransaction, list[Answer]]:
        transaction = engine.begin()
        answers: list[Answer] = []
        for beside in join_submissions(writes):
            joint = None
            if len(beside) > 1:
                joint = self._submit_together(engine, transaction, beside, is_careful=is_careful)
            answers += joint or [self._apply(engine, transaction, write, is_careful=is_careful) for write in beside]
        self._serve_parked(transaction, served)
        transaction.finish()
        return transaction, answers

    def _park_again(self, served: Served) -> None:
        """Whoever was parked stays so, to be tried again with the next commit."""
        for parked, _ in reversed(served):
            self._parked[parked.request.queue].appendleft(parked)
        self._owed = {name for name, waiting in self._parked.items() if waiting}

    def _tell(self, transaction: OpenTransaction, answers: list[Answer], served: Served) -> None:
        self.commits += 1
        self._owed.clear()
        # Work first: a job starts 40 µs earlier than after its submitter has been told.
        for parked, claims in served:
            parked.pending.fulfil(claims)
        for pending, value, failure in answers:
            if failure is None:
                pending.fulfil(value)
            else:
                pending.fail(failure)
        if transaction.has_changes:
            wake = Wake(frozenset(transaction.ready_queues), changed=True)
            self._wake(wake)
            self.tell_others(wake)
        if transaction.unfinished_queues:
            # A claim stopped among jobs held back by caps: it goes on in the next commit, after whoever waits now.
            self._inbox.put(Foreign(frozenset(transaction.unfinished_queues), changed=False))

    def _apply(self, engine: Engine, transaction: OpenTransaction, write: Write, *, is_careful: bool) -> Answer:
        """Run one operation, carefully so that its failure undoes only itself."""
        if not is_careful:
            # Its failure rolls the whole transaction back: no savepoint needed.
            return write.pending, write.apply(transaction), None
        value, failure = transaction.attempt(lambda: write.apply(transaction))
        return write.pending, value, None if failure is None else engine.map_error(failure)

    def _submit_together(
        self, engine: Engine, transaction: OpenTransaction, writes: Sequence[Write], *, is_careful: bool
    ) -> list[Answer] | None:
        """Submissions that stand beside each other as one batch: a dozen statements for all instead of for each.

        None when the batch is refused: then each goes alone, and only the guilty fails.
        """
        batch = Write(lambda tx: tx.submit([job for write in writes for job in write.jobs or ()]))
        _, receipts, failure = self._apply(engine, transaction, batch, is_careful=is_careful)
        if failure is not None:
            return None
        given = iter(receipts)
        return [(write.pending, [next(given) for _ in write.jobs or ()], None) for write in writes]

    def _serve_parked(self, transaction: OpenTransaction, served: Served) -> None:
        seen: set[str] = set()
        # A claim may make work ready in another queue, when the time of a cap has passed.
        while queues := (transaction.ready_queues | self._owed) - seen:
            seen |= queues
            for name in queues:
                waiting = self._parked[name]
                while waiting:
                    claims = transaction.claim(waiting[0].request)
                    if not claims:
                        break
                    parked = waiting.popleft()
                    served.append((parked, claims))
                    if len(claims) < parked.request.limit:
                        # Nothing is left for the others: a statement less between a submission and its start.
                        break

    def _wake(self, wake: Wake) -> None:
        for listener in self._listeners:
            try:
                listener(wake)
            except Exception:
                logger.exception("a listener of the ledger failed")
