"""The writer: one thread that groups concurrent writes into one commit. An engine opens its connection.

A group is whatever has been posted while the last commit was on its way to the disk, so nothing waits for a
window and an fsync is shared by all who came meanwhile. A claim that finds no work is parked here; when a group
brings work to its queue, the claim is served in the same commit: submission and claim cost one fsync together.
"""

import logging
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jobwire.domain.job import NewJob, Receipt
from jobwire.store.contract import Claim, ClaimRequest, Wake
from jobwire.store.operations import OpenTransaction
from jobwire.store.pending import Pending
from jobwire.store.transaction import refuse_closed

logger = logging.getLogger("jobwire.store")

GROUP_MAX = 256
FOREIGN_POLL_S = 0.02


class Engine(Protocol):
    """What the writer needs of the database."""

    def begin(self) -> OpenTransaction:
        """Open a write transaction."""

    def commit(self) -> None:
        """Make it durable."""

    def rollback(self) -> None:
        """Undo it, if it is still open."""

    def is_open(self) -> bool:
        """Whether a transaction is still open (an I/O error may have ended it)."""

    def map_error(self, error: BaseException) -> BaseException:
        """The error a caller is given for a driver's error."""

    def has_foreign_changes(self) -> bool:
        """Whether another process has committed since the last call."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(slots=True)
class Write:
    """One posted operation and its answer; `jobs` when it is a submission, which may share a batch with others."""

    apply: Callable[[OpenTransaction], Any]
    pending: Pending[Any] = field(default_factory=Pending)
    jobs: Sequence[NewJob] | None = None


@dataclass(slots=True)
class Parked:
    """A claim that waits for work."""

    request: ClaimRequest
    pending: Pending[list[Claim]]


@dataclass(slots=True)
class Withdrawal:
    """A parked claim that is to wait no longer; needs no transaction, so that no outage can hold it up."""

    pending: Pending[list[Claim]]


Item = Write | Parked | Withdrawal


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
        if not isinstance(item, Withdrawal):
            item.pending.fail(refuse_closed())

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
            item = self._inbox.get()
            if item is not None and not isinstance(item, Withdrawal):
                item.pending.fail(refuse_closed())
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
        has_foreign = self._watches_others and engine.has_foreign_changes()
        if has_foreign:
            self._owed.update(name for name, waiting in self._parked.items() if waiting)
        foreign = frozenset(self._owed) if has_foreign else frozenset()
        writes = self._sort_out(group)
        if writes or foreign or (group and self._owed):
            self._commit(engine, writes)
        if has_foreign:
            self._wake(Wake(foreign, changed=True))
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
        return writes

    def _unpark(self, pending: Pending[list[Claim]]) -> None:
        for waiting in self._parked.values():
            for parked in list(waiting):
                if parked.pending is pending:
                    waiting.remove(parked)
                    pending.fulfil([])

    def _commit(self, engine: Engine, writes: list[Write]) -> None:
        answers: list[tuple[Pending[Any], Any, BaseException | None]] = []
        served: list[tuple[Parked, list[Claim]]] = []
        try:
            transaction = engine.begin()
            is_alone = len(writes) == 1 and not self._owed
            for beside in _join_submissions(writes):
                joint = self._submit_together(engine, transaction, beside) if len(beside) > 1 else None
                answers += joint or [self._apply(engine, transaction, write, is_alone=is_alone) for write in beside]
            ready = frozenset(transaction.ready_queues)
            self._serve_parked(transaction, ready | self._owed, served)
            engine.commit()
        except BaseException as error:
            # Whoever was parked stays so, to be tried again with the next commit.
            for parked, _ in reversed(served):
                self._parked[parked.request.queue].appendleft(parked)
            self._owed = {name for name, waiting in self._parked.items() if waiting}
            refusal = engine.map_error(error)
            try:
                engine.rollback()
            finally:
                for write in writes:
                    write.pending.fail(refusal)
            return
        self.commits += 1
        self._owed.clear()
        for pending, value, failure in answers:
            if failure is None:
                pending.fulfil(value)
            else:
                pending.fail(failure)
        for parked, claims in served:
            parked.pending.fulfil(claims)
        if transaction.has_changes:
            self._wake(Wake(ready, changed=True))

    def _apply(
        self, engine: Engine, transaction: OpenTransaction, write: Write, *, is_alone: bool
    ) -> tuple[Pending[Any], Any, BaseException | None]:
        """Run one operation so that its failure undoes only itself."""
        if is_alone:
            # Its failure rolls the whole transaction back: no savepoint needed.
            return write.pending, write.apply(transaction), None
        transaction.connection.execute("SAVEPOINT write")
        try:
            value = write.apply(transaction)
        except Exception as error:
            if not engine.is_open():
                raise
            transaction.connection.execute("ROLLBACK TO write")
            transaction.connection.execute("RELEASE write")
            return write.pending, None, engine.map_error(error)
        transaction.connection.execute("RELEASE write")
        return write.pending, value, None

    def _submit_together(
        self, engine: Engine, transaction: OpenTransaction, writes: Sequence[Write]
    ) -> list[tuple[Pending[Any], Any, BaseException | None]] | None:
        """Submissions that stand beside each other as one batch: a dozen statements for all instead of for each.

        None when the batch is refused: then each goes alone, and only the guilty fails.
        """
        batch = Write(lambda tx: tx.submit([job for write in writes for job in write.jobs or ()]))
        _, receipts, failure = self._apply(engine, transaction, batch, is_alone=False)
        if failure is not None:
            return None
        given = iter(receipts)
        return [(write.pending, [next(given) for _ in write.jobs or ()], None) for write in writes]

    def _serve_parked(
        self, transaction: OpenTransaction, queues: frozenset[str], served: list[tuple[Parked, list[Claim]]]
    ) -> None:
        for name in queues:
            waiting = self._parked[name]
            while waiting:
                claims = transaction.claim(waiting[0].request)
                if not claims:
                    break
                served.append((waiting.popleft(), claims))

    def _wake(self, wake: Wake) -> None:
        for listener in self._listeners:
            try:
                listener(wake)
            except Exception:
                logger.exception("a listener of the ledger failed")


def _join_submissions(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """The writes in their order, submissions that follow each other together."""
    beside: list[Write] = []
    for write in writes:
        if write.jobs is not None:
            beside.append(write)
            continue
        if beside:
            yield beside
            beside = []
        yield [write]
    if beside:
        yield beside
