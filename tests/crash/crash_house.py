"""The side of the test: starts and kills the processes of crash_roles.py, reads their logs and the ledger."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
from crash_ledgers import WAIT_S, count_leaves, open_store

from jobwire.blobs.local import LocalBlobs
from jobwire.domain.states import FINAL_STATES, Event, State

ROLES = Path(__file__).with_name("crash_roles.py")
EVENTS_MAX = 1_000_000
FINAL_EVENTS = {Event.COMPLETED, Event.FAILED, Event.CANCELLED, Event.EXPIRED}


class Process:
    """One process by its pidfd, so that a signal never meets another that got its number."""

    def __init__(self, pid):
        self.pid = pid
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = None

    def is_alive(self):
        return self._fd is not None and not self.wait(0)

    def wait(self, timeout_s=20.0):
        """Whether it ends within the time."""
        if self._fd is None:
            return True
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def send(self, number):
        if self._fd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def kill(self):
        self.send(signal.SIGKILL)
        assert self.wait(), f"process {self.pid} survived SIGKILL"
        self.close()

    def kill_group(self):
        """Kill it and everything in its process group at one moment."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.kill()

    def descendants(self):
        """The processes below it: its nursery and children."""
        found, rest = [], [self.pid]
        while rest:
            pid = rest.pop()
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    pids = [int(word) for word in path.read_text().split()]
                    found += pids
                    rest += pids
        return [Process(pid) for pid in found]

    def close(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Zygote:
    """The process from which all others are forked."""

    def __init__(self):
        self._process = subprocess.Popen([sys.executable, str(ROLES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def fork(self, order):
        os.write(self._process.stdin.fileno(), (json.dumps(order) + "\n").encode())
        return Process(int(self._process.stdout.readline()))

    def close(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class House:
    """One ledger, a folder and the processes on both."""

    def __init__(self, folder, zygote, ledger):
        self.folder = folder
        self.ledger = ledger
        self.processes = []
        self._zygote = zygote

    def start(self, role, **order):
        place = {"folder": str(self.folder), "address": self.ledger.address}
        process = self._zygote.fork({"role": role, **place, **order})
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            process.kill_group()

    # what the processes have written

    def runs(self):
        """Every start and end: (number, fence, what, at)."""
        return [(int(n), int(f), what, int(at)) for n, f, what, at in self._lines("runs.log")]

    def acks(self):
        """Every acknowledged submission: (number, key, idempotency key)."""
        return [(int(number), key, own) for number, key, own in self._lines("acks.log")]

    def completions(self):
        """Every completion that was acknowledged: (number, fence)."""
        return [(int(number), int(fence)) for number, fence in self._lines("completions.log")]

    def _lines(self, name):
        path = self.folder / name
        text = path.read_text() if path.exists() else ""
        # A reader may see the beginning of a line that is being written.
        return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]

    def errors(self):
        path = self.folder / "stderr.log"
        return path.read_text() if path.exists() else ""

    # the ledger

    def query(self, sql):
        """Rows of the ledger, as any other process reads them."""
        return self.ledger.query(sql)

    def wait_for(self, is_reached, *, within_s, what):
        """Look until it is so; fails after the time."""
        until = time.monotonic() + within_s
        never = select.poll()
        while not is_reached():
            assert time.monotonic() < until, f"not within {within_s} s: {what}\n{self.tell()}"
            never.poll(20)

    def wait_for_line(self, name, count=1, *, within_s=20):
        self.wait_for(lambda: len(self._lines(name)) >= count, within_s=within_s, what=f"{count} lines in {name}")

    def tell(self):
        """Where the jobs are, and what the processes have complained of."""
        states = self.query("SELECT state, count(*) FROM state GROUP BY state ORDER BY state")
        places = {table: self.query(f"SELECT count(*) FROM {table}") for table in ("ready", "due", "lease", "worker")}
        return f"states {states}, rows {places}\n{self.errors()[-3000:]}"

    def wait_for_progress(self, count):
        """Until so many more submissions and results are acknowledged."""
        acks, completions = len(self.acks()) + count, len(self.completions()) + count
        self.wait_for(
            lambda: len(self.acks()) >= acks and len(self.completions()) >= completions,
            within_s=60,
            what="work goes on",
        )

    def unfinished(self):
        return self.query("SELECT count(*) FROM state WHERE state < 2")[0][0]

    def wait_for_all_final(self, within_s=60):
        self.wait_for(lambda: self.unfinished() == 0, within_s=within_s, what="every job is final")

    def events(self):
        """Every event in commit order, through the store: (no, at, event, number, version)."""
        store = open_store(self.ledger.address)
        try:
            # Asking for events is what moves the last of them to the log.
            self.wait_for(
                lambda: (
                    store.events(0, limit=1).result(WAIT_S) is not None and self.query(self.ledger.unlogged) == [(0,)]
                ),
                within_s=WAIT_S,
                what="every event is in the log",
            )
            return store.events(0, limit=EVENTS_MAX).result(WAIT_S)
        finally:
            store.close()


def check(house):
    """The invariants over the logs and the ledger, when every job is final. Returns how many jobs there were."""
    states = {row[0]: row for row in house.query("SELECT number, state, fence, output, finalized_at FROM state")}
    keys = dict(house.query("SELECT key, number FROM job"))
    assert house.ledger.find_damage() == []

    # I1: what was acknowledged is there, once.
    for number, key, own in house.acks():
        assert keys.get(key) == number, f"acknowledged job {number} {key} ({own}) is not in the ledger"
    named = Counter(number for (number,) in house.query("SELECT number FROM idempotency"))
    assert set(named.values()) <= {1}, "one idempotency key made two jobs"

    # I2: exactly one final event a job, and nothing after it; versions without gaps or repetitions.
    story = defaultdict(list)
    for _, _, event, number, version in house.events():
        story[number].append((Event(event), version))
    assert story.keys() == states.keys()
    for number, entries in story.items():
        finals = [event for event, _ in entries if event in FINAL_EVENTS]
        assert len(finals) == 1, f"job {number} ended {len(finals)} times: {entries}"
        assert entries[-1][0] in FINAL_EVENTS, f"job {number} goes on after its end: {entries}"
        versions = [version for _, version in entries]
        assert versions == sorted(set(versions)), f"job {number} repeats a version: {entries}"

    # I3 and I4: no fence is handed out twice, and only the last one settles.
    starts = defaultdict(list)
    for number, fence, what, at in house.runs():
        if what == "start":
            starts[number].append((fence, at))
    for number, begun in starts.items():
        _, state, fence, output, finalized_at = states[number]
        fences = [f for f, _ in begun]
        assert len(fences) == len(set(fences)), f"job {number} was started twice with one fence: {begun}"
        assert max(fences) <= fence, f"job {number} was started with a fence the ledger has not seen: {begun}"
        if state == State.COMPLETED:
            told = msgspec.json.decode(output)["fence"]
            assert told == fence == max(fences), f"job {number}: settled with {told}, ledger {fence}, runs {begun}"
        for f, at in begun:
            assert at <= finalized_at or f < fence, f"job {number} was started with fence {f} after its end"

    # I5: a completion that was acknowledged is the job's end.
    for number, fence in house.completions():
        _, state, last, output, _ = states[number]
        told = msgspec.json.decode(output or "{}").get("fence")
        found = (state, last, told)
        assert found == (State.COMPLETED, fence, fence), f"job {number} was completed with {fence}, now {found}"

    # What is named by a result is readable and is what it says.
    blobs = LocalBlobs(house.folder / "files")
    for number, state, _, output, _ in states.values():
        assert State(state) in FINAL_STATES
        if state == State.COMPLETED:
            sha256 = msgspec.json.decode(output).get("sha256")
            assert sha256 is None or blobs.verify(sha256), f"the file of job {number} is not there"

    # Nothing is left over.
    for table in ("ready", "due", "lease"):
        assert house.query(f"SELECT count(*) FROM {table}") == [(0,)], f"rows left in {table}"
    waiting, counted = count_leaves(house.ledger)
    assert waiting == counted == [], "positions count jobs that do not wait"
    return len(states)
