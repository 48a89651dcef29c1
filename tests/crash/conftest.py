"""A house of processes for each test; none of them outlives it."""

import pytest
from crash_house import House, Zygote


@pytest.fixture(scope="module")
def zygote():
    opened = Zygote()
    yield opened
    opened.close()


@pytest.fixture
def house(tmp_path, zygote):
    opened = House(tmp_path, zygote)
    yield opened
    opened.close()
