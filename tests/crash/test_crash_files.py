"""Processes that keep, hold, release and collect files in one folder are killed; no file that is held is lost."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_ledgers import open_store

from jobwire.blobs.local import LocalBlobs
from jobwire.upkeep.collecting import Collector

pytestmark = pytest.mark.slow

KEEPER = Path(__file__).with_name("crash_keeper.py")
ROUNDS = 8
NAMES = ("a", "b")


def start_keeper(ledger, folder, name, seed):
    command = [sys.executable, str(KEEPER), ledger.address, str(folder), name, str(seed)]
    keeper = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert keeper.stdout.readline() == b"ready\n"
    return keeper


def collected(ledger, folder):
    store = open_store(ledger.address)
    try:
        asyncio.run(Collector(store, LocalBlobs(folder)).collect(time.time()))
    finally:
        store.close()


def held_files(ledger):
    return {sha256 for (sha256,) in ledger.query("SELECT DISTINCT sha256 FROM file_hold")}


def test_whoever_dies_every_held_file_is_there_and_the_others_go(ledger, tmp_path, rng):
    folder = tmp_path / "kept"
    blobs = LocalBlobs(folder)
    seen = set()
    open_store(ledger.address).close()
    for turn in range(ROUNDS):
        keepers = [start_keeper(ledger, folder, name, f"{rng.random()}") for name in NAMES]
        done = held_files(ledger)
        # Long enough for some rounds of theirs; when it ends is the lottery of the test.
        while held_files(ledger) == done:
            continue
        for keeper in keepers:
            keeper.kill()
            keeper.wait()
            keeper.stdout.close()
        held = held_files(ledger)
        assert all(blobs.verify(address) for address in held), f"after kill {turn}"
        seen |= held
    for path in folder.glob("??/*/*"):
        os.utime(path, (1, 1))
    collected(ledger, folder)
    assert {path.name for path in folder.glob("??/*/*")} == held_files(ledger)
    assert len(seen) > 1
