"""The process that forks children: `python -m jobwire.worker.nursery SETTINGS`, started by nursery_link.py.

One thread, its modules imported before the first fork, so that a child costs milliseconds and a fork is safe. It
reads nothing but fixed frames of numbers; what a child is to do travels over the child's own socket (child.py).
"""

import ctypes
import faulthandler
import gc
import os
import select
import signal
import socket
import struct
import sys
import traceback
from contextlib import suppress
from enum import IntEnum
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from jobwire.worker import child
from jobwire.worker.invocation import MAIN_MODULE

_FRAME = struct.Struct("!BIiI?")
FRAME_BYTES = _FRAME.size
_FDS_PER_CHILD = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Settings(msgspec.Struct, frozen=True):
    """What a nursery is told at birth: its parent, the inherited control socket, and what to import."""

    parent_pid: int
    control_fd: int
    path: list[str]
    preload: list[str]
    main_path: str | None
    python_path: str | None


class Op(IntEnum):
    """FORK and SIGNAL are asked (value: the signal), STARTED (the pid) and ENDED (the exit code) are reported."""

    FORK = 1
    SIGNAL = 2
    STARTED = 3
    ENDED = 4


class Frame(NamedTuple):
    """One message of the control socket; `number` names the run. An exit code below 0 is a signal's number."""

    op: Op
    number: int
    value: int = 0
    cpu_ms: int = 0
    out_of_memory: bool = False

    def pack(self) -> bytes:
        """The frame's FRAME_BYTES bytes."""
        return _FRAME.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> "Frame":
        """The frame that these FRAME_BYTES bytes are."""
        op, *rest = _FRAME.unpack(data)
        return cls(Op(op), *rest)


class _Run(NamedTuple):
    number: int
    oom_kills_before: int


class Nursery:
    """Forks on demand, reports each child's start and end, and outlives none of its parent's sockets."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._runs: dict[int, _Run] = {}
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Work until the parent is gone or SIGTERM comes; then end every child and what it started."""
        poll = select.poll()
        for source in (self._control, self._wake):
            poll.register(source, select.POLLIN)
        try:
            while True:
                for fd, _ in poll.poll():
                    if fd == self._wake.fileno():
                        if signal.SIGTERM in self._wake.recv(4096):
                            return
                        self._reap()
                    elif not self._obey():
                        return
        except OSError:
            # The parent went away while it was told something.
            return
        finally:
            self._end_all()

    def _obey(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, FRAME_BYTES, _FDS_PER_CHILD)
        if len(data) < FRAME_BYTES:
            return False
        frame = Frame.unpack(data)
        try:
            if frame.op is Op.FORK:
                self._fork(frame.number, fds)
            else:
                self._signal(frame.number, frame.value)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _fork(self, number: int, fds: list[int]) -> None:
        oom_kills, nursery_pid = count_oom_kills(), os.getpid()
        # A signal between the fork and the child's own handlers would be written into the nursery's wake-up socket.
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        pid = _try_fork() if len(fds) == _FDS_PER_CHILD else None
        if pid == 0:
            _become_child(nursery_pid, *fds)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
        if pid is None:
            # No process or no descriptor to be had: reported as a child that died through no fault of its own.
            self._report(Frame(Op.ENDED, number, -signal.SIGKILL))
            return
        with suppress(OSError):
            os.setpgid(pid, pid)
        self._runs[pid] = _Run(number, oom_kills)
        self._report(Frame(Op.STARTED, number, pid))

    def _signal(self, number: int, signum: int) -> None:
        # Only unreaped children are listed, so the group is theirs and no newcomer's.
        for pid, run in self._runs.items():
            if run.number == number:
                _kill_group(pid, signum)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            run = self._runs.pop(pid, None)
            if run is not None:
                _kill_group(pid, signal.SIGKILL)
            self._kill_strays()
            if run is not None:
                code = os.waitstatus_to_exitcode(status)
                cpu_ms = int((usage.ru_utime + usage.ru_stime) * 1000)
                is_oom = code == -signal.SIGKILL and count_oom_kills() > run.oom_kills_before
                self._report(Frame(Op.ENDED, run.number, code, cpu_ms, is_oom))

    def _kill_strays(self) -> None:
        """Kill what children left behind: a child adopts its orphans, so those adopted here have lost theirs."""
        for pid in _list_children():
            if pid not in self._runs:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _end_all(self) -> None:
        for pid in self._runs:
            _kill_group(pid, signal.SIGKILL)
        self._runs.clear()
        while True:
            self._kill_strays()
            try:
                os.wait()
            except ChildProcessError:
                return

    def _report(self, frame: Frame) -> None:
        self._control.sendall(frame.pack())


def _try_fork() -> int | None:
    try:
        return os.fork()
    except OSError:
        traceback.print_exc()
        return None


def _become_child(nursery_pid: int, channel: int, output: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(OSError):
            os.setpgid(0, 0)
        set_process_option(_PR_SET_PDEATHSIG, signal.SIGKILL)
        set_process_option(_PR_SET_CHILD_SUBREAPER, 1)
        # Output first: the channel's number may be 1 or 2 only here, and 3 may be the output's.
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(channel, child.CHANNEL_FD, inheritable=False)
        os.closerange(child.CHANNEL_FD + 1, os.sysconf("SC_OPEN_MAX"))
        if os.getppid() == nursery_pid:
            child.run_child()
    finally:
        os._exit(child.ORPHANED_STATUS)


# Looked up before the first fork: each child has two options to set.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def set_process_option(option: int, value: int) -> None:
    """prctl(2) where there is one (Linux); elsewhere nothing."""
    if _prctl is not None:
        _prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def count_oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started."""
    try:
        lines = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    _, found, rest = lines.partition("\noom_kill ")
    return int(rest.partition("\n")[0]) if found else 0


def _kill_group(pid: int, signum: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)


def _list_children() -> list[int]:
    try:
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    except OSError:
        return []


def _import_modules(settings: Settings) -> None:
    """Import what children will need; what fails here is told on stderr, and fails again in its child."""
    for name in settings.preload:
        try:
            import_module(name)
        except (Exception, SystemExit):
            traceback.print_exc()
    if settings.main_path is not None:
        try:
            _import_main(settings.main_path)
        except (Exception, SystemExit):
            sys.modules.pop(MAIN_MODULE, None)
            traceback.print_exc()


def _import_main(path: str) -> None:
    spec = spec_from_file_location(MAIN_MODULE, path)
    assert spec is not None and spec.loader is not None, path
    sys.modules[MAIN_MODULE] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


def _warn_of_threads() -> None:
    with suppress(OSError):
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads > 1:
            sys.stderr.write(
                f"jobwire: the modules imported for child processes run {threads - 1} threads; a fork may copy their "
                "locks and the child hang. Start threads when the program runs, not when its modules are imported.\n"
            )


def main() -> None:
    """Be a nursery, as the settings in the first argument say."""
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    # SIGTERM rather than SIGKILL, so that the children's own processes are ended too.
    set_process_option(_PR_SET_PDEATHSIG, signal.SIGTERM)
    set_process_option(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != settings.parent_pid:
        return
    sys.path[:] = settings.path
    os.environ.pop("PYTHONPATH")
    if settings.python_path is not None:
        os.environ["PYTHONPATH"] = settings.python_path
    faulthandler.enable()
    _import_modules(settings)
    _warn_of_threads()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=settings.control_fd) as control:
        Nursery(control).serve()


if __name__ == "__main__":
    main()
