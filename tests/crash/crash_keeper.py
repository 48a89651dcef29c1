"""A process that keeps, holds, releases and collects files until it is killed; test_crash_files.py starts it."""

import asyncio
import os
import random
import sys
import time
from pathlib import Path

from crash_ledgers import WAIT_S, open_store

from jobwire.blobs.local import LocalBlobs
from jobwire.store.files import hold_files
from jobwire.upkeep.collecting import Collector

FORGET = "DELETE FROM file_hold WHERE holder = :holder"
CONTENTS = 12
HOLDERS = 4


def keep_and_collect(address: str, folder: str, name: str, seed: str) -> None:
    """Print a line, then go on for ever."""
    rng = random.Random(seed)
    store, blobs = open_store(address), LocalBlobs(Path(folder))
    collector = Collector(store, blobs)
    print("ready", flush=True)
    while True:
        holder = f"{name}:{rng.randrange(HOLDERS)}"
        match rng.choice(["hold", "hold", "release", "collect"]):
            case "hold":
                # Of its own, so that what it makes old is not what another is about to hold.
                file = blobs.put_bytes(f"{name} {rng.randrange(CONTENTS)}".encode()).sha256
                store.write(lambda tx, holder=holder, file=file: hold_files(tx, holder, files=[file])).result(WAIT_S)
                os.utime(blobs.path_of(file), (1, 1))
            case "release":
                # As a day after its release.
                store.write(lambda tx, holder=holder: tx.execute(FORGET, holder=holder)).result(WAIT_S)
            case "collect":
                asyncio.run(collector.collect(time.time()))


if __name__ == "__main__":
    keep_and_collect(*sys.argv[1:])
