"""`jobwire serve` and `jobwire worker` as processes of their own on one ledger."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

JOBWIRE = str(Path(sys.executable).with_name("jobwire"))
HERE = Path(__file__).parent
READY_S = 60


def environment(folder, ledger, **settings):
    """The settings of a process on the ledger, with its files in the folder."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    own = {"JOBWIRE_DB": ledger.address, "JOBWIRE_FILES": str(folder / "files"), "PYTHONPATH": str(HERE)}
    return {**plain, **own, **settings}


def make_key(folder, ledger, owner="acme"):
    """A new API key by the command line."""
    made = subprocess.run(
        [JOBWIRE, "keys", "create", "--owner", owner, "--json"],
        env=environment(folder, ledger), capture_output=True, text=True, check=True, timeout=READY_S,
    )  # fmt: skip
    return json.loads(made.stdout)["key"]


class Served:
    """A running process of the program; a server's `address` is where it listens."""

    def __init__(self, folder, ledger, *, command=("serve", "crash_app:app", "--port", "0"), log="serve", **settings):
        self._log = (folder / f"{log}.log").open("a+")
        self.address = ""
        self._start_at = self._log.tell()
        self.process = subprocess.Popen(
            [JOBWIRE, *command],
            env=environment(folder, ledger, **settings), stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, start_new_session=True,
        )  # fmt: skip

    def wait_ready(self):
        """Wait until it listens, or has said which ledger it works on."""
        until = time.monotonic() + READY_S
        never = select.poll()
        while True:
            self._log.seek(self._start_at)
            text = self._log.read()
            found = re.search(r"listens on (http://\S+)|  ledger ", text)
            if found:
                self.address = found[1]
                return self
            assert self.process.poll() is None and time.monotonic() < until, text
            never.poll(20)

    def client(self, key):
        return httpx.Client(base_url=self.address, headers={"Authorization": f"Bearer {key}"}, timeout=READY_S)

    def kill(self):
        """SIGKILL to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(READY_S)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        return self.process.wait(READY_S)

    def text(self):
        self._log.seek(0)
        return self._log.read()

    def close(self):
        self.kill()
        self._log.close()
