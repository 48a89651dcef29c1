"""What every test may use: a seed that a failing run prints, and a clock that the test moves."""

import gc
import logging
import os
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio._backends._asyncio
import hypothesis
import pytest

from manual_clock import ManualClock
from run_folder import enter_run_folder

SEED_VARIABLE = "JOBWIRE_SEED"
FAST_EXAMPLES = 20

# anyio loads its parts on first use, and pytest parses them anew; two threads parsing at once make Python 3.11 fail
# with a SystemError. So they are loaded here, before any server of a test has a thread.
LOADED_EARLY = (anyio.open_file, anyio.to_thread, anyio.create_task_group, anyio.CapacityLimiter)

# Tests talk to loopback only. Every httpx client reads the authorities anew, 20 ms for the 140 of certifi, and every
# process on loading aiohttp those of the system: here it is one that signed nothing.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "no_authority.pem")

# Before anything has asked for a temporary file; the workers of pytest-xdist are in the folder of their starter.
enter_run_folder()

# Machines differ in speed: an example may take the time it needs, and a failure says how to repeat it.
hypothesis.settings.register_profile("jobwire", deadline=None, print_blob=True)
# For `make test-fast`: where a test says no number of its own.
hypothesis.settings.register_profile("fast", hypothesis.settings.get_profile("jobwire"), max_examples=FAST_EXAMPLES)
hypothesis.settings.load_profile("jobwire")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    given = os.environ.get(SEED_VARIABLE)
    config.stash[SEED] = int(given) if given else secrets.randbits(32)
    if given and getattr(config.option, "hypothesis_seed", None) is None:
        config.option.hypothesis_seed = given


SEED = pytest.StashKey[int]()


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[SEED]} (repeat with {SEED_VARIABLE}={config.stash[SEED]})"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing of what is collected is ever let go: looking through it for garbage takes half of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests come first: a process that takes one at the end keeps all others waiting."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of this test in this run; the run's header names the seed that repeats them."""
    return random.Random(f"{request.config.stash[SEED]}/{request.node.nodeid}")


@pytest.fixture(autouse=True)
def root_logging() -> Iterator[None]:
    """A command that sets up logging does so for its own test: its stream is closed in the next."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
