"""`jobwire worker` as a process of its own, which runs the jobs and sends the webhooks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

JOBWIRE = str(Path(sys.executable).with_name("jobwire"))
HERE = Path(__file__).parent
END_S = 60
LEASE_MS = 1_000


def start_worker(folder: Path, address: str) -> "subprocess.Popen[bytes]":
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    settings = {
        "JOBWIRE_DB": address,
        "JOBWIRE_FILES": str(folder / "files"),
        "JOBWIRE_WEBHOOK_ALLOW": "127.0.0.0/8",
        "JOBWIRE_LEASE_MS": str(LEASE_MS),
        "PYTHONPATH": str(HERE),
    }
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [JOBWIRE, "worker", "hook_app:app"],
            env={**plain, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the whole group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_S)


def stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(END_S)
