"""One server under attack for each module, with the photo server it may fetch from and the tripwire it may not."""

import sys
from collections.abc import Iterator

import pytest
from hostile_house import HostileHouse, serve_hostile
from hostile_photos import HostilePhotos
from tripwire import Tripwire

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["test_*.py"]  # only there all of 127.0.0.0/8 is this machine, and /proc tells of processes


@pytest.fixture(scope="module")
def house(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileHouse]:
    with serve_hostile(tmp_path_factory.mktemp("hostile")) as served:
        yield served


@pytest.fixture(scope="module")
def photos() -> Iterator[HostilePhotos]:
    with HostilePhotos() as server:
        yield server


@pytest.fixture(scope="module")
def tripwire() -> Iterator[Tripwire]:
    with Tripwire() as wire:
        yield wire
