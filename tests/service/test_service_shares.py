"""An owner's share: its weight, and how many of its jobs may run at once."""

import asyncio
from typing import Any

import pytest

from jobwire.domain.errors import RequestError
from jobwire.service.owners import Owners
from jobwire.store.contract import Store
from manual_clock import ManualClock


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture
def owners(store: Store, clock: ManualClock) -> Owners:
    found = Owners(store, clock)
    run(found.create_owner("acme"))
    return found


def share_of(owners: Owners) -> tuple[int, int | None]:
    (row,) = run(owners.list_owners())
    return row.weight, run(owners.running_caps()).get(row.id)


def test_a_share_is_set_part_by_part_and_a_cap_of_zero_is_none(owners: Owners) -> None:
    assert share_of(owners) == (1, None)
    run(owners.set_share("acme", weight=3))
    assert share_of(owners) == (3, None)
    run(owners.set_share("acme", running_max=20))
    assert share_of(owners) == (3, 20)
    run(owners.set_share("acme", weight=1_000, running_max=0))
    assert share_of(owners) == (1_000, None)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        ({"weight": 0}, "weight is 0; it is a whole number from 1 to 1,000"),
        ({"weight": 1_001}, "weight is 1001"),
        ({"running_max": -1}, "running_max is -1; it is a whole number from 1 to 1,000,000, or 0 for no cap"),
        ({"running_max": 1_000_001}, "running_max is 1000001"),
    ],
)
def test_a_share_out_of_bounds_is_refused_and_changes_nothing(
    owners: Owners, share: dict[str, int], text: str
) -> None:
    with pytest.raises(RequestError, match=text) as refused:
        run(owners.set_share("acme", **{"weight": 5, "running_max": 5} | share))
    assert refused.value.code == "invalid_request"
    assert share_of(owners) == (1, None)


def test_a_share_of_nobody_is_refused_with_the_nearest_name(owners: Owners) -> None:
    with pytest.raises(RequestError, match="did you mean 'acme'") as refused:
        run(owners.set_share("acne", weight=2))
    assert refused.value.code == "not_found"
