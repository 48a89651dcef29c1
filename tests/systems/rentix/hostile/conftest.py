"""One server under attack for each module."""

from collections.abc import Iterator

import pytest
from hostile_house import HostileHouse, serve_hostile


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileHouse]:
    with serve_hostile(tmp_path_factory.mktemp("hostile")) as served:
        yield served
